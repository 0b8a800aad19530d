"""Stores that lose, refuse late, answer half, or know only blocks again: as sinks, and as destinations with either kind of checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from penstock.testing.destinations import DeliverySuite, DestinationSuite
from penstock.testing.hostile import BlockwiseStore, ForgetfulStore, PartialStore, TardyStore
from penstock.testing.sinks import SinkSuite
from penstock.testing.strict import Row, Store, StrictSink
from tests.contract.benches import CheckpointedBench, MemoryBench, PostgresBench, StrictSinkBench


def every_fifth(row: Row) -> bool:
    """Refuse ids that end in 0 or 5."""
    return bool(row["id"] % 5 == 0)


STORES: Mapping[str, Callable[[], Store]] = {
    "forgetful": ForgetfulStore,
    "tardy": lambda: TardyStore(every_fifth),
    "partial": lambda: PartialStore(every_fifth),
    "blockwise": BlockwiseStore,
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Store:
    """One of the four."""
    return STORES[request.param]()


class TestHostileSinks(SinkSuite):
    """Hostile, but within the contract."""

    @pytest.fixture
    def bench(self, store: Store) -> StrictSinkBench:
        """An empty one."""
        return StrictSinkBench(StrictSink(store))


class TestHostileWithMemory(DestinationSuite):
    """Hostile sinks, their positions in memory."""

    @pytest.fixture
    def bench(self, store: Store) -> CheckpointedBench:
        """Both empty."""
        return CheckpointedBench(MemoryBench(), store)


class TestHostileWithPostgres(DeliverySuite):
    """Hostile sinks, their positions in PostgreSQL."""

    @pytest.fixture
    def bench(self, store: Store, postgres_bench: PostgresBench) -> CheckpointedBench:
        """Both empty."""
        return CheckpointedBench(postgres_bench, store)
