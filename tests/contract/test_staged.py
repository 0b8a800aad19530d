"""A source seen through stages is a source: it keeps the contract of the port, also where it remembers earlier rows."""

from __future__ import annotations

import pyarrow as pa

from penstock.pipelines.staged import Staged
from penstock.pipelines.stages.cast import Cast
from penstock.pipelines.stages.dedupe import Dedupe
from penstock.pipelines.stages.expression import Expression
from penstock.pipelines.stages.filter import Filter
from penstock.ports.source import Source
from penstock.stores.memory import MemorySource
from penstock.testing.sources import SourceSuite

NUMBERS = ["1", "2", "2", "x", "3", "1", "0", "4", "5", "y", "5", "6", "7", "0", "8", "8", "9"]


class TestStagedSource(SourceSuite):
    """Rows are refused and left out."""

    def make(self) -> Source:
        """Some partitions of a few batches each."""
        table = pa.table({"nr": NUMBERS * 2})
        stages = (Cast("cast", {"nr": "int64"}), Filter("filter", Expression.of("nr > 0")))
        return Staged(MemorySource(table, 10, 3, frozenset({4})), stages, "freeze")


class TestRememberingSource(SourceSuite):
    """Repeats are left out."""

    def make(self) -> Source:
        """The same, with a window."""
        table = pa.table({"nr": NUMBERS * 2})
        return Staged(MemorySource(table, 12, 3), (Dedupe("dedupe", ("nr",)),), "freeze")
