"""Two processes and one pipeline: whatever the old one had begun, it cannot commit once the new one has taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from penstock.model.errors import Transient
from penstock.ports.checkpoints import LeaseHeld, LeaseLost, Outcome, Pipeline, Run
from penstock.ports.flow import Receipt
from penstock.ports.source import Progress
from penstock.stores.postgres.connections import GONE
from penstock.stores.postgres.errors import DatabaseUnreachable
from penstock.testing import records
from tests.contract.benches import PostgresBench, PostgresDestinationBench

LONG_AGO_S = 86_400.0


@dataclass(frozen=True)
class Half:
    """A block that is written half, and what of its stretch is stored before it."""

    strand: int
    before: bool

    @property
    def stored(self) -> list[tuple[int, int]]:
        """Without it."""
        return [(0, 4)] if self.before else []

    @property
    def stored_with_it(self) -> list[tuple[int, int]]:
        """And with it."""
        return [(0, 8)] if self.before else [(4, 8)]

    @asynccontextmanager
    async def written(self, bench: PostgresBench, run: Run) -> AsyncIterator[None]:
        """Its position has passed its check, and commits when this is left."""
        if self.before:
            await bench.runs.save(run, records.block(0, 4), Receipt(4))
        async with bench.runs.connections.transaction("off") as connection:
            await bench.runs.save_within(connection, run, records.block(4, 8, strand=self.strand), Receipt(4))
            yield


@pytest.fixture(params=[Half(4, before=False), Half(0, before=True)], ids=["the first block of a stretch", "the next block"])
def half(request: pytest.FixtureRequest) -> Half:
    """Either kind: they are checked by different statements."""
    found: Half = request.param
    return found


BLOCKED = """
    do $$ begin
        for attempt in 1..5000 loop
            if exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') then
                return;
            end if;
            perform pg_sleep(0.002), pg_stat_clear_snapshot();
        end loop;
        raise 'nobody waits';
    end $$"""
"""Ends once somebody waits for a lock in this database."""


async def test_what_a_dead_holder_had_begun_is_cut_off(bench: PostgresBench, other: PostgresBench, pipeline: Pipeline, half: Half) -> None:
    """Connections that outlive their process, as a server sees them, are ended before the lease goes to another."""
    old = await bench.runs.begin(pipeline, bench.next_holder())

    with pytest.raises(DatabaseUnreachable):
        async with half.written(bench, old):
            new = await other.runs.begin(pipeline, other.next_holder())

    assert records.covered(await other.runs.progress(new)) == half.stored


async def test_what_a_silent_holder_had_begun_is_cut_off(
    bench: PostgresBench, other: PostgresBench, pipeline: Pipeline, half: Half
) -> None:
    """A holder that hangs is treated like one that died, once its heartbeat is stale."""
    bench.runs.connections.holder = records.elsewhere()
    old = await bench.runs.begin(pipeline, records.elsewhere())
    await other.fall_silent(pipeline, LONG_AGO_S)

    with pytest.raises(DatabaseUnreachable):
        async with half.written(bench, old):
            new = await other.runs.begin(pipeline, other.next_holder())

    assert records.covered(await other.runs.progress(new)) == half.stored
    with pytest.raises(LeaseLost):
        await bench.runs.beat(old)


async def test_what_cannot_be_cut_off_is_waited_for(bench: PostgresBench, other: PostgresBench, pipeline: Pipeline, half: Half) -> None:
    """A write on a connection that does not bear its holder's name is there, with its position, before the new run begins."""
    old = await bench.runs.begin(pipeline, records.gone(0x7FFF))

    async with half.written(bench, old):
        beginning = asyncio.create_task(other.runs.begin(pipeline, other.next_holder()))
        await other.ask(BLOCKED)
        assert not beginning.done()
    new = await beginning

    assert records.covered(await other.runs.progress(new)) == half.stored_with_it


async def test_other_processes_are_left_alone(bench: PostgresBench, other: PostgresBench, pipeline: Pipeline) -> None:
    """Only the connections of the holder that is replaced are cut, and not our own, though both are of one host."""
    await bench.runs.begin(pipeline, records.gone(0x7FFF))
    sessions = "select pid from pg_stat_activity where datname = current_database()"

    async with bench.runs.connections.take() as connection:
        await other.runs.begin(pipeline, other.next_holder())

        assert await connection.fetchval("select true")
    assert len(await other.ask(sessions)) >= 2


async def test_reading_back_waits_for_a_write_without_an_answer(
    bench: PostgresBench, other: PostgresBench, pipeline: Pipeline, half: Half
) -> None:
    """What this run had sent to be committed is there before coverage is read, or it never will be."""
    run = await bench.runs.begin(pipeline, records.gone(0x7FFF))

    async with half.written(bench, run):
        reading = asyncio.create_task(other.runs.progress(run))
        await other.ask(BLOCKED)
        assert not reading.done()

    assert records.covered(await reading) == half.stored_with_it


