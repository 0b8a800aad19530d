"""Our own tables."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from penstock.stores.migrations import numbered
from penstock.stores.postgres.migrate import DatabaseIsNewer, migrate

POSTGRES = "penstock.stores.postgres"


async def test_many_may_start_at_once(database_url: str) -> None:
    """However many processes meet an empty database, each migration is applied once, and all of them go on."""

    async def start() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await migrate(connection)
        finally:
            await connection.close()

    await asyncio.gather(*(start() for _ in range(6)))

    connection = await asyncpg.connect(database_url)
    applied = await connection.fetch("select number, name from penstock.migrations order by number")
    await connection.close()
    assert [(row["number"], row["name"]) for row in applied] == [(number, name) for number, name, _ in numbered(POSTGRES)]


async def test_a_database_of_a_newer_version_is_left_alone(database_url: str) -> None:
    """What we do not know we do not write to."""
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    await connection.execute("insert into penstock.migrations (number, name) values (9999, '9999_of_tomorrow')")

    with pytest.raises(DatabaseIsNewer, match="it knows migration 9999"):
        await migrate(connection)

    await connection.close()


async def test_a_migration_that_fails_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All migrations of a start are one transaction."""
    broken = [*numbered(POSTGRES), (9999, "9999_broken", "create table penstock.half (number int); select 1 / 0")]
    monkeypatch.setattr("penstock.stores.postgres.migrate.numbered", lambda _: iter(broken))
    connection = await asyncpg.connect(database_url)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(connection)

    assert await connection.fetchval("select to_regnamespace('penstock')") is None
    await connection.close()


def test_numbers_rise() -> None:
    """Files are applied in the order of their numbers, each of which is there once."""
    numbers = [number for number, _, _ in numbered(POSTGRES)]

    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
