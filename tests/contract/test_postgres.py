"""PostgreSQL keeps the contracts of checkpoints and of a destination."""

from __future__ import annotations

import pytest

from penstock.stores.postgres.connections import SyncCommit
from penstock.testing.bookkeeping import BookkeepingSuite
from penstock.testing.checkpoints import CheckpointsSuite
from penstock.testing.destinations import DestinationSuite
from tests.contract.benches import PostgresBench, PostgresDestinationBench


class TestPostgresCheckpoints(CheckpointsSuite):
    """Positions in PostgreSQL, for stores beside it."""

    @pytest.fixture
    def bench(self, postgres_bench: PostgresBench) -> PostgresBench:
        """In a database that other tests use too."""
        return postgres_bench


class TestPostgresBookkeeping(BookkeepingSuite):
    """What a database knows of its pipelines."""

    @pytest.fixture
    def bench(self, postgres_bench: PostgresBench) -> PostgresBench:
        """In a database that other tests use too."""
        return postgres_bench


class TestPostgresDestination(DestinationSuite):
    """Rows and positions in one transaction, which waits for the disk or does not."""

    @pytest.fixture(params=["off", "on"])
    def bench(self, postgres_bench: PostgresBench, request: pytest.FixtureRequest) -> PostgresDestinationBench:
        """A table of its own."""
        sync_commit: SyncCommit = request.param
        return PostgresDestinationBench(postgres_bench, sync_commit)
