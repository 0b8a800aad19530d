"""A log as a source, and what is received into it, keep the contracts of their ports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from penstock.model.gaps import SHED, Gap
from penstock.ports.source import Source
from penstock.queue.arrivals import Arrivals
from penstock.queue.log import LogSettings
from penstock.queue.memory import MemoryLog
from penstock.queue.source import LogSource, Portions, attach
from penstock.stores.jsonl.entries import JsonEntries, learned, recalled
from penstock.stores.queue.raw import RawEntries
from penstock.stores.stdin.receiving import Lines
from penstock.testing.live import LiveSourceSuite
from penstock.testing.releasing import GrowingSuite, ReleasingSuite


def decoder() -> JsonEntries:
    """Of records with a number."""
    found = learned([b'{"id": 1}'], {})
    assert found is not None
    return found


def empty(lanes: int = 1) -> MemoryLog:
    """A log that has the same epoch each time."""
    log = MemoryLog(LogSettings(lanes=lanes), clock_us=lambda: 1)
    log._epoch = bytes(9) + b"1"
    return log


def filled() -> MemoryLog:
    """Some records, two of them no rows, gaps between them, in appends of their own."""
    log = empty()
    for number in range(0, 40, 3):
        log.append(0, [b'{"id": %d}' % (number + one) for one in range(3)]).result()
        if not number % 4:
            log.append_gap(0, Gap(SHED, number, 1, 2)).result()
    log.append(0, [b"no object", b' {"id":\n7} ', b"  ", b'{"id": 8}']).result()
    return log


def live(log: MemoryLog, portions: Portions) -> LogSource:
    """The log as a live source."""
    stretches = attach(log, "a consumer", read_bytes=30)
    return LogSource(stretches, "a consumer", decoder(), recalled, Arrivals(stretches, flush_interval_s=0), portions)


class TestLiveLog(ReleasingSuite):
    """One lane, to which more could be appended, read in several batches."""

    def make(self) -> Source:
        """The same records each time, in a log of their own."""
        return live(filled(), Portions(batch_bytes=50))


class TestSmallPasses(ReleasingSuite):
    """A live log of which much waits, taken in passes of a few entries."""

    def make(self) -> Source:
        """As above; the first plan is a part of it."""
        return live(filled(), Portions(batch_bytes=20, pass_bytes=200))


class TestRestingLog(ReleasingSuite):
    """Three lanes and two epochs, read as one stretch."""

    def make(self) -> Source:
        """Entries in each lane before and after the epoch changed."""
        log = empty(3)
        for epoch in range(2):
            for lane in (2, 0, 1, 0):
                log.append(lane, [b"%d %d %d" % (epoch, lane, number) for number in range(4)]).result()
            log._epoch = bytes(9) + b"2"
        stretches = attach(log, "a consumer")
        return LogSource(stretches, "a consumer", RawEntries(), lambda _: RawEntries(), portions=Portions(batch_bytes=30))


class TestGrowingLog(GrowingSuite):
    """A live log that is empty."""

    def make(self) -> Source:
        """What waits is handed out at once."""
        return live(MemoryLog(), Portions())

    async def grow(self, source: Source) -> None:
        """Append."""
        assert isinstance(source, LogSource)
        source.stretches.log.append(0, [b'{"id": 1}']).result()

    def end(self, source: Source) -> None:
        """Say so."""
        assert isinstance(source, LogSource)
        assert source.arrivals is not None
        source.arrivals.end()


@dataclass
class Pipe:
    """Both ends of a pipe."""

    ends: tuple[int, int] = field(default_factory=os.pipe)
    live: Lines = field(init=False)
    open: bool = True

    def __post_init__(self) -> None:
        self.live = Lines(self.ends[0], 100, blank=False)

    def send(self, record: bytes) -> None:
        """As a line."""
        os.write(self.ends[1], record + b"\n")

    def hang_up(self) -> None:
        """Close the writing end."""
        if self.open:
            os.close(self.ends[1])
        self.open = False


class TestLines(LiveSourceSuite):
    """Lines of a pipe."""

    @pytest.fixture
    def bench(self) -> Iterator[Pipe]:
        """An open pipe."""
        pipe = Pipe()
        yield pipe
        pipe.hang_up()
        os.close(pipe.ends[0])
