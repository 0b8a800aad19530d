"""SQLite keeps the contracts of its ports."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from penstock.ports.ends import Mode
from penstock.ports.source import Source
from penstock.stores.sqlite.source import SqliteSource
from penstock.stores.sqlite.table import Table
from penstock.testing.bookkeeping import BookkeepingSuite
from penstock.testing.checkpoints import CheckpointsSuite
from penstock.testing.destinations import DestinationSuite
from penstock.testing.sources import SourceSuite
from tests.contract.benches import SqliteBench, SqliteDestinationBench


class TestSqliteCheckpoints(CheckpointsSuite):
    """Positions in a file, for stores that keep none."""

    @pytest.fixture
    def bench(self, sqlite_bench: SqliteBench) -> SqliteBench:
        """A file of its own."""
        return sqlite_bench


class TestSqliteBookkeeping(BookkeepingSuite):
    """What a file knows of its pipelines."""

    @pytest.fixture
    def bench(self, sqlite_bench: SqliteBench) -> SqliteBench:
        """A file of its own."""
        return sqlite_bench


class TestSqliteDestination(DestinationSuite):
    """Rows and positions in one transaction of one file."""

    @pytest.fixture(params=["append", "upsert"])
    def bench(self, sqlite_bench: SqliteBench, request: pytest.FixtureRequest) -> SqliteDestinationBench:
        """A table of its own."""
        mode: Mode = request.param
        return SqliteDestinationBench(sqlite_bench, Table("records", ("id",) if mode == "upsert" else (), mode))


class TestSqliteSource(SourceSuite):
    """Keys of whole numbers, each there once or more often, and of texts; some rows are refused."""

    @pytest.fixture(autouse=True, params=["id", "number", "name"])
    def file(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        """A table that is read by one of its columns."""
        self.path, self.key = tmp_path / "data.sqlite", request.param
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("create table records (id integer primary key, number int, name text not null, price real)")
            connection.execute("create index numbers on records (number)")
            rows = [
                (number - 40, number // 3, f"{number * 7 % 80} \u00fc", "cheap" if number in (0, 9) else number / 4) for number in range(80)
            ]
            connection.executemany("insert into records values (?, ?, ?, ?)", rows)
            connection.commit()

    def make(self) -> Source:
        """In small pages and partitions."""
        found = SqliteSource.found(self.path, "records", self.key)
        return SqliteSource(found.path, found.table, found.key, found.fields, found.numbers, page_rows=7, partition_rows=30)
