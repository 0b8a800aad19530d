"""Our own tables: numbered .sql files, each applied once, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import Misconfigured
from penstock.stores.migrations import numbered

if TYPE_CHECKING:
    from penstock.stores.postgres.connections import Connection

LOCK = 0x70656E73
"""Advisory lock of a migration: the ASCII bytes of 'pens'."""


class DatabaseIsNewer(Misconfigured):
    """The database was set up by a newer Penstock."""

    default_hint = "Use that version, or another database."


async def migrate(connection: Connection) -> None:
    """Bring the schema `penstock` up to date; several processes may ask at the same time.

    Raises:
        DatabaseIsNewer: where a migration was applied that we do not know.
    """
    known = list(numbered(__package__))
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        await connection.execute("create schema if not exists penstock")
        await connection.execute(
            "create table if not exists penstock.migrations"
            " (number int primary key, name text not null, applied_at timestamptz not null default now())"
        )
        applied = {row["number"] for row in await connection.fetch("select number from penstock.migrations")}
        if unknown := applied - {number for number, _, _ in known}:
            raise DatabaseIsNewer(f"it knows migration {max(unknown)}, this version ends at {known[-1][0]}")
        for number, name, sql in known:
            if number not in applied:
                await connection.execute(sql)
                await connection.execute("insert into penstock.migrations (number, name) values ($1, $2)", number, name)
