"""SQLite as pipeline files name it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shlex import quote

import pyarrow as pa

from penstock.engine.lease import LeaseSettings
from penstock.ports.bookkeeping import Bookkeeping
from penstock.ports.ends import Intake, Surroundings
from penstock.ports.sink import Destination
from penstock.ports.source import Source
from penstock.stores.sqlite.bookkeeping import SqliteBookkeeping
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints
from penstock.stores.sqlite.database import Database, reading
from penstock.stores.sqlite.destination import SqliteDestination
from penstock.stores.sqlite.names import quoted, table_name
from penstock.stores.sqlite.settings import SqliteSinkSettings, SqliteSourceSettings
from penstock.stores.sqlite.source import SqliteSource
from penstock.stores.sqlite.table import Table


@asynccontextmanager
async def source(settings: SqliteSourceSettings, surroundings: Surroundings) -> AsyncIterator[Source]:
    """The table as a source."""
    yield await asyncio.to_thread(SqliteSource.found, file(settings, surroundings), settings.table, settings.key)


@asynccontextmanager
async def sink(settings: SqliteSinkSettings, surroundings: Surroundings, intake: Intake) -> AsyncIterator[Destination]:
    """The table as a destination."""
    database = Database(file(settings, surroundings))
    lease = LeaseSettings(ttl_s=surroundings.lease_s, beat_s=surroundings.lease_s / 6)
    try:
        yield SqliteDestination(table(settings, intake), SqliteCheckpoints(database, lease))
    finally:
        await database.close()


@asynccontextmanager
async def books(settings: SqliteSinkSettings, surroundings: Surroundings) -> AsyncIterator[Bookkeeping]:
    """What the file knows of its pipelines."""
    database = Database(file(settings, surroundings))
    try:
        yield SqliteBookkeeping(database)
    finally:
        await database.close()


def table(settings: SqliteSinkSettings, intake: Intake) -> Table:
    """The table, as the pipeline is to write it."""
    return Table(table_name(settings.table), intake.key, intake.mode, evolves=intake.schema == "evolve")


async def look(settings: SqliteSinkSettings, surroundings: Surroundings, intake: Intake, schema: pa.Schema) -> str:
    """What is there for rows with these columns; makes nothing."""
    return await asyncio.to_thread(_look, file(settings, surroundings), table(settings, intake), surroundings.pipeline, schema)


def _look(path: Path, into: Table, pipeline: str, schema: pa.Schema) -> str:
    if not path.exists():
        return f"{path} is not there yet, and will be made"
    with reading(path) as connection:
        found = into.examine(connection, f"run/{pipeline}", schema)
    return f"table {into.name} of {path} is there and fits" if found else f"table {into.name} of {path} is not there yet, and will be made"


async def count(settings: SqliteSinkSettings, surroundings: Surroundings) -> int:
    """Rows of the table now."""
    return await asyncio.to_thread(_count, file(settings, surroundings), settings.table)


def _count(path: Path, name: str) -> int:
    with reading(path) as connection:
        return int(connection.execute(f"select count(*) from {quoted(name)}").fetchone()[0])


def place(settings: SqliteSinkSettings, surroundings: Surroundings) -> str:
    """Where the rows are."""
    return f"table {settings.table} in {file(settings, surroundings)}"


def show(settings: SqliteSinkSettings, surroundings: Surroundings) -> str:
    """A command that shows them."""
    sql = f"select * from {quoted(settings.table)} limit 10"
    return f"sqlite3 -header {quote(str(file(settings, surroundings)))} {quote(sql)}"


def identity(settings: SqliteSourceSettings, surroundings: Surroundings) -> str:
    """Which rows these are."""
    return f"sqlite {file(settings, surroundings)} table {settings.table}"


def file(settings: SqliteSourceSettings | SqliteSinkSettings, surroundings: Surroundings) -> Path:
    """The file of a pipeline; a relative path starts at the folder of its own file."""
    return surroundings.folder / settings.path
