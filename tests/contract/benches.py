"""The benches of our own implementations: how to look into them, and how to kill them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

import asyncpg
from pyarrow import parquet as pq

from penstock.engine.checkpointed import checkpointed
from penstock.ports.checkpoints import Holder, Pipeline
from penstock.ports.sink import Destination
from penstock.stores.files.written import Encoding, WrittenFile
from penstock.stores.memory import MemoryCheckpoints, MemorySink
from penstock.stores.parquet.footer import files_of
from penstock.stores.parquet.sink import ParquetFolder
from penstock.stores.postgres.bookkeeping import PostgresBookkeeping
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections, SyncCommit
from penstock.stores.postgres.destination import PostgresDestination
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.table import Table
from penstock.stores.sqlite.bookkeeping import SqliteBookkeeping
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints
from penstock.stores.sqlite.database import Database
from penstock.stores.sqlite.destination import SqliteDestination
from penstock.stores.sqlite.table import Table as SqliteTable
from penstock.testing import records
from penstock.testing.checkpoints import CheckpointsBench
from penstock.testing.runs import RunsBench
from penstock.testing.strict import Store, StrictSink

GENERATIONS = count(1)
"""Of processes that were killed."""


@dataclass
class MemorySinkBench:
    """A sink whose table outlives it."""

    sink: MemorySink = field(default_factory=lambda: MemorySink("id"))

    async def stored(self) -> Sequence[int]:
        """The keys."""
        return [row["id"] for row in self.sink.rows.values()]

    async def crash(self) -> None:
        """Only the table stays."""
        self.sink = MemorySink("id", self.sink.rows)


@dataclass
class StrictSinkBench:
    """A strict sink, in front of a store that outlives it."""

    sink: StrictSink

    async def stored(self) -> Sequence[int]:
        """The ids."""
        return [row["id"] for row in self.sink.store.stored]

    async def crash(self) -> None:
        """What the store makes of it."""
        self.sink.restart()


@dataclass
class MemoryBench:
    """Checkpoints whose records outlive them."""

    now: float = 0.0
    runs: MemoryCheckpoints = field(init=False)

    def __post_init__(self) -> None:
        self.runs = MemoryCheckpoints(clock=lambda: self.now)

    async def crash(self) -> None:
        """Only the records stay."""
        self.runs = MemoryCheckpoints(clock=lambda: self.now, records=self.runs.records)

    def next_holder(self) -> Holder:
        """A process that will be found dead."""
        return records.gone(next(GENERATIONS))

    async def fall_silent(self, pipeline: Pipeline, seconds: float) -> None:
        """Put the clock forward."""
        del pipeline
        self.now += seconds

    async def history(self, pipeline: Pipeline) -> Mapping[int, str | None]:
        """As it is kept."""
        ended = self.runs.records[pipeline.name].history
        return {fence: None if outcome is None else outcome.state for fence, outcome in ended.items()}

    async def dead_letters(self, pipeline: Pipeline) -> list[bytes]:
        """As they are kept."""
        return [refusal.raw for refusal in self.runs.records[pipeline.name].dead]


@dataclass
class PostgresBench:
    """Checkpoints in a database. Whose connections they are changes with every crash, as it does with every process."""

    url: str
    runs: PostgresCheckpoints = field(init=False)

    def __post_init__(self) -> None:
        self._open()

    def _open(self) -> None:
        self.runs = PostgresCheckpoints(Connections(self._dial, records.gone(next(GENERATIONS)), most=6))

    def next_holder(self) -> Holder:
        """Whose connections they are: a process that will be found dead."""
        return self.runs.connections.holder

    def cut(self) -> None:
        """Cut all connections; new ones are made when they are needed."""
        self.runs.connections.close()

    async def _dial(self) -> str:
        return self.url

    async def crash(self) -> None:
        """Cut all connections."""
        await self.close()
        self._open()

    async def close(self) -> None:
        """Cut all connections, for good."""
        self.runs.connections.close()

    async def fall_silent(self, pipeline: Pipeline, seconds: float) -> None:
        """Put the last heartbeat back."""
        await self.ask(
            "update penstock.pipelines set beaten_at = beaten_at - make_interval(secs => $2) where name = $1", pipeline.name, seconds
        )

    async def history(self, pipeline: Pipeline) -> Mapping[int, str | None]:
        """The table of runs."""
        return {
            row["fence"]: row["state"]
            for row in await self.ask("select fence, state from penstock.runs where pipeline = $1", pipeline.name)
        }

    async def dead_letters(self, pipeline: Pipeline) -> list[bytes]:
        """The table of dead letters."""
        return [
            row["raw"] for row in await self.ask("select raw from penstock.dead_letters where pipeline = $1 order by id", pipeline.name)
        ]

    @property
    def books(self) -> PostgresBookkeeping:
        """Of the same database."""
        return PostgresBookkeeping(self.runs.connections)

    async def ask(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Query the database."""
        async with self.runs.connections.take() as connection:
            return list(await connection.fetch(sql, *arguments))