async def test_reading_back_ends_what_an_earlier_pool_had_begun(bench: PostgresBench, pipeline: Pipeline) -> None:
    """A connection that was given up, and that the server still believes in, is ended rather than waited for."""
    run = await bench.runs.begin(pipeline, bench.next_holder())
    earlier, bench.runs.connections._pool = bench.runs.connections._pool, None
    assert earlier is not None
    lost = await earlier.acquire()
    await lost.execute("begin")
    await bench.runs.save_within(lost, run, records.block(0, 4), Receipt(4))

    progress = await bench.runs.progress(run)

    assert progress == Progress()
    with pytest.raises(GONE):
        await lost.execute("commit")
    earlier.terminate()


@pytest.mark.parametrize("round_", range(4))
async def test_after_a_takeover_the_old_run_changes_nothing(
    bench: PostgresBench, other: PostgresBench, pipeline: Pipeline, round_: int
) -> None:
    """However the two run into each other: what the new run finds when it begins stays all there is of the old one, rows as positions."""
    old_bench, new_bench = PostgresDestinationBench(bench), PostgresDestinationBench(other)
    new_bench.table = old_bench.table
    old = await bench.runs.begin(pipeline, records.gone(0x7FFF + round_))
    begun = asyncio.Event()

    async def write_on() -> None:
        async with old_bench.runs.open(old, records.SCHEMA) as writer:
            for low in range(0, 4_000, 4):
                await writer.write(records.block(low, low + 4, strand=0))
                begun.set()

    async def beat_on() -> None:
        while True:
            with suppress(Transient):  # the writer that is turned away cuts the connections of both
                await bench.runs.beat(old)

    writing, beating = asyncio.create_task(write_on()), asyncio.create_task(beat_on())
    await begun.wait()
    await asyncio.sleep(0.01 * round_)
    new = await other.runs.begin(pipeline, other.next_holder())
    found = await other.runs.progress(new)
    with pytest.raises(LeaseLost):
        await writing
    with pytest.raises(LeaseLost):
        await beating

    assert await other.runs.progress(new) == found
    assert set(await new_bench.stored()) == records.numbers(found.coverage)


async def test_a_holder_is_named_with_its_last_sign_of_life(bench: PostgresBench, other: PostgresBench, pipeline: Pipeline) -> None:
    """Whoever is turned away learns which process to look for, and when it was last heard of."""
    await bench.runs.begin(pipeline, records.here())
    await other.fall_silent(pipeline, 12)

    with pytest.raises(LeaseHeld, match=rf"is held by {records.here()}, which was alive 12 s ago"):
        await other.runs.begin(pipeline, other.next_holder())


async def test_the_history_shows_who_and_what(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Each run has its holder, its times, its state, its message and its summary, whatever characters these have."""
    killed = await bench.runs.begin(pipeline, bench.next_holder())
    run = await bench.runs.begin(pipeline, bench.next_holder())
    await bench.runs.end(run, Outcome("failed", "because of \0 and \ud800", {"reason": "\0 \ud800 ü", "rows": 2**60}))

    sql = """
        select state, message, summary, holder ->> 'host' as host, ended_at >= started_at as timed
        from penstock.runs where pipeline = $1 order by fence"""
    rows = await bench.ask(sql, pipeline.name)

    assert [(row["state"], row["host"], row["timed"]) for row in rows] == [
        ("interrupted", killed.holder.host, True),
        ("failed", run.holder.host, True),
    ]
    assert rows[1]["message"] == "because of \\0 and \\ud800"
    assert rows[1]["summary"] == '{"reason": "\\u0000 \\ud800 \\u00fc", "rows": 1152921504606846976}'


async def test_a_lease_that_was_lost_names_the_successor(bench: PostgresBench, other: PostgresBench, pipeline: Pipeline) -> None:
    """And where that has ended too, says that there was one."""
    old = await bench.runs.begin(pipeline, records.gone(0x7FFF))
    await other.fall_silent(pipeline, LONG_AGO_S)
    new = await other.runs.begin(pipeline, records.elsewhere())

    with pytest.raises(LeaseLost, match=r"taken over by process 4711 on elsewhere\.example"):
        await bench.runs.settle(old)
    await other.runs.end(new, Outcome("completed", ""))
    with pytest.raises(LeaseLost, match="taken over by another run, which has ended"):
        await bench.runs.freeze(old, records.scope(4))


async def test_a_pipeline_that_was_forgotten_is_lost(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Where somebody deletes the pipeline under a run, the run ends; nothing comes back."""
    run = await bench.runs.begin(pipeline, bench.next_holder())
    await bench.ask("delete from penstock.pipelines where name = $1", pipeline.name)

    with pytest.raises(LeaseLost):
        await bench.runs.beat(run)
    with pytest.raises(LeaseLost):
        await bench.runs.progress(run)
    with pytest.raises(LeaseLost):
        await bench.runs.save(run, records.block(0, 4), Receipt(4))

    assert await bench.ask("select from penstock.coverage where pipeline = $1", pipeline.name) == []
