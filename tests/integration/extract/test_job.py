"""The main job, from the simulated API into PostgreSQL: exactly the right rows, whatever happens on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from penstock.engine.ledger import TooManyRefused
from penstock.extract.api import KeyRejected
from penstock.extract.settings import ExtractSettings
from penstock.extract.source import TotalShrank
from penstock.model.errors import PenstockError
from penstock.ports.checkpoints import AnotherSource
from penstock.simulate.datasync import running
from penstock.simulate.faults import PROFILES
from penstock.simulate.settings import DataSyncSettings
from penstock.stores.tables import ForeignTable, TableDoesNotFit

from .bench import Bench, bad_raws, good_ids

API = DataSyncSettings(events=900, seed=7, days=3.0, ties=0.3)
SETTINGS = ExtractSettings(partition_count=4, batch_size=100, stream="off")


@pytest.mark.parametrize("profile", PROFILES)
async def test_exactly_the_right_rows(bench: Bench, profile: str) -> None:
    """Under every fault profile the table has every event that can be stored, once; the others are dead letters, as received."""
    faults = replace(PROFILES[profile], slow_s=0.0, burst_429=0.0)
    async with running(replace(API, faults=faults, undecodable=0.008, omit_cursor=0.1, timestamps="all")) as server:
        extraction = await bench.run(server, SETTINGS)

    reasons = await bench.fetch("select reason, origin from penstock.dead_letters")
    good, bad = good_ids(server), bad_raws(server)
    assert extraction.outcome.state == "completed with rejected rows"
    assert extraction.proof is not None
    assert extraction.proof.complete
    assert await bench.ids() == good
    assert await bench.dead() == bad
    assert all(row["reason"] and row["origin"].startswith("event ") for row in reasons)
    assert (bench.telemetry.total.stored, bench.telemetry.total.refused) == (len(good), bad.total())
    assert len(good) + bad.total() == API.events


@pytest.mark.parametrize(
    "settings",
    [
        replace(API, tie_burst=600),
        replace(API, tie_burst=600, tie_rule="asc"),
        replace(API, page_shape="flat", skew=2.0),
        replace(API, events=1),
    ],
    ids=["burst", "burst, asc", "flat and skewed", "one event"],
)
async def test_any_data(bench: Bench, settings: DataSyncSettings) -> None:
    """Hundreds of events of one millisecond, a skewed month, a single event: the table has each of them once, as it was received."""
    async with running(settings) as server:
        extraction = await bench.run(server, SETTINGS)

    rows = await bench.fetch("select id::text as id, event from ingested_events")
    assert extraction.outcome.state == "completed"
    assert await bench.ids() == good_ids(server)
    assert all(row["event"].startswith(f'{{"id":"{row["id"]}"') for row in rows)


@pytest.mark.parametrize("blocks", [1, 5, 12])
async def test_stopped_and_gone_on(bench: Bench, blocks: int) -> None:
    """A run that is stopped keeps what it has read; the next one goes on from there, with other settings, and reads nothing again."""
    async with running(replace(API, undecodable=0.008)) as server:
        first = await bench.run_until(blocks, server, replace(SETTINGS, batch_size=20))
        stored, dead = await bench.ids(), await bench.dead()
        second = await bench.run(server, replace(SETTINGS, partition_count=5, batch_size=500))

    counters = bench.telemetry.counters
    assert (first.outcome.state, first.proof) == ("cancelled", None)
    assert 0 < len(stored) < API.events
    assert bench.telemetry.before.stored == len(stored)
    assert bench.telemetry.before.refused == dead.total()
    assert second.proof is not None
    assert second.proof.complete
    assert await bench.ids() == good_ids(server)
    assert await bench.dead() == bad_raws(server)
    assert (counters["rows_stored_total"], counters["rows_duplicate_total"]) == (len(good_ids(server)) - len(stored), 0)


async def test_again(bench: Bench) -> None:
    """A second run stores nothing, asks a few small questions, and proves it once more; both proofs are kept with their runs."""
    async with running(API) as server:
        first = await bench.run(server, SETTINGS)
        requests, served = server.audit.requests, server.audit.rows_served
        second = await bench.run(server, SETTINGS)

    kept = await bench.fetch("select summary -> 'proof' ->> 'complete' as complete from penstock.runs")
    assert first.proof is not None
    assert second.proof == first.proof
    assert second.outcome.state == "completed"
    assert bench.telemetry.counters["rows_received_total"] == 0
    assert server.audit.requests - requests <= SETTINGS.partition_count + 1
    assert server.audit.rows_served - served < 300
    assert [row["complete"] for row in kept] == ["true", "true"]


async def test_served_once(bench: Bench) -> None:
    """Without troubles hardly a row is asked for twice: only what lies behind a seam on a page, and what the probes look at."""
    async with running(API) as server:
        await bench.run(server, SETTINGS)

    waste = server.audit.rows_served - server.audit.rows_seen
    assert server.audit.rows_seen == API.events
    assert waste < 1_000 + SETTINGS.partition_count * SETTINGS.batch_size


async def test_another_source(bench: Bench) -> None:
    """Rows of another key or another host do not go into the same table: the run ends before anything is touched."""
    async with running(API) as server, running(replace(API, key="another")) as other:
        await bench.run(server, SETTINGS)
        before = await bench.history()

        with pytest.raises(AnotherSource) as caught:
            await bench.run(other, SETTINGS)

    assert caught.value.exit_code == 2
    assert (await bench.history(), other.audit.requests) == (before, 0)


async def test_another_table(bench: Bench) -> None:
    """Another source may go into another table, with its own positions."""
    async with running(replace(API, events=500)) as server, running(replace(API, events=400, seed=8)) as other:
        await bench.run(server, SETTINGS)
        extraction = await bench.run(other, replace(SETTINGS, table="Other Events"))

    rows = await bench.fetch('select count(*) as rows from "Other Events"')
    assert extraction.outcome.state == "completed"
    assert (rows[0]["rows"], len(await bench.ids())) == (400, 500)


async def test_too_many_refused(bench: Bench) -> None:
    """More than the settled share of bad events ends the run; what is stored stays, and with a greater share the next run completes it."""
    async with running(replace(API, events=14_000, undecodable=0.05)) as server:
        with pytest.raises(TooManyRefused) as caught:
            await bench.run(server, replace(SETTINGS, batch_size=500))
        stored = len(await bench.ids())
        extraction = await bench.run(server, replace(SETTINGS, batch_size=500, max_refused_percent=10.0))

    states = [state for state, _ in await bench.history()]
    assert (caught.value.exit_code, states) == (1, ["failed", "completed with rejected rows"])
    assert 0 < stored < len(good_ids(server))
    assert extraction.proof is not None
    assert extraction.proof.complete
    assert bench.telemetry.before.stored == stored
    assert await bench.ids() == good_ids(server)
    assert await bench.dead() == bad_raws(server)


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("create table ingested_events (id int)", ForeignTable),
        ("alter table ingested_events drop column name", TableDoesNotFit),
        (
            "alter table ingested_events add column more int not null default 0; alter table ingested_events alter more drop default",
            TableDoesNotFit,
        ),
        ("alter table ingested_events alter column name type name", TableDoesNotFit),
    ],
)
async def test_a_table_of_another_shape(bench: Bench, sql: str, error: type[PenstockError]) -> None:
    """A table that is not ours, or no longer has its shape, is not written to."""
    async with running(API) as server:
        if error is TableDoesNotFit:
            await bench.run_until(1, server, replace(SETTINGS, batch_size=20))
        await bench.execute(sql)
        with pytest.raises(error) as caught:
            await bench.run(server, SETTINGS)

    assert caught.value.exit_code == 2
    assert (await bench.history())[-1][0] == "failed"


async def test_a_wrong_key(bench: Bench) -> None:
    """A key that the API rejects ends the run with exit code 2; nothing was made of it."""
    async with running(API) as server:
        with pytest.raises(KeyRejected) as caught:
            await bench.run(server, SETTINGS, key="wrong")

    assert caught.value.exit_code == 2
    assert await bench.fetch("select from pg_tables where tablename = 'ingested_events'") == []


async def test_events_disappear(bench: Bench) -> None:
    """An API that has fewer events than it had when the scope was frozen ends the run: nothing could be proven of it."""
    async with running(replace(API, shrink_after_requests=10)) as server:
        with pytest.raises(TotalShrank) as caught:
            await bench.run(server, SETTINGS)

    assert caught.value.exit_code == 1
    assert (await bench.history())[-1] == ("failed", str(caught.value))


async def test_the_same_id_twice(bench: Bench) -> None:
    """An id that is stored already with another event is not overwritten: the later event is a dead letter, and at no seam is it missed."""
    async with running(replace(API, events=600)) as server:
        await bench.run_until(1, server, replace(SETTINGS, batch_size=20))
        missing = sorted(good_ids(server) - await bench.ids(), key=str)
        await bench.execute(f"update ingested_events set id = '{missing[0]}' where id = (select min(id::text)::uuid from ingested_events)")
        extraction = await bench.run(server, replace(SETTINGS, batch_size=100, max_refused_percent=50.0))

    dead = await bench.dead()
    assert Counter(raw[7:43] for raw in dead) == Counter([str(missing[0]).encode()])
    assert (await bench.fetch("select reason from penstock.dead_letters"))[0]["reason"] == "another row with this key is stored already"
    assert extraction.outcome.state == "completed with rejected rows"
