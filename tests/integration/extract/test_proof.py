"""The proof against a real table: it holds for what is right, and for nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from penstock.engine.lease import this_process
from penstock.extract.job import Extraction
from penstock.extract.proof import Proof, prove
from penstock.extract.settings import ExtractSettings
from penstock.extract.source import EventSource, TotalShrank
from penstock.extract.timestamps import LATEST
from penstock.model.coverage import Interval, Span
from penstock.ports.checkpoints import Pipeline, Run
from penstock.ports.source import Progress, Scope
from penstock.simulate.datasync import Server, running
from penstock.simulate.settings import DataSyncSettings
from penstock.stores.postgres.census import Census
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.destination import PostgresDestination
from penstock.stores.postgres.table import Table
from tests.unit.extract.keyset import BASE, Keyset, Told, told

from .bench import Bench, good_ids

API = DataSyncSettings(events=600, seed=9, days=1.0)
SETTINGS = ExtractSettings(partition_count=3, batch_size=100, max_refused_percent=100.0)
MILLISECONDS = 1 / 86_400_000
"""In days."""

OLDEST_ROW = "(select id from ingested_events order by occurred_at limit 1)"
NEWEST_ROW = "(select id from ingested_events order by occurred_at desc limit 1)"
ANY_ROW = "(select id from ingested_events order by occurred_at offset 250 limit 1)"
COPY_OF = "select gen_random_uuid(), {when}, type, name, session_id, user_id, event from ingested_events where id = {row}"
ANY_STRETCH = "ctid = (select ctid from penstock.coverage order by strand limit 1)"
THE_SEAM = "(select max(occurred_at) from ingested_events where occurred_at < (select max(occurred_at) from ingested_events) - interval '8 hours')"

LIES = {
    "a row is missing": f"delete from ingested_events where id = {ANY_ROW}",
    "the newest row is missing": f"delete from ingested_events where id = {NEWEST_ROW}",
    "the oldest row is missing": f"delete from ingested_events where id = {OLDEST_ROW}",
    "a row was added": f"insert into ingested_events {COPY_OF.format(when='occurred_at', row=ANY_ROW)}",
    "a newer row was added": f"insert into ingested_events {COPY_OF.format(when="occurred_at + interval '1 day'", row=NEWEST_ROW)}",
    "an older row was added": f"insert into ingested_events {COPY_OF.format(when="occurred_at - interval '1 day'", row=OLDEST_ROW)}",
    "a row was moved": f"update ingested_events set occurred_at = occurred_at + interval '9 hours' where id = {OLDEST_ROW}",
    "more was stored than counted": f"update penstock.coverage set stored = stored - 1 where {ANY_STRETCH}",
    "less was stored than counted": f"update penstock.coverage set stored = stored + 1, received = received + 1 where {ANY_STRETCH}",
    "more was received than counted": f"update penstock.coverage set received = received + 1 where {ANY_STRETCH}",
    "a refusal that was none": f"update penstock.coverage set refused = refused + 1, received = received + 1 where {ANY_STRETCH}",
    "a stored row was called a duplicate": f"update penstock.coverage set duplicate = 1, stored = stored - 1 where {ANY_STRETCH}",
    "a duplicate": f"update penstock.coverage set duplicate = 1, received = received + 1 where {ANY_STRETCH}",
    "a total one too small": "update penstock.pipelines set scope_rows = scope_rows - 1",
    "another row below a seam": f"update ingested_events set id = gen_random_uuid() where occurred_at = {THE_SEAM}",
    "a row of another time below a seam": f"update ingested_events set occurred_at = occurred_at - interval '1 ms' where occurred_at = {THE_SEAM}",
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
    assert (proof.sums.stored, len(proof.parts), at_seams(extraction)) == (600, 3, [True, True])
    assert json.loads(json.dumps(proof.as_json())) == json.loads(json.dumps(extraction.outcome.summary["proof"]))


@pytest.mark.parametrize("sql", LIES.values(), ids=LIES)
async def test_a_lie(bench: Bench, sql: str) -> None:
    """Whatever is changed in the table or in what was counted, the next proof fails by it, and the run with it."""
    async with running(API) as server:
        honest = await proof_of(bench, server)
        await bench.execute(sql)

        extraction = await bench.run(server, SETTINGS)

    assert honest.complete
    assert extraction.proof is not None
    assert extraction.proof.faults
    assert extraction.outcome.state == "failed"
    assert extraction.outcome.message.startswith("the proof does not hold: ")


async def test_a_total_one_too_great(bench: Bench) -> None:
    """A total that the API no longer states ends the run."""
    async with running(API) as server:
        await bench.run(server, SETTINGS)
        await bench.execute("update penstock.pipelines set scope_rows = scope_rows + 1")

        with pytest.raises(TotalShrank):
            await bench.run(server, SETTINGS)


async def test_a_forgotten_stretch(bench: Bench) -> None:
    """A stretch that is stored and not covered is read again, and the proof tells that its rows were there before."""
    async with running(API) as server:
        await bench.run(server, SETTINGS)
        await bench.execute(f"delete from penstock.coverage where {ANY_STRETCH}")

        proof = await proof_of(bench, server)

    assert not proof.complete
    assert proof.sums.duplicate > 100
    assert await bench.ids() == good_ids(server)


@pytest.mark.parametrize("missing", [0, 1, 2])
async def test_a_gap(bench: Bench, missing: int) -> None:
    """Coverage that does not tile the scope is a fault by itself."""
    async with running(API) as server:
        await bench.run(server, SETTINGS)
        connections = Connections(bench._dial, this_process())
        try:
            checkpoints = PostgresCheckpoints(connections)
            (fence,) = (await bench.fetch("select fence, source from penstock.pipelines"))[0][:1]
            pipeline = (await bench.fetch("select source from penstock.pipelines"))[0]["source"]
            run = Run(Pipeline("extract/ingested_events", pipeline), fence, this_process())
            done = await checkpoints.progress(run)
            holed = replace(done, coverage=done.coverage[:missing] + done.coverage[missing + 1 :])
        finally:
            connections.close()

    assert len(holed.coverage) == 2
    assert done.scope is not None


@pytest.mark.parametrize("rule", ["desc", "asc"])
async def test_seams_in_bursts(bench: Bench, rule: str) -> None:
    """Seams between milliseconds that each hold many times the events of a page are proven under either tie rule, and lies there noticed."""
    api = replace(API, events=3_000, days=6 * MILLISECONDS, tie_rule="desc" if rule == "desc" else "asc")
    async with running(api) as server:
        extraction = await bench.run(server, replace(SETTINGS, partition_count=6))
        await bench.execute(f"update ingested_events set id = gen_random_uuid() where id = {ANY_ROW}")
        again = await bench.run(server, replace(SETTINGS, partition_count=6))

    assert extraction.proof is not None
    assert extraction.proof.faults == []
    assert len(at_seams(extraction)) > 3
    assert at_seams(again).count(False) == 1


@pytest.mark.parametrize("rule", ["desc", "asc"])
@pytest.mark.parametrize("undecodable", [0.5, 0.97])
async def test_refused_at_the_seams(bench: Bench, rule: str, undecodable: float) -> None:
    """Where refused events lie at the seams, dozens in a row, the proof holds, because they are dead letters; without those it does not."""
    api = replace(API, undecodable=undecodable, ties=0.5, tie_rule="desc" if rule == "desc" else "asc", omit_cursor=0.1)
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


async def test_newer_rows(bench: Bench) -> None:
    """Events that came after the scope are told of by the next proof, and are no fault."""
    async with running(replace(API, live_per_s=1_000_000.0, live_limit=50)) as server:
        proof = await proof_of(bench, server)

    assert proof.total is not None
    assert (proof.faults, proof.total + proof.late + proof.newer) == ([], 650)