Bench = TypeVar("Bench", bound=RunsBench)


@dataclass
class Beside(Generic[Bench]):
    """What a bench of rows leaves to the bench of the checkpoints beside them."""

    checkpoints: Bench

    async def fall_silent(self, pipeline: Pipeline, seconds: float) -> None:
        """As the checkpoints do."""
        await self.checkpoints.fall_silent(pipeline, seconds)

    async def history(self, pipeline: Pipeline) -> Mapping[int, str | None]:
        """As the checkpoints have it."""
        return await self.checkpoints.history(pipeline)

    async def dead_letters(self, pipeline: Pipeline) -> list[bytes]:
        """As the checkpoints have them."""
        return await self.checkpoints.dead_letters(pipeline)


@dataclass
class CheckpointedBench(Beside[CheckpointsBench]):
    """A strict sink joined with checkpoints."""

    store: Store
    sink: StrictSink = field(init=False)

    def __post_init__(self) -> None:
        self.sink = StrictSink(self.store)

    @property
    def runs(self) -> Destination:
        """The two, joined anew."""
        return checkpointed(self.sink, self.checkpoints.runs, unsettled_blocks=3)

    async def crash(self) -> None:
        """Both at once."""
        self.sink.restart()
        await self.checkpoints.crash()

    async def stored(self) -> Sequence[int]:
        """The ids in the store."""
        return [row["id"] for row in self.store.stored]


@dataclass
class PostgresDestinationBench(Beside[PostgresBench]):
    """A table of its own."""

    sync_commit: SyncCommit = "off"
    table: Table = field(default_factory=lambda: Table(TableName(f"records {uuid4().hex}"), ("id",)))

    @property
    def runs(self) -> PostgresDestination:
        """The two, joined anew."""
        return PostgresDestination(self.table, self.checkpoints.runs, self.sync_commit)

    async def crash(self) -> None:
        """Cut all connections."""
        await self.checkpoints.crash()

    async def stored(self) -> Sequence[int]:
        """The ids in the table, if it was made yet."""
        found = await self.checkpoints.ask("select to_regclass($1) as oid", self.table.name.sql)
        if found[0]["oid"] is None:
            return []
        return [row["id"] for row in await self.checkpoints.ask(f"select id from {self.table.name.sql}")]


