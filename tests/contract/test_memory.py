"""The in-memory ends keep the contracts of their ports."""

from __future__ import annotations

import pytest

from penstock.ports.source import Source
from penstock.testing import records
from penstock.testing.checkpoints import CheckpointsSuite
from penstock.testing.sinks import SinkSuite
from penstock.testing.sources import SourceSuite
from tests.contract.benches import MemoryBench, MemorySinkBench
from tests.contract.tied import TiedSource


class TestMemorySource(SourceSuite):
    """A table in memory."""

    def make(self) -> Source:
        """Some partitions, one of them with a batch of which every record is refused."""
        return records.source(37, partition_rows=10, batch_rows=3, refused=[0, 10, 11, 12, 36])


class TestTiedSource(SourceSuite):
    """Many records at one order."""

    def make(self) -> Source:
        """Partitions within which most batches end inside an order."""
        return TiedSource((1, 1, 1, 1, 1, 2, 5, 5, 5, 5, 9, 9, 12, 13, 13), refused=frozenset({0, 4, 9}))


class TestMemorySink(SinkSuite):
    """Rows by their key."""

    @pytest.fixture
    def bench(self) -> MemorySinkBench:
        """An empty one."""
        return MemorySinkBench()


class TestMemoryCheckpoints(CheckpointsSuite):
    """Positions in memory."""

    @pytest.fixture
    def bench(self) -> MemoryBench:
        """Empty ones."""
        return MemoryBench()
