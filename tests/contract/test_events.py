"""The API as a source keeps the contract of sources, with whatever ties, orders and bad records it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import aiohttp
import pytest

from penstock.extract.address import Address
from penstock.extract.api import EventsApi
from penstock.extract.cursor import Cursor
from penstock.extract.events import Page
from penstock.extract.source import EventSource
from penstock.model.metrics import Counters
from penstock.ports.source import Source
from penstock.simulate.datasync import DataSyncSettings, running
from penstock.simulate.settings import TieRule
from penstock.stores.http.client import Client
from penstock.testing.sources import SourceSuite
from tests.contract.threads import in_thread

DATA = DataSyncSettings(events=44, seed=4, days=0.001, ties=0.6, tie_burst=9, undecodable=0.1)


@contextmanager
def served(settings: DataSyncSettings) -> Iterator[Address]:
    """The simulated API in a thread of its own."""
    with in_thread(running(settings)) as server:
        yield Address(server.url, server.api_key)


@dataclass
class Connecting:
    """The source, with an API that connects for each request: each of the suite's draws has its own event loop."""

    address: Address

    @property
    def counters(self) -> Counters:
        """Nobody looks at them."""
        return Counters.zero()

    bounded: ClassVar[bool] = False

    async def page(self, cursor: Cursor | None, limit: int, since: int | None = None) -> Page | None:
        """On a connection of its own: on one that is kept, small answers may wait for an acknowledgement."""
        connector = aiohttp.TCPConnector(force_close=True)
        headers = {"X-API-Key": self.address.key, "Accept-Encoding": "gzip"}
        async with aiohttp.ClientSession(headers=headers, auto_decompress=False, connector=connector) as session:
            return await EventsApi(self.address, Client(self.address.events.origin(), session, Counters.zero())).page(cursor, limit, since)

    def has_room(self, workers: int, requests: float) -> bool:
        """Always."""
        del workers, requests
        return True


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
        return EventSource(cast("EventsApi", Connecting(self.address)), "epoch", partitions=2, page_limit=4)


class TestFallingIds(EventSourceSuite):
    """Within a millisecond the API goes on with smaller ids."""

    tie_rule = "desc"


class TestRisingIds(EventSourceSuite):
    """Within a millisecond the API goes on with larger ids."""

    tie_rule = "asc"