@dataclass
class SqliteBench:
    """Checkpoints in a file, which outlives them."""

    path: Path
    runs: SqliteCheckpoints = field(init=False)

    def __post_init__(self) -> None:
        self.runs = SqliteCheckpoints(Database(self.path))

    async def crash(self) -> None:
        """Another connection, as of another process."""
        await self.close()
        self.runs = SqliteCheckpoints(Database(self.path))

    async def close(self) -> None:
        """Close the file."""
        await self.runs.database.close()

    def next_holder(self) -> Holder:
        """A process that will be found dead."""
        return records.gone(next(GENERATIONS))

    async def fall_silent(self, pipeline: Pipeline, seconds: float) -> None:
        """Put the last heartbeat back."""
        await self.ask("update penstock_pipelines set beaten_at = beaten_at - ? where name = ?", seconds, pipeline.name)

    async def history(self, pipeline: Pipeline) -> Mapping[int, str | None]:
        """The table of runs."""
        rows = await self.ask("select fence, state from penstock_runs where pipeline = ?", pipeline.name)
        return {row["fence"]: row["state"] for row in rows}

    async def dead_letters(self, pipeline: Pipeline) -> list[bytes]:
        """The table of dead letters."""
        return [row["raw"] for row in await self.ask("select raw from penstock_dead_letters where pipeline = ? order by id", pipeline.name)]

    @property
    def books(self) -> SqliteBookkeeping:
        """Of the same file."""
        return SqliteBookkeeping(self.runs.database)

    async def ask(self, sql: str, *arguments: object) -> list[sqlite3.Row]:
        """Query the file."""
        return await self.runs.database.transact(lambda connection: connection.execute(sql, arguments).fetchall())


@dataclass
class WrittenFileBench(Beside[SqliteBench]):
    """One file, and the checkpoints beside it."""

    path: Path
    encoding: Encoding
    aside: bool = False

    @property
    def runs(self) -> WrittenFile:
        """The two, joined anew."""
        return WrittenFile(self.checkpoints.runs, self.path, self.encoding, self.aside)

    async def crash(self) -> None:
        """The process goes, and leaves bytes that it did not get to confirm."""
        await self.checkpoints.crash()
        if self.runs.writing.exists():
            with self.runs.writing.open("ab") as file:
                file.write(b'999,"half a ro')

    async def stored(self) -> Sequence[int]:
        """The ids in the file, which is finished or not, up to what is confirmed."""
        found = [path for path in (self.runs.writing, self.path) if path.exists()]
        text = found[0].read_text().replace('999,"half a ro', "") if found else ""
        return [int(number) for number in re.findall(r'^(?:\{"id":)?(\d+),', text, re.MULTILINE)]


@dataclass
class SqliteDestinationBench(Beside[SqliteBench]):
    """A table in the file of its checkpoints."""

    table: SqliteTable = field(default_factory=lambda: SqliteTable(f"records {uuid4().hex}"))

    @property
    def runs(self) -> SqliteDestination:
        """The two, joined anew."""
        return SqliteDestination(self.table, self.checkpoints.runs)

    async def crash(self) -> None:
        """Another connection, as of another process."""
        await self.checkpoints.crash()

    async def stored(self) -> Sequence[int]:
        """The ids in the table, if it was made yet."""
        if not await self.checkpoints.ask("select 1 from pragma_table_info(?)", self.table.name):
            return []
        return [row["id"] for row in await self.checkpoints.ask(f'select id from "{self.table.name}"')]


@dataclass
class ParquetBench(Beside[SqliteBench]):
    """A folder of its `kind`, and the checkpoints beside it; two blocks of the suite fill a file."""

    folder: Path
    kind: type[ParquetFolder] = ParquetFolder

    @property
    def runs(self) -> ParquetFolder:
        """The two, joined anew."""
        return self.kind(self.checkpoints.runs, self.folder, file_bytes=200)

    @property
    def writing(self) -> Path:
        """Where files get their names: the folder, or the last of its generations."""
        return self.folder if self.kind is ParquetFolder else max(self.folder.parent.glob(".records.0*"), default=self.folder)

    async def crash(self) -> None:
        """The process goes, and leaves a file without a name."""
        await self.checkpoints.crash()
        if self.writing.exists():
            (self.writing / ".part-000000-000000.parquet.unfinished").write_bytes(b"PAR1")

    async def stored(self) -> Sequence[int]:
        """The ids in all files that have a name."""
        return [number for path in files_of(self.writing) for number in pq.read_table(path).column("id").to_pylist()]
