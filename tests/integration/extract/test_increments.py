"""Incremental runs: what is newer than the last bound, exactly, whatever the source does in the meantime."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

import numpy as np
import pytest

from penstock.extract.job import Extraction
from penstock.extract.proof import Proof
from penstock.extract.settings import ExtractSettings
from penstock.extract.source import TotalShrank
from penstock.simulate.datasync import Clock, Server, running
from penstock.simulate.keys import NEWEST_MS
from penstock.simulate.settings import DataSyncSettings
from tests.unit.extract.keyset import Keyset, Told, told

from .bench import Bench, double_instead_of_http

API = DataSyncSettings(events=900, seed=7, days=3.0, ties=0.3, undecodable=0.008)
SETTINGS = ExtractSettings(partition_count=4, batch_size=100, max_refused_percent=100.0)


@dataclass(slots=True)
class Ticking:
    """A clock that goes on by so many seconds whenever it is looked at."""

    tick_s: float = 0.0
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.now_s = time.time()

    def __call__(self) -> float:
        """What time it is."""
        self.now_s += self.tick_s
        return self.now_s


async def bound(bench: Bench) -> int:
    """The newest millisecond that the scope takes in."""
    sql = "select 9223372036854775807 - ('x' || encode(scope_start, 'hex'))::bit(64)::bigint as bound from penstock.pipelines"
    return int((await bench.fetch(sql))[0]["bound"])


def everything(server: Server) -> set[UUID]:
    """Ids of the events that exist by now and can be stored."""
    return storable(server, server.inserted)


def storable(server: Server, inserted: int) -> set[UUID]:
    """Ids of those of the events there were at first, and the first so many that came in, that can be stored."""
    there, refused = ({UUID(bytes=one.tobytes()) for one in of(inserted)} for of in (server.dataset.ids, server.dataset.refused_ids))
    return there - refused


async def assert_exact(bench: Bench, server: Server, extraction: Extraction) -> None:
    """The proof holds, and what is stored are the events up to the bound that can be, each once."""
    ages = server.dataset.keys.ages
    first = int(np.argmax(ages >= NEWEST_MS - await bound(bench)))
    ids, total = storable(server, server.dataset.reserve - first), len(ages) - first
    assert extraction.proof is not None
    assert extraction.proof.faults == []
    assert await bench.ids() == ids
    assert (await bench.dead()).total() == total - len(ids)
    assert extraction.proof.total == total


async def test_what_is_newer(bench: Bench) -> None:
    """A run after events came in stores those and nothing else, in as few requests as they have pages, and says what was there before."""
    clock = Ticking()
    async with running(replace(API, live_per_s=10.0), clock=Clock(now=clock)) as server:
        first = await bench.run(server, SETTINGS)
        before, requests = await bench.ids(), server.audit.requests
        clock.now_s += 15
        second = await bench.run(server, SETTINGS)

    status, counters = bench.telemetry.status(), bench.telemetry.counters
    await assert_exact(bench, server, second)
    assert (first.proof is not None, len(everything(server)) - len(before)) == (True, counters["rows_stored_total"])
    assert await bench.ids() > before
    assert (status.rows_before, counters["rows_duplicate_total"]) == (len(before), 0)
    assert second.proof is not None
    assert second.proof.newer == 0
    assert server.audit.requests - requests < 20


async def test_many_increments(bench: Bench) -> None:
    """The tenth increment costs as many requests as the first: seams that held are asked for again only where nothing is new."""
    clock, costs, proofs = Ticking(), list[int](), list[Proof | None]()
    async with running(replace(API, live_per_s=10.0), clock=Clock(now=clock)) as server:
        for _ in range(11):
            before = server.audit.requests
            extraction = await bench.run(server, SETTINGS)
            costs.append(server.audit.requests - before)
            proofs.append(extraction.proof)
            clock.now_s += 3
            await assert_exact(bench, server, extraction)
        clock.now_s -= 3
        before = server.audit.requests
        verified = await bench.run(server, SETTINGS)
        costs.append(server.audit.requests - before)

    assert verified.proof is not None
    assert verified.proof == proofs[-1]
    assert len(verified.proof.seams) > 20
    assert max(costs[1:-1]) <= costs[1] + 2
    assert costs[-1] > 20


async def test_nothing_new(bench: Bench) -> None:
    """Where nothing came in, a run asks for the newest page and the seams, changes nothing, and the proof is that of before."""
    async with running(API) as server:
        first = await bench.run(server, SETTINGS)
        scope = await bench.fetch("select * from penstock.coverage order by strand")
        second = await bench.run(server, SETTINGS)

    assert second.proof == first.proof
    assert await bench.fetch("select * from penstock.coverage order by strand") == scope
    assert bench.telemetry.counters["rows_received_total"] == 0


async def test_live(bench: Bench) -> None:
    """While twenty events a millisecond come in, run after run is exact up to its bound; when it has become quiet, nothing is left."""
    live = replace(API, live_per_s=20_000.0, live_limit=3_000)
    async with running(live, clock=Clock(now=Ticking(tick_s=0.000_1))) as server:
        first = await bench.run(server, SETTINGS)
        await assert_exact(bench, server, first)
        while server.inserted < live.live_limit:
            await assert_exact(bench, server, await bench.run(server, SETTINGS))
        await assert_exact(bench, server, last := await bench.run(server, SETTINGS))

    assert await bench.ids() == everything(server)
    assert last.proof is not None
    assert last.proof.newer == 0
    assert first.proof is not None
    assert first.proof.newer > 0


@pytest.mark.parametrize("tie_rule", ["desc", "asc"])
async def test_ties_at_the_bound(bench: Bench, tie_rule: str, seed: int) -> None:
    """Events that join the newest millisecond while it is looked at, before and after any request, are neither lost nor stored twice."""
    random, clock = Random(seed), Ticking()
    api = replace(API, events=60, live_per_s=60_000.0, live_limit=6_000, tie_rule="asc" if tie_rule == "asc" else "desc")
    async with running(api, clock=Clock(now=clock)) as server:
        while server.inserted < api.live_limit:
            clock.tick_s = random.choice([0.000_03, 0.000_1, 0.000_4])
            await assert_exact(bench, server, await bench.run(server, replace(SETTINGS, batch_size=random.choice([7, 50, 500]))))
            clock.now_s += random.choice([0, 0.000_2, 0.001, 0.02])
        clock.tick_s = 0
        await assert_exact(bench, server, await bench.run(server, SETTINGS))
        await assert_exact(bench, server, await bench.run(server, SETTINGS))

    assert await bench.ids() == everything(server)


@pytest.mark.parametrize("size", [99, 100, 101, 2_500])
async def test_a_burst_at_the_newest_millisecond(bench: Bench, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A newest millisecond that fills the pages that are looked at, in a first run and in an increment, is counted and stored whole."""
    double = Keyset(told([*[500] * size, *range(0, 300, 10)]))
    double_instead_of_http(monkeypatch, double)
    first = await bench.extract()
    double.told = [*double.told, *(Told(700, 10_000 + number) for number in range(size))]

    second = await bench.extract()

    assert first.proof is not None
    assert second.proof is not None
    assert (first.proof.faults, first.proof.total) == ([], size + 30)
    assert (second.proof.faults, second.proof.total, second.proof.newer) == ([], 2 * size + 30, 0)
    assert await bench.ids() == {one.id for one in double.told}


