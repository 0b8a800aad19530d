"""An extraction inside the test's own process: simulated API, real PostgreSQL, and what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from penstock.engine.telemetry import Telemetry
from penstock.extract.address import Address
from penstock.extract.job import Extraction, extract
from penstock.extract.settings import ExtractSettings
from penstock.simulate.datasync import DataSyncSettings, Server, running


@dataclass
class Scenario:
    """A database, the settings of an extraction into it, and the data."""

    url: str
    data: DataSyncSettings
    settings: ExtractSettings = field(
        default_factory=lambda: ExtractSettings(partition_count=4, batch_size=100, stall_minutes=0.15, stream="off")
    )
    telemetry: Telemetry = field(default_factory=Telemetry)

    def api(self, **changes: Any) -> AbstractAsyncContextManager[Server]:  # noqa: ANN401 - fields of the settings
        """The API, in this event loop."""
        return running(replace(self.data, **changes))

    async def extract(self, server: Server, *, url: str | None = None, stop: asyncio.Event | None = None) -> Extraction:
        """Run it once."""

        async def dial() -> str:
            return url or self.url

        address = Address(server.url, server.api_key)
        self.telemetry = Telemetry()
        return await extract(self.settings, address, dial, self.telemetry, stop or asyncio.Event())

    async def stored(self, table: str = "ingested_events") -> Counter[bytes]:
        """Ids in the table."""
        return Counter(row["id"].bytes for row in await self.fetch(f"select id from {table}"))

    async def fetch(self, sql: str) -> list[asyncpg.Record]:
        """Ask the database, not through any link."""
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()


def wanted(server: Server) -> Counter[bytes]:
    """Ids that the table must hold, each once."""
    refused = {bytes(key) for key in server.dataset.refused_ids()}
    return Counter(bytes(key) for key in server.dataset.ids() if bytes(key) not in refused)
