"""PostgreSQL as pipeline files name it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from shlex import quote
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from penstock.engine.lease import LeaseSettings
from penstock.ports.bookkeeping import Bookkeeping
from penstock.ports.ends import Intake, Surroundings
from penstock.ports.sink import Destination
from penstock.ports.source import Source
from penstock.stores.postgres.bookkeeping import PostgresBookkeeping
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import CONNECT_TIMEOUT_S, readable
from penstock.stores.postgres.destination import PostgresDestination
from penstock.stores.postgres.errors import DatabaseUnreachable, translated
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.place import connected, embedded_shell
from penstock.stores.postgres.settings import PostgresSinkSettings, PostgresSourceSettings
from penstock.stores.postgres.source import PostgresSource
from penstock.stores.postgres.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


@asynccontextmanager
async def source(settings: PostgresSourceSettings) -> AsyncIterator[Source]:
    """The table as a source."""
    async with connected(settings.url, reading=True) as connections:
        yield await PostgresSource.found(connections, TableName.parsed(settings.table), settings.key)


@asynccontextmanager
async def sink(settings: PostgresSinkSettings, surroundings: Surroundings, intake: Intake) -> AsyncIterator[Destination]:
    """The table as a destination."""
    lease = LeaseSettings(ttl_s=surroundings.lease_s, beat_s=surroundings.lease_s / 6)
    async with connected(settings.url) as connections:
        yield PostgresDestination(table(settings, intake), PostgresCheckpoints(connections, lease))


@asynccontextmanager
async def books(settings: PostgresSinkSettings) -> AsyncIterator[Bookkeeping]:
    """What the database knows of its pipelines."""
    async with connected(settings.url) as connections:
        yield PostgresBookkeeping(connections)


def table(settings: PostgresSinkSettings, intake: Intake) -> Table:
    """The table, as the pipeline is to write it."""
    return Table(TableName.parsed(settings.table), intake.key, intake.mode, adopts=True, evolves=intake.schema == "evolve")


async def look(settings: PostgresSinkSettings, surroundings: Surroundings, intake: Intake, schema: pa.Schema) -> str:
    """What is there for rows with these columns; changes nothing, and does not start the embedded server."""
    if settings.url is None:
        return f"table {settings.table} of the embedded PostgreSQL, which a run starts"
    into = table(settings, intake)
    with translated(), readable():
        connection = await asyncpg.connect(settings.url, timeout=CONNECT_TIMEOUT_S, server_settings={"default_transaction_read_only": "on"})
        try:
            found = await into.examine(connection, f"run/{surroundings.pipeline}", schema)
        finally:
            with suppress(DatabaseUnreachable):
                await connection.close()
    return f"table {into.name} is there and fits" if found else f"table {into.name} is not there yet, and will be made"


async def count(settings: PostgresSinkSettings) -> int:
    """Rows of the table now."""
    async with connected(settings.url) as connections, connections.take() as connection:
        return int(await connection.fetchval(f"select count(*) from {TableName.parsed(settings.table).sql}", timeout=None))


def place(settings: PostgresSinkSettings) -> str:
    """Where the rows are."""
    where = "the embedded PostgreSQL" if settings.url is None else _open_address(settings.url)
    return f"table {settings.table} in {where}"


def show(settings: PostgresSinkSettings) -> str:
    """A command that shows them; psql asks for the password, if there is one."""
    sql = f"select * from {TableName.parsed(settings.table).sql} limit 10"
    shell = embedded_shell() if settings.url is None else f"psql {quote(_open_address(settings.url))} -c"
    return f"{shell} {quote(sql)}"


def identity(settings: PostgresSourceSettings) -> str:
    """Which rows these are: server, database and table."""
    where = "the embedded server" if settings.url is None else _open_address(settings.url)
    return f"postgres {where} table {settings.table}"


def _open_address(url: str) -> str:
    """An address without its password and its options."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host, query=""))
