"""A source whose samples are looked at is a source: it keeps the contracts of the ports, and hides no ability."""

from __future__ import annotations

import math

import pyarrow as pa

from penstock.instruments import Validated
from penstock.ports.source import Source
from penstock.queue.arrivals import Arrivals
from penstock.queue.memory import MemoryLog
from penstock.queue.source import LogSource, Portions, attach
from penstock.stores.jsonl.entries import learned, recalled
from penstock.stores.memory import MemorySource
from penstock.testing.releasing import ReleasingSuite
from penstock.testing.sources import SourceSuite

VALUES = [3_000.0, math.nan, None, 25_000.0, 700.0, math.inf, 0.0]
"""No two of a kind in a row: runs end with batches, and the suite cuts them in many ways."""


class TestValidatedSource(SourceSuite):
    """Samples are refused, and so are records of the source itself."""

    def make(self) -> Source:
        """Some partitions of a few batches each."""
        table = pa.table({"channel": ["rpm"] * 21, "value": pa.array(VALUES * 3, pa.float64())})
        return Validated(MemorySource(table, 10, 3, frozenset({4})))


class TestValidatedQueue(ReleasingSuite):
    """Samples that wait in a log are let go of once they are stored."""

    def make(self) -> Source:
        """Every third sample has no value; some entries are no samples."""
        log = MemoryLog(clock_us=lambda: 1)
        log._epoch = bytes(9) + b"1"
        for number in range(12):
            log.append(0, [b'{"channel": "rpm", "value": %s}' % (b"null" if number % 3 == 1 else b"%d.5" % number)]).result()
        log.append(0, [b"no object"]).result()
        decoder = learned([b'{"channel": "rpm", "value": 1.5}'], {})
        assert decoder is not None
        stretches = attach(log, "a consumer")
        return Validated(LogSource(stretches, "a consumer", decoder, recalled, Arrivals(stretches), Portions(batch_bytes=50)))

    async def test_it_grows_as_its_source_does(self) -> None:
        """A live source stays one, a source at rest too."""
        source = self.make()

        assert source.growing is not None
        assert source.growing.waiting == 13
        assert TestValidatedSource().make().growing is None
