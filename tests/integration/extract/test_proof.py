"""The proof against a real table: it holds for what is right, and for nothing else."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from penstock.engine.telemetry import Telemetry
from penstock.extract import job
from penstock.extract.address import Address
from penstock.extract.job import Extraction
from penstock.extract.proof import Proof
from penstock.extract.settings import ExtractSettings
from penstock.extract.timestamps import EARLIEST, LATEST
from penstock.simulate.datasync import Server, running
from penstock.simulate.settings import DataSyncSettings
from tests.unit.extract.keyset import BASE, Keyset, Told, told

from .bench import Bench, double_instead_of_http, good_ids

API = DataSyncSettings(events=600, seed=9, days=1.0)
SETTINGS = ExtractSettings(partition_count=3, batch_size=100, max_refused_percent=100.0, stream="off")
ADDRESS = Address("http://double", "key")
MILLISECONDS = 1 / 86_400_000
"""In days."""

OLDEST_ROW = "(select id from ingested_events order by occurred_at limit 1)"
NEWEST_ROW = "(select id from ingested_events order by occurred_at desc limit 1)"
ANY_ROW = "(select id from ingested_events order by occurred_at offset 250 limit 1)"
ANY_STRETCH = "ctid = (select ctid from penstock.coverage order by strand offset 1 limit 1)"
"""But not the first one, which is the newest millisecond."""


def one_more(row: str, distance: str) -> str:
    """SQL that puts a copy of a row, with an id of its own, a distance in time away from it."""
    columns = "gen_random_uuid(), occurred_at + interval '" + distance + "', type, name, session_id, user_id, event"
    return f"insert into ingested_events select {columns} from ingested_events where id = {row}"


LIES = {
    "a row is missing": f"delete from ingested_events where id = {ANY_ROW}",
    "the newest row is missing": f"delete from ingested_events where id = {NEWEST_ROW}",
    "the oldest row is missing": f"delete from ingested_events where id = {OLDEST_ROW}",
    "a row was added": one_more(ANY_ROW, "0"),
    "a newer row was added": one_more(NEWEST_ROW, "1 day"),
    "an older row was added": one_more(OLDEST_ROW, "-1 day"),
    "a row was moved": f"update ingested_events set occurred_at = occurred_at + interval '9 hours' where id = {OLDEST_ROW}",
    "more was stored than counted": f"update penstock.coverage set stored = stored - 1 where {ANY_STRETCH}",
    "less was stored than counted": f"update penstock.coverage set stored = stored + 1, received = received + 1 where {ANY_STRETCH}",
    "more was received than counted": f"update penstock.coverage set received = received + 1 where {ANY_STRETCH}",
    "a refusal that was none": f"update penstock.coverage set refused = refused + 1, received = received + 1 where {ANY_STRETCH}",
    "a stored row was called a duplicate": f"update penstock.coverage set duplicate = 1, stored = stored - 1 where {ANY_STRETCH}",
    "a duplicate": f"update penstock.coverage set duplicate = 1, received = received + 1 where {ANY_STRETCH}",
    "a dead letter of no event": "insert into penstock.dead_letters (pipeline, fence, reason, origin, raw)"
    " select name, fence, '', '', '' from penstock.pipelines",
    "a total one too small": "update penstock.pipelines set scope_rows = scope_rows - 1",
    "a total one too great": "update penstock.pipelines set scope_rows = scope_rows + 1",
}
SEAM_LIES = {
    "another row above": "update ingested_events set id = gen_random_uuid() where id = '{newer}'",
    "another row below": "update ingested_events set id = gen_random_uuid() where id = '{older}'",
    "a row of another time above": "update ingested_events set occurred_at = occurred_at + interval '1 ms' where id = '{newer}'",
    "a row of another time below": "update ingested_events set occurred_at = occurred_at - interval '1 ms' where id = '{older}'",
}


async def proof_of(bench: Bench, server: Server, settings: ExtractSettings = SETTINGS) -> Proof:
    """The proof of a run that has nothing to do but prove."""
    extraction = await bench.run(server, settings)
    assert extraction.proof is not None
    return extraction.proof


def at_seams(extraction: Extraction) -> list[bool]:
    """Which seams hold."""
    assert extraction.proof is not None
    return [seam.holds for seam in extraction.proof.seams]


async def test_a_clean_run(bench: Bench) -> None:
    """What was read is accounted for part by part, the seams hold, and all of it can be printed as JSON."""
    async with running(API) as server:
        extraction = await bench.run(server, SETTINGS)

    proof = extraction.proof
    assert proof is not None
    assert (proof.faults, proof.total, proof.later_total, proof.newer, proof.gaps) == ([], 600, 600, 0, 0)
    assert [part.in_table for part in proof.parts] == [part.stored for part in proof.parts]
    assert (proof.sums.stored, len(proof.parts), at_seams(extraction)) == (600, 4, [True, True, True])
    assert json.loads(json.dumps(proof.as_json())) == json.loads(json.dumps(extraction.outcome.summary["proof"]))


async def test_lies(bench: Bench) -> None:
    """Whatever is changed in the table or in what was counted, the next proof fails by it, and the run with it."""
    outcomes = {}
    async with running(API) as server:
        await bench.run(server, SETTINGS)
        await bench.remember()
        for name, sql in LIES.items():
            await bench.execute(sql)
            outcomes[name] = (await bench.run(server, SETTINGS)).outcome
            await bench.restore()
        honest = await proof_of(bench, server)

    assert honest.complete
    assert {name for name, outcome in outcomes.items() if outcome.state != "failed"} == set()
    assert all(outcome.message.startswith("the proof does not hold: ") for outcome in outcomes.values())


async def test_lies_at_a_seam(bench: Bench) -> None:
    """A row at a seam that is not the API's fails the proof by the seam alone, where all counts still agree."""
    proofs = {}
    async with running(API) as server:
        honest = await proof_of(bench, server)
        newer, older = (text.partition(" ")[2] for text in (honest.seams[2].newer, honest.seams[2].older))
        await bench.remember()
        for name, sql in SEAM_LIES.items():
            await bench.execute(sql.format(newer=newer, older=older))
            proofs[name] = await proof_of(bench, server)
            await bench.restore()

    assert {name: [seam.holds for seam in proof.seams] for name, proof in proofs.items()} == {
        name: [True, True, False] for name in SEAM_LIES
    }
    assert {len(proof.faults) for proof in proofs.values()} == {1}


