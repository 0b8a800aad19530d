"""The simulated API in the test's own loop, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock.extract.address import Address
from penstock.extract.api import EventsApi
from penstock.extract.stream import StreamSettings
from penstock.model.metrics import Counters
from penstock.simulate.datasync import Clock, Server, running
from penstock.simulate.settings import DataSyncSettings


@asynccontextmanager
async def simulated(
    settings: DataSyncSettings, clock: Clock | None = None, *, connections: int = 1, tokens: int = 0
) -> AsyncIterator[tuple[Server, EventsApi]]:
    """Both, until the block is left; with `tokens` the client reads the stream."""
    async with (
        running(settings, clock=clock) as server,
        EventsApi.connected(
            Address(server.url, server.api_key), Counters.zero(), connections, stream=StreamSettings(tokens) if tokens else None
        ) as api,
    ):
        yield server, api
