"""The in-memory ends keep the contracts of their ports."""

from __future__ import annotations

import pytest
from tests.contract.benches import MemoryBench, MemorySinkBench

from penstock.ports.source import Source
from penstock.testing import records
from penstock.testing.checkpoints import CheckpointsSuite
from penstock.testing.sinks import SinkSuite
from penstock.testing.sources import SourceSuite


class TestMemorySource(SourceSuite):
    """A table in memory."""

    def make(self) -> Source:
        """Some partitions, one of them with a batch of which every record is refused."""
        return records.source(37, partition_rows=10, batch_rows=3, refused=[0, 10, 11, 12, 36])


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
