"""What must hold of an extraction, each as a check that can be run with a protection in place and with it taken out."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import asyncpg
import pyarrow as pa
import pytest

from penstock.engine.lease import this_process
from penstock.engine.ledger import TooManyRefused
from penstock.extract.events import SCHEMA
from penstock.extract.job import Extraction
from penstock.extract.keys import Frontier
from penstock.model.errors import PenstockError
from penstock.ports.checkpoints import AnotherSource, LeaseHeld, LeaseLost, Pipeline
from penstock.ports.flow import Batch, Block, BlockId
from penstock.simulate.datasync import Clock, DataSyncSettings, Server, running
from penstock.simulate.faults import FaultProfile
from penstock.simulate.settings import RateLimit, TieRule
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.destination import PostgresDestination
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.table import Table
from tests.faults.proxy import bad_link
from tests.faults.scenario import Scenario, wanted

SEED = 7


async def cut_links_change_nothing(url: str) -> None:
    """A link cut around COMMIT again and again neither loses nor doubles a row."""
    scenario = Scenario(url, DataSyncSettings(events=6_000, seed=SEED))
    scenario.settings = replace(scenario.settings, stall_minutes=1)
    async with scenario.api() as server, bad_link(url, SEED, share=0.15) as (bad, _):
        await _exact(scenario, server, await _extracted(scenario, server, bad))


async def live_events_are_exact(url: str) -> None:
    """While events come in, several to a millisecond, run after run takes them along, and in the end each of them is there once."""
    scenario = Scenario(url, DataSyncSettings(events=500, seed=SEED, live_per_s=20_000.0, live_limit=2_000))
    looks, began = count(), time.time()
    async with running(scenario.data, clock=Clock(now=lambda: began + next(looks) * 0.000_1)) as server:
        stored = Counter[bytes]()
        while stored.total() < 2_500:
            extraction = await _extracted(scenario, server)
            assert extraction.proof is not None
            assert extraction.proof.complete, extraction.proof.faults
            stored = await scenario.stored()
    assert stored == Counter(bytes(key) for key in server.dataset.ids(server.inserted))


async def seams_lose_and_double_nothing(url: str) -> None:
    """Partitions meet exactly, whichever way the server orders the ids of one millisecond."""
    rules: tuple[TieRule, ...] = ("asc", "desc")
    for rule in rules:
        scenario = _into(Scenario(url, DataSyncSettings(events=3_000, seed=SEED, ties=0.9, tie_burst=700, tie_rule=rule)), f"events_{rule}")
        async with scenario.api() as server:
            await _exact(scenario, server, await _extracted(scenario, server), f"events_{rule}")


async def shared_out_work_is_exact(url: str) -> None:
    """Workers take from each other while pages are on their way: every row is there once, whoever brought it."""
    data = DataSyncSettings(events=6_000, seed=SEED, days=8.0, ties=0.3, tie_burst=40, skew=1.5, latency_s=0.01)
    scenario = Scenario(url, data)
    scenario.settings = replace(scenario.settings, partition_count=8, max_workers=8, batch_size=50)
    async with scenario.api() as server:
        extraction = await _extracted(scenario, server)
        await _exact(scenario, server, extraction)
    assert extraction.proof is not None
    assert len(extraction.proof.parts) > 8 + 2, "no work was shared out"


async def unreadable_times_lose_and_double_nothing(url: str) -> None:
    """Events whose time cannot be read are refused once each, also where two partitions meet among them."""
    scenario = Scenario(url, DataSyncSettings(events=2_000, seed=SEED, undecodable=0.6, undecodable_kinds=("timestamp_type",)))
    scenario.settings = replace(scenario.settings, max_refused_percent=100.0, partition_count=24)
    async with scenario.api() as server:
        await _exact(scenario, server, await _extracted(scenario, server))


async def misleading_pages_are_seen(url: str) -> None:
    """The same page twice and pages out of order do not get into the table."""
    scenario = Scenario(url, DataSyncSettings(events=4_000, seed=SEED, faults=FaultProfile(same_page=0.2, out_of_order=0.2)))
    async with scenario.api() as server:
        await _exact(scenario, server, await _extracted(scenario, server))


async def damaged_bodies_are_asked_for_again(url: str) -> None:
    """Truncated gzip, missing data and bad JSON cost a request, not the run."""
    faults = FaultProfile(truncated_gzip=0.1, missing_data=0.1, bad_json=0.1)
    scenario = Scenario(url, DataSyncSettings(events=3_000, seed=SEED, faults=faults))
    async with scenario.api() as server:
        await _exact(scenario, server, await _extracted(scenario, server))


async def one_token_serves_all_workers(url: str) -> None:
    """A run fetches one stream token in the lifetime of one, however many workers need it."""
    scenario = Scenario(url, DataSyncSettings(events=2_000, seed=SEED))
    scenario.settings = replace(scenario.settings, stream="on")
    async with scenario.api() as server:
        await _exact(scenario, server, await _extracted(scenario, server))
        assert server.api.stream.tokens == 1


async def a_status_ends_submitting(url: str) -> None:
    """A submission that was answered, with whatever status, is the only one, however often the command is run."""
    scenario = Scenario(url, DataSyncSettings(events=500, seed=SEED, submissions_failing=1))
    scenario.settings = replace(scenario.settings, auto_submit=True, repository_url="https://example.org/repository")
    async with scenario.api() as server:
        await _extracted(scenario, server)
        await _exact(scenario, server, await _extracted(scenario, server))
        assert server.api.submissions.attempts == 1


async def endpoints_write_the_same_events(url: str) -> None:
    """A run that was begun on the stream is completed from `/events`: its refused events are known at the seams, in other words."""
    scenario = Scenario(url, DataSyncSettings(events=2_000, seed=SEED, undecodable=0.5, undecodable_kinds=("id_text",)))
    scenario.settings = replace(scenario.settings, max_refused_percent=100.0, stream="on", partition_count=8)
    async with scenario.api() as server:
        await _extracted(scenario, server)
        scenario.settings = replace(scenario.settings, stream="off")
        await _exact(scenario, server, await _extracted(scenario, server))


async def a_stated_limit_is_never_overrun(url: str) -> None:
    """With truthful headers no worker is ever throttled."""
    scenario = Scenario(url, DataSyncSettings(events=4_000, seed=SEED, rate_limit=RateLimit(requests=30, window_s=1.0)))
    async with scenario.api() as server:
        await _exact(scenario, server, await _extracted(scenario, server))
    assert scenario.telemetry.counters["responses_throttled_total"] == 0


async def expired_cursors_are_made_again(url: str) -> None:
    """A cursor that lives shorter than the pause between two pages does not stop the run."""
    scenario = Scenario(url, DataSyncSettings(events=2_000, seed=SEED, cursor_ttl_s=1.0, latency_s=0.1))
    scenario.settings = replace(scenario.settings, partition_count=1)
    async with scenario.api() as server:
        await _exact(scenario, server, await _extracted(scenario, server))


async def a_missing_row_voids_the_proof(url: str) -> None:
    """A row that is gone from the table is noticed by the next run's proof."""
    scenario = Scenario(url, DataSyncSettings(events=1_000, seed=SEED))
    async with scenario.api() as server:
        await _extracted(scenario, server)
        await scenario.fetch("delete from ingested_events where id = (select id from ingested_events limit 1) returning id")
        _fails(await _extracted(scenario, server))