async def test_a_forgotten_stretch(bench: Bench) -> None:
    """A stretch that is stored and not covered is read again, and the proof tells that its rows were there before."""
    async with running(API) as server:
        await bench.run(server, SETTINGS)
        await bench.execute(f"delete from penstock.coverage where {ANY_STRETCH}")

        proof = await proof_of(bench, server)

    assert not proof.complete
    assert proof.sums.duplicate > 100
    assert await bench.ids() == good_ids(server)


async def test_a_gap(bench: Bench) -> None:
    """Coverage that does not tile the scope is a fault by itself, and so are the rows that it does not speak of."""
    async with running(API) as server:
        await bench.run(server, SETTINGS)
        done = await bench.progress()
        holed = [replace(done, coverage=done.coverage[:number] + done.coverage[number + 1 :]) for number in range(4)]

        whole, unscoped = await bench.prove(server, done), await bench.prove(server, replace(done, scope=None))
        proofs = [await bench.prove(server, progress) for progress in holed]

    assert (whole.gaps, whole.complete, unscoped.gaps, unscoped.complete) == (0, True, 1, False)
    assert [(proof.gaps, proof.complete) for proof in proofs] == [(1, False)] * 4
    assert [proof.outside for proof in proofs] == [interval.counts.stored for interval in done.coverage]


@pytest.mark.parametrize("rule", ["desc", "asc"])
async def test_seams_in_bursts(bench: Bench, rule: str) -> None:
    """Seams between milliseconds that each hold many times the events of a page are proven under both tie rules; a lie there is noticed."""
    api = replace(API, events=1_500, days=6 * MILLISECONDS, tie_rule="desc" if rule == "desc" else "asc")
    async with running(api) as server:
        extraction = await bench.run(server, replace(SETTINGS, partition_count=6))
        await bench.execute(f"update ingested_events set id = gen_random_uuid() where id = {NEWEST_ROW}")
        again = await bench.run(server, replace(SETTINGS, partition_count=6))

    assert extraction.proof is not None
    assert extraction.proof.faults == []
    assert len(at_seams(extraction)) > 3
    assert at_seams(again)[0] is False


@pytest.mark.parametrize("rule", ["desc", "asc"])
@pytest.mark.parametrize(("undecodable", "omit_cursor"), [(0.5, 0.2), (0.97, 0.0)])
async def test_refused_at_the_seams(bench: Bench, rule: str, undecodable: float, omit_cursor: float) -> None:
    """Where refused events lie at the seams, dozens in a row, the proof holds, because they are dead letters; without those it does not."""
    api = replace(API, undecodable=undecodable, ties=0.5, tie_rule="desc" if rule == "desc" else "asc", omit_cursor=omit_cursor)
    settings = replace(SETTINGS, partition_count=5)
    async with running(api) as server:
        extraction = await bench.run(server, settings)
        await bench.execute("delete from penstock.dead_letters")
        again = await bench.run(server, settings)

    assert extraction.proof is not None
    assert extraction.proof.faults == []
    assert extraction.outcome.state == "completed with rejected rows"
    assert len(at_seams(extraction)) > 1
    assert False in at_seams(again)


@pytest.mark.parametrize("teapot", [True, False])
async def test_an_api_that_has_lost_what_lies_below(bench: Bench, monkeypatch: pytest.MonkeyPatch, *, teapot: bool) -> None:
    """A seam below which the API serves nothing any more does not hold, however it says so."""
    events = told(range(0, 300, 10))
    double = Keyset(events, total=len(events), teapot=teapot)
    double_instead_of_http(monkeypatch, double)
    before = await job.extract(SETTINGS, ADDRESS, bench.dial, Telemetry(), asyncio.Event())
    double.told = [one for one in events if one.ts >= 200]

    after = await job.extract(SETTINGS, ADDRESS, bench.dial, Telemetry(), asyncio.Event())

    assert before.proof is not None
    assert before.proof.complete
    assert after.proof is not None
    assert after.proof.seams[1].older == "nothing"
    assert at_seams(after) == [True, False, False]


async def test_the_edges_of_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events at the first and the last millisecond that can be stored, and one beyond that, are proven like any others."""
    edges = [LATEST - BASE, LATEST - BASE, LATEST - BASE - 1, 5, 0, EARLIEST - BASE + 1, EARLIEST - BASE]
    double = Keyset([Told(LATEST - BASE + 1, 99), *told(edges)])

    double_instead_of_http(monkeypatch, double)

    extraction = await job.extract(SETTINGS, ADDRESS, bench.dial, Telemetry(), asyncio.Event())

    assert extraction.proof is not None
    assert extraction.proof.faults == []
    assert await bench.ids() == {one.id for one in double.told[1:]}
    assert await bench.dead() == {double.told[0].raw: 1}
