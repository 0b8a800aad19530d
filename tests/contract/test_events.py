"""The API as a source keeps the contract of sources, with whatever ties, orders and bad records it has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import aiohttp
import pytest

from penstock.extract.api import Address, EventsApi
from penstock.extract.events import SCHEMA
from penstock.extract.source import EventSource
from penstock.model.metrics import Counters
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Plan, Progress, Source
from penstock.simulate.datasync import DataSyncSettings, Server, running
from penstock.simulate.settings import TieRule
from penstock.stores.http.client import Client
from penstock.testing.sources import SourceSuite

if TYPE_CHECKING:
    import pyarrow as pa

DATA = DataSyncSettings(events=24, seed=4, days=0.001, ties=0.6, tie_burst=9, undecodable=0.1)


@contextmanager
def served(settings: DataSyncSettings) -> Iterator[Address]:
    """The simulated API in a thread of its own: each test of the suite has its own event loop."""
    ready: Future[Server] = Future()
    closing: Future[None] = Future()

    async def serve() -> None:
        async with running(settings) as server:
            ready.set_result(server)
            await asyncio.wrap_future(closing)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        server = ready.result(timeout=20)
        yield Address(server.url, server.api_key)
    finally:
        closing.set_result(None)
        thread.join()


@dataclass
class Connecting:
    """The source, which connects for each plan and each reading."""

    address: Address

    @property
    def splitting(self) -> None:
        """Not yet."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of events."""
        return SCHEMA

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[EventSource]:
        """A connection for each request: on one that is kept, small answers may wait for an acknowledgement."""
        connector, headers = aiohttp.TCPConnector(force_close=True), {"X-API-Key": self.address.key, "Accept-Encoding": "gzip"}
        async with aiohttp.ClientSession(headers=headers, auto_decompress=False, connector=connector) as session:
            client = Client(self.address.events.origin(), session, Counters.zero())
            yield EventSource(EventsApi(self.address, client), "epoch", partitions=2, page_limit=4)

    async def plan(self, done: Progress) -> Plan:
        """As the source does."""
        async with self._connected() as source:
            return await source.plan(done)

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """As the source does."""
        async with self._connected() as source, aclosing(source.read(partition)) as batches:
            async for batch in batches:
                yield batch


class EventSourceSuite(SourceSuite):
    """Newest first, many events to a millisecond, and some that are none."""

    tie_rule: ClassVar[TieRule]
    address: ClassVar[Address]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def api(cls) -> Iterator[None]:
        """One for all tests of a class."""
        with served(replace(DATA, tie_rule=cls.tie_rule)) as cls.address:
            yield

    def make(self) -> Source:
        """Connected anew for everything."""
        return Connecting(self.address)


class TestFallingIds(EventSourceSuite):
    """Within a millisecond the API goes on with smaller ids."""

    tie_rule = "desc"


class TestRisingIds(EventSourceSuite):
    """Within a millisecond the API goes on with larger ids."""

    tie_rule = "asc"
