"""One database for all contracts: each test has its own pipeline and table in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from penstock.stores.postgres.embedded.server import EmbeddedServer
from tests.contract.benches import PostgresBench, SqliteBench


@pytest.fixture(scope="session")
def contract_url(postgres: EmbeddedServer) -> Iterator[str]:
    """A database that stays for the session."""

    async def execute(sql: str) -> None:
        connection = await asyncpg.connect(postgres.url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(execute("create database contract"))
    yield f"{postgres.url.rpartition('/')[0]}/contract"
    asyncio.run(execute("drop database contract with (force)"))


@pytest.fixture
async def postgres_bench(contract_url: str) -> AsyncIterator[PostgresBench]:
    """Checkpoints in PostgreSQL."""
    bench = PostgresBench(contract_url)
    yield bench
    await bench.close()


@pytest.fixture
async def sqlite_bench(tmp_path: Path) -> AsyncIterator[SqliteBench]:
    """Checkpoints in a file."""
    bench = SqliteBench(tmp_path / "state" / "checkpoints.sqlite")
    yield bench
    await bench.close()