async def missing_dead_letters_void_the_proof(url: str) -> None:
    """Refused events that are no longer among the dead letters are missed by the next run's proof."""
    scenario = Scenario(url, DataSyncSettings(events=2_000, seed=SEED, undecodable=0.005))
    async with scenario.api() as server:
        await _extracted(scenario, server)
        await scenario.fetch("delete from penstock.dead_letters returning id")
        _fails(await _extracted(scenario, server))


async def a_swapped_row_at_a_seam_voids_the_proof(url: str) -> None:
    """Counts that are right and rows that are not: the probe at the seam notices."""
    scenario = Scenario(url, DataSyncSettings(events=1_000, seed=SEED))
    async with scenario.api() as server:
        first = await _extracted(scenario, server)
        assert first.proof is not None
        beside = f"(select min(occurred_at) from ingested_events where occurred_at > to_timestamp({first.proof.parts[0].low} / 1000.0))"
        await scenario.fetch(f"update ingested_events set id = gen_random_uuid() where occurred_at = {beside} returning id")
        _fails(await _extracted(scenario, server))


async def a_stated_total_must_be_reached(url: str) -> None:
    """Rows that neither the table nor our own counts know of are missed against the API's total."""
    scenario = Scenario(url, DataSyncSettings(events=1_000, seed=SEED))
    async with scenario.api() as server:
        await _extracted(scenario, server)
        await scenario.fetch(
            "with gone as (delete from ingested_events where occurred_at = (select min(occurred_at) from ingested_events) returning id)"
            " update penstock.coverage set received = received - (select count(*) from gone), stored = stored - (select count(*) from gone)"
            " where strand = (select max(strand) from penstock.coverage) returning strand"
        )
        _fails(await _extracted(scenario, server))


