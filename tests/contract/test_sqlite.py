"""SQLite keeps the contracts of its ports."""

from __future__ import annotations

import pytest

from penstock.testing.checkpoints import CheckpointsSuite
from tests.contract.benches import SqliteBench


class TestSqliteCheckpoints(CheckpointsSuite):
    """Positions in a file, for stores that keep none."""

    @pytest.fixture
    def bench(self, sqlite_bench: SqliteBench) -> SqliteBench:
        """A file of its own."""
        return sqlite_bench
