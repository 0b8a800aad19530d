"""The main job in this process: a simulated API in the test's own loop, a database of the test's own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import asyncpg
import pytest

from penstock.engine.lease import this_process
from penstock.engine.telemetry import Telemetry, Worker
from penstock.extract import job
from penstock.extract.address import Address
from penstock.extract.api import EventsApi
from penstock.extract.job import Extraction
from penstock.extract.proof import Proof, prove
from penstock.extract.settings import ExtractSettings
from penstock.extract.source import EventSource
from penstock.model.counts import Counts
from penstock.model.metrics import Counters
from penstock.ports.checkpoints import Pipeline, Run
from penstock.ports.source import Progress
from penstock.simulate.datasync import Server
from penstock.simulate.keys import Span
from penstock.stores.postgres.census import Census
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections
from tests.unit.extract.keyset import Keyset

EXTRACTION = ExtractSettings(partition_count=3, batch_size=100, max_refused_percent=100.0)


@dataclass(slots=True)
class Impatient(Telemetry):
    """Asks for a stop as soon as so many blocks were written."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    after_blocks: int = 1

    def stored(self, worker: Worker, counts: Counts, total: Counts) -> None:
        """One block more."""
        Telemetry.stored(self, worker, counts, total)
        if self.counters["blocks_written_total"] >= self.after_blocks:
            self.stop.set()


@dataclass(slots=True)
class Bench:
    """A database, and what the last run into it told."""

    url: str
    telemetry: Telemetry = field(default_factory=Telemetry)

    async def run(self, server: Server, settings: ExtractSettings, *, key: str | None = None) -> Extraction:
        """Extract what the server has; a new run each time."""
        self.telemetry = Telemetry()
        return await job.extract(settings, Address(server.url, key or server.api_key), self.dial, self.telemetry, asyncio.Event())

    async def run_until(self, blocks: int, server: Server, settings: ExtractSettings) -> Extraction:
        """The same, stopped on request after so many blocks."""
        self.telemetry = telemetry = Impatient(after_blocks=blocks)
        return await job.extract(settings, Address(server.url, server.api_key), self.dial, telemetry, telemetry.stop)

    async def extract(self, settings: ExtractSettings = EXTRACTION) -> Extraction:
        """Extract what `double_instead_of_http` has put in the place of an API."""
        self.telemetry = Telemetry()
        return await job.extract(settings, Address("http://double", "key"), self.dial, self.telemetry, asyncio.Event())

    async def progress(self) -> Progress:
        """What is stored of the pipeline, and its scope."""
        connections = Connections(self.dial, this_process())
        try:
            (kept,) = await self.fetch("select name, source, fence from penstock.pipelines")
            run = Run(Pipeline(kept["name"], kept["source"]), kept["fence"], this_process())
            return await PostgresCheckpoints(connections).progress(run)
        finally:
            connections.close()

    async def prove(self, server: Server, done: Progress) -> Proof:
        """A proof of any progress."""
        connections = Connections(self.dial, this_process())
        try:
            async with EventsApi.connected(Address(server.url, server.api_key), Counters.zero(), 1) as api:
                census = Census(connections, "ingested_events", job.KEY, job.TIME)
                return await prove(done, EventSource(api, "epoch", total=server.settings.events), census, "extract/ingested_events")
        finally:
            connections.close()

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the database."""
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        return rows

    async def execute(self, sql: str) -> None:
        """Change the database, which must have had something to change."""
        async with self.connection() as connection:
            status = await connection.execute(sql)
        assert not status.endswith(" 0"), status

    async def remember(self) -> None:
        """Keep rows, coverage and total as they are now."""
        await self.execute("create table kept_rows as table ingested_events")
        await self.execute("create table kept_coverage as table penstock.coverage")
        await self.execute("create table kept_total as select scope_rows from penstock.pipelines")

    async def restore(self) -> None:
        """Put back what was kept."""
        async with self.connection() as connection:
            await connection.execute("truncate ingested_events, penstock.coverage, penstock.dead_letters")
            await connection.execute("insert into ingested_events table kept_rows")
            await connection.execute("insert into penstock.coverage table kept_coverage")
            await connection.execute("update penstock.pipelines set scope_rows = (select scope_rows from kept_total)")

    async def ids(self) -> set[UUID]:
        """Ids in the table."""
        return {row["id"] for row in await self.fetch("select id from ingested_events")}

    async def dead(self) -> Counter[bytes]:
        """The dead letters, as received."""
        return Counter(row["raw"] for row in await self.fetch("select raw from penstock.dead_letters"))

    async def history(self) -> list[tuple[str, str]]:
        """State and message of each run, the first one first."""
        return [(row["state"], row["message"]) for row in await self.fetch("select state, message from penstock.runs order by fence")]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection of our own."""
        connection = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            await connection.close()

    async def dial(self) -> str:
        """Where the database is."""
        return self.url


def double_instead_of_http(monkeypatch: pytest.MonkeyPatch, double: Keyset) -> None:
    """Let the job talk to a double."""

    @asynccontextmanager
    async def connected(*_: object) -> AsyncIterator[EventsApi]:
        yield double.api

    monkeypatch.setattr(EventsApi, "connected", connected)


def good_ids(server: Server) -> set[UUID]:
    """Ids of the events that can be stored."""
    dataset = server.dataset
    everything, refused = ({UUID(bytes=one.tobytes()) for one in ids} for ids in (dataset.ids(), dataset.refused_ids()))
    return everything - refused


def bad_raws(server: Server, stream: Literal["on", "off"] = "off") -> Counter[bytes]:
    """The events that cannot, as the API writes them there."""
    span = Span(server.dataset.reserve, len(server.dataset.keys))
    dataset = server.api.listing.stream_dataset if stream == "on" else server.dataset
    text, undecodable = dataset.text(span), dataset.undecodable(span)
    return Counter(bytes(text.rows(row, row + 1)) for row in range(len(span)) if undecodable[row])