async def too_many_refused_stop_the_run(url: str) -> None:
    """More than one percent of bad events is a failure, not a success with a footnote."""
    scenario = Scenario(url, DataSyncSettings(events=2_000, seed=SEED, undecodable=0.05))
    async with scenario.api() as server:
        with pytest.raises(TooManyRefused):
            await scenario.extract(server)


async def sources_are_not_mixed(url: str) -> None:
    """Another API's events do not get into a table that holds the first one's."""
    scenario = Scenario(url, DataSyncSettings(events=500, seed=SEED))
    async with scenario.api() as server:
        await _extracted(scenario, server)
    async with scenario.api(seed=SEED + 1) as other:
        with pytest.raises(AnotherSource):
            await scenario.extract(other)


async def another_event_under_a_stored_id_is_kept(url: str) -> None:
    """A row that differs from what is stored under its id goes to the dead letters instead of disappearing as a duplicate."""
    async with _destination(url) as (_, destination):
        run = await destination.begin(PIPELINE, this_process())
        async with destination.open(run, SCHEMA) as writer:
            await writer.write(_block(50, 40, "first"))
            receipt = await writer.write(_block(40, 30, "second"))
        assert (receipt.stored, receipt.duplicate, len(receipt.refused)) == (0, 0, 1)


async def a_replaced_run_cannot_write(url: str) -> None:
    """A run whose lease was taken over stores nothing any more."""
    async with _destination(url) as (_, destination):
        run = await destination.begin(PIPELINE, this_process())
        async with destination.open(run, SCHEMA) as writer:
            await writer.write(_block(50, 40, "first"))
            await _execute(url, "update penstock.pipelines set fence = fence + 1")
            with pytest.raises(LeaseLost):
                await writer.write(_block(40, 30, "second", "e644c9ad-c752-4ea8-a359-308cdf69a6fd"))


async def a_live_run_keeps_its_lease(url: str) -> None:
    """While a run shows that it is alive, no other one begins."""
    async with _destination(url) as (_, destination):
        await destination.begin(PIPELINE, this_process())
        with pytest.raises(LeaseHeld):
            await destination.begin(PIPELINE, this_process())


async def settled_means_on_disk(url: str) -> None:
    """After `settle` nothing of the log waits to be written, though no commit before it waited for the disk."""
    async with _destination(url) as (connections, destination):
        run = await destination.begin(PIPELINE, this_process())
        async with destination.open(run, SCHEMA) as writer:
            await writer.write(_block(50, 40, "first"))
            await writer.settle()
            async with connections.take() as connection:
                assert await connection.fetchval("select pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()")


PIPELINE = Pipeline("extract/ingested_events", "somewhere")


@asynccontextmanager
async def _destination(url: str) -> AsyncIterator[tuple[Connections, PostgresDestination]]:
    async def dial() -> str:
        return url

    connections = Connections(dial, this_process())
    try:
        yield connections, PostgresDestination(Table(TableName("ingested_events"), ("id",)), PostgresCheckpoints(connections))
    finally:
        connections.close()
        await asyncio.sleep(0)  # its transports close in the next round of the loop


def _block(start: int, end: int, text: str, key: str = "e644c9ad-c752-4ea8-a359-308cdf69a6fc") -> Block:
    """One event between two frontiers."""
    after, upto = Frontier(start).position("e"), Frontier(end).position("e")
    row = {"id": uuid.UUID(key).bytes, "occurred_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "event": text}
    return Block(BlockId(Frontier(50).position("e"), after, upto), (Batch(pa.RecordBatch.from_pylist([row], SCHEMA), (), after, upto),))


def _into(scenario: Scenario, table: str) -> Scenario:
    scenario.settings = replace(scenario.settings, table=table)
    return scenario


async def _extracted(scenario: Scenario, server: Server, url: str | None = None) -> Extraction:
    """An extraction that has to come to its end; an error is a failed check."""
    try:
        return await scenario.extract(server, url=url)
    except PenstockError as error:
        raise AssertionError(str(error)) from error


async def _exact(scenario: Scenario, server: Server, extraction: Extraction, table: str = "ingested_events") -> None:
    assert extraction.proof is not None
    assert extraction.proof.complete, extraction.proof.faults
    assert await scenario.stored(table) == wanted(server)
    letters = await scenario.fetch(f"select count(*) from penstock.dead_letters where pipeline = 'extract/{table}'")
    assert letters[0][0] == len(server.dataset.refused_ids())


def _fails(extraction: Extraction) -> None:
    assert extraction.outcome.state == "failed"
    assert extraction.proof is not None
    assert not extraction.proof.complete


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
