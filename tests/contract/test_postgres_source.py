"""PostgreSQL keeps the contract of a source, whatever its table is read by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from penstock.engine.lease import this_process
from penstock.ports.source import Source
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.source import PostgresSource
from penstock.testing.sources import SourceSuite

TABLE = """
    create table "{name}" (key {name} not null, number int, note text, at timestamptz);
    create index on "{name}" (key);
    insert into "{name}" select {value}, g, case when g % 3 > 0 then repeat('n', g % 11) end,
        case g when 5 then '-infinity' when 50 then 'infinity' else '2026-01-01'::timestamptz + g * interval '1 second' end
    from generate_series(0, 99) g;
    analyze "{name}" """

KEYS = {
    "bigint": "g - 50",
    "smallint": "g / 7",
    "uuid": "md5(g::text)::uuid",
    "text": "chr(65 + g % 60) || md5(g::text)",
    "date": "'1999-12-20'::date + g / 3",
    "timestamptz": "'1999-12-31'::timestamptz + g * interval '60 minutes 0.000001 seconds'",
}


@pytest.fixture(scope="session")
def keyed_url(contract_url: str) -> str:
    """The contract's database, with a table for each type of key."""

    async def fill() -> None:
        connection = await asyncpg.connect(contract_url)
        for name, value in KEYS.items():
            await connection.execute(TABLE.format(name=name, value=value))
        await connection.close()

    asyncio.run(fill())
    return contract_url


@pytest.mark.parametrize("kind", KEYS)
class TestPostgresSource(SourceSuite):
    """Small pages of small partitions, with a row that is refused."""

    source: PostgresSource

    @pytest.fixture(autouse=True)
    async def _opened(self, keyed_url: str, kind: str) -> AsyncIterator[None]:
        async def dial() -> str:
            return keyed_url

        connections = Connections(dial, this_process(), reading=True)
        found = await PostgresSource.found(connections, TableName(kind), "key")
        self.source = PostgresSource(connections, found.name, found.key, found.reads, page_rows=7, partition_rows=30)
        yield
        connections.close()

    def make(self) -> Source:
        """The same table, each time."""
        return self.source