@pytest.mark.parametrize("blocks", [1, 3, 9])
async def test_stopped_in_an_increment(bench: Bench, blocks: int) -> None:
    """An increment that was stopped in its middle is gone on with; what came in since is read behind it."""
    clock = Ticking()
    async with running(replace(API, live_per_s=10.0), clock=Clock(now=clock)) as server:
        await bench.run(server, SETTINGS)
        clock.now_s += 60
        stopped = await bench.run_until(blocks, server, replace(SETTINGS, batch_size=20))
        stored = len(await bench.ids())
        clock.now_s += 60
        extraction = await bench.run(server, SETTINGS)

    assert stopped.outcome.state == "cancelled"
    assert stored < len(await bench.ids())
    await assert_exact(bench, server, extraction)
    assert await bench.ids() == everything(server)
    assert bench.telemetry.counters["rows_duplicate_total"] == 0


async def test_a_late_arrival(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that appears below the bound after that was read is not stored, and the proof does not pass in silence: it counts it."""
    double = Keyset(told(range(0, 300, 10)))
    double_instead_of_http(monkeypatch, double)
    await bench.extract()
    double.told = [*double.told, Told(155, 1_000)]

    alone = await bench.extract()
    double.told = [*double.told, Told(400, 1_001)]
    followed = await bench.extract()

    assert alone.outcome.state == followed.outcome.state == "failed"
    assert "30 events are accounted for, the API states 31 up to the bound" in alone.outcome.message
    assert "31 events are accounted for, the API states 32 up to the bound" in followed.outcome.message


@pytest.mark.parametrize("events", [30, 29], ids=["while one came in", "and none came in"])
async def test_events_disappear_between_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    """Fewer events up to the bound than were proven end the next run: what is stored is no longer what the API has."""
    double = Keyset(told(range(0, 300, 10)))
    double_instead_of_http(monkeypatch, double)
    await bench.extract()
    double.told = [*double.told[:5], *double.told[6:], Told(400, 1_001)][:events]

    with pytest.raises(TotalShrank):
        await bench.extract()

    assert (await bench.history())[-1][0] == "failed"
