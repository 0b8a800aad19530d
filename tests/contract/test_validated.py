"""A source whose samples are looked at is a source: it keeps the contract of the port."""

from __future__ import annotations

import math

import pyarrow as pa

from penstock.instruments import Validated
from penstock.ports.source import Source
from penstock.stores.memory import MemorySource
from penstock.testing.sources import SourceSuite

VALUES = [3_000.0, math.nan, None, 25_000.0, 700.0, math.inf, 0.0]
"""No two of a kind in a row: runs end with batches, and the suite cuts them in many ways."""


class TestValidatedSource(SourceSuite):
    """Samples are refused, and so are records of the source itself."""

    def make(self) -> Source:
        """Some partitions of a few batches each."""
        table = pa.table({"channel": ["rpm"] * 21, "value": pa.array(VALUES * 3, pa.float64())})
        return Validated(MemorySource(table, 10, 3, frozenset({4})))
