"""A database for all of these tests, and benches over it; each test has its own pipeline and table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import pytest

from penstock.ports.checkpoints import Pipeline
from penstock.stores.postgres.embedded.server import EmbeddedServer
from tests.contract.benches import PostgresBench, PostgresDestinationBench


@pytest.fixture(scope="session")
def shared_url(postgres: EmbeddedServer) -> Iterator[str]:
    """A database that stays for the session."""
    asyncio.run(execute(postgres.url, "create database shared"))
    yield f"{postgres.url.rpartition('/')[0]}/shared"
    asyncio.run(execute(postgres.url, "drop database shared with (force)"))


async def execute(url: str, sql: str) -> None:
    """One statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline that nobody knows yet."""
    return Pipeline(f"pipeline {uuid4().hex}", "the test's records")


@pytest.fixture
async def bench(shared_url: str) -> AsyncIterator[PostgresBench]:
    """The connections of a process."""
    bench = PostgresBench(shared_url)
    yield bench
    await bench.close()


@pytest.fixture
async def other(shared_url: str) -> AsyncIterator[PostgresBench]:
    """The connections of another process."""
    bench = PostgresBench(shared_url)
    yield bench
    await bench.close()


@pytest.fixture
def records_bench(bench: PostgresBench) -> PostgresDestinationBench:
    """A destination with a table of its own."""
    return PostgresDestinationBench(bench)
