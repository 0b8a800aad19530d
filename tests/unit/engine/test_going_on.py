"""What a run does about failures: it waits, reads back what is stored, and goes on, until that lasts too long."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from penstock.engine.lease import LeaseSettings
from penstock.engine.run import EngineSettings, Stalled, StrayIntent
from penstock.engine.workload import SourceOutOfStep
from penstock.model.coverage import Interval
from penstock.model.errors import Fatal, Throttled, Transient
from penstock.ports.checkpoints import LeaseLost
from penstock.ports.flow import BlockId, Receipt
from penstock.ports.sink import AtLeastOnce, BlockLimits, Idempotent
from penstock.ports.source import Partition, Progress
from penstock.testing import records
from penstock.testing.clock import clock, in_simulated_time, simulated
from penstock.testing.destinations import total
from tests.contract.tied import TiedSource
from tests.unit.engine.simulation import PIPELINE, Bench, StepwiseCheckpoints, StepwiseSink, StepwiseSource, failing, taking

QUIET = LeaseSettings(beat_s=1e9)
"""No heartbeat, so that time passes in the steps that a test is about."""


def source(rows: int = 10) -> StepwiseSource:
    """Numbered records, a batch each."""
    return StepwiseSource(records.source(rows, batch_rows=1))


def settings(**changes: object) -> EngineSettings:
    """One worker, no heartbeat."""
    return replace(EngineSettings(workers=1, lease=QUIET), **changes)  # type: ignore[arg-type]


def test_pauses_grow_while_nothing_is_stored() -> None:
    """Failure after failure, the pauses double up to their cap."""
    bench = Bench(replace(source(), planning=failing(*[Transient("no answer")] * 8)), settings=settings())

    simulated(bench.carry)

    pauses = [round(after - before, 3) for before, after in pairwise(bench.source.planned)]
    assert pauses[:8] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert bench.telemetry.counters["reconnects_total"] == 8


def test_pauses_begin_anew_after_progress() -> None:
    """A failure after something was stored is a first failure again."""
    writing = failing(Transient(), Transient(), None, Transient(), Transient())
    bench = Bench(source(), StepwiseSink(writing=writing), settings(waiting_batches=1))

    simulated(bench.carry)

    begun = [at for at, _ in bench.sink.begun[:6]]
    assert [round(after - before, 3) for before, after in pairwise(begun)] == [0.2, 0.4, 0, 0.2, 0.4]


def test_being_throttled_is_obeyed() -> None:
    """Whoever asks for a delay gets exactly that, whatever the pauses were."""
    bench = Bench(replace(source(), planning=failing(Throttled(delay_s=42), Throttled(delay_s=0.5))), settings=settings())

    simulated(bench.carry)

    assert bench.source.planned[:3] == [0, 42, 42.5]


def test_a_stop_ends_a_pause() -> None:
    """Nobody waits for the end of a long delay after asking for a stop."""
    bench = Bench(replace(source(), planning=failing(Throttled(delay_s=500))), settings=settings())

    async def main() -> tuple[Progress, float]:
        asyncio.get_running_loop().call_later(3, bench.stop.set)
        return await bench.carry(), clock()

    assert simulated(main) == (Progress(), 3)


def test_a_run_that_stores_nothing_stalls() -> None:
    """Whatever it hangs on, after `stall_s` without progress the run is over, and says what it was doing."""
    bench = Bench(source(), StepwiseSink(writing=taking(1e6)), settings(stall_s=900))

    async def main() -> float:
        with pytest.raises(Stalled, match="for 900 s; the run was running, last: no error"):
            await bench.carry()
        return clock()

    assert simulated(main) == 900


def test_failing_again_and_again_stalls_too() -> None:
    """A store that cannot be reached for `stall_s` is named in the end."""
    bench = Bench(replace(source(), planning=failing(*[Transient("no answer")] * 1_000)), settings=settings(stall_s=60))

    async def main() -> float:
        with pytest.raises(Stalled, match="reconnecting, last: A passing failure: no answer"):
            await bench.carry()
        return clock()

    assert simulated(main) == 60


def test_progress_keeps_a_run_from_stalling() -> None:
    """A run may take for ever, as long as something is stored now and then."""
    bench = Bench(source(20), StepwiseSink(writing=taking(800)), settings(stall_s=900))

    assert records.covered(simulated(bench.carry)) == [(0, 20)]


def test_pages_that_are_read_before_storing_are_progress() -> None:
    """A source that has much to look at before it can plan is not taken for one that hangs."""
    bench = Bench(source(), settings=settings(stall_s=900))

    async def look_around() -> None:
        if len(bench.source.planned) == 1:
            for _ in range(4):
                await asyncio.sleep(800)
                bench.telemetry.counters.add("pages_received_total")

    bench.source.planning = look_around

    assert records.covered(simulated(bench.carry)) == [(0, 10)]


def test_pages_that_are_read_while_nothing_is_stored_are_none() -> None:
    """Where a write hangs, reading on does not keep the run from stalling."""

    async def hang() -> None:
        while True:
            await asyncio.sleep(10)
            bench.telemetry.counters.add("pages_received_total")

    bench = Bench(source(), StepwiseSink(writing=hang), settings(stall_s=900))

    with pytest.raises(Stalled):
        simulated(bench.carry)


def test_the_lease_is_renewed() -> None:
    """While a run lives, its lease is renewed every `beat_s`, whatever else it waits for."""
    bench = Bench(source(4), StepwiseSink(writing=taking(6)), EngineSettings(workers=1, lease=LeaseSettings(beat_s=5)))

    simulated(bench.carry)

    assert bench.checkpoints.beats == [5, 10, 15, 20]


def test_a_heartbeat_may_fail_in_passing() -> None:
    """That a beat cannot be stored just now does not end the run."""
    checkpoints = StepwiseCheckpoints(beating=failing(Transient(), None, Transient()))
    bench = Bench(source(4), StepwiseSink(writing=taking(6)), EngineSettings(workers=1), checkpoints=checkpoints)

    assert records.covered(simulated(bench.carry)) == [(0, 4)]
    assert bench.telemetry.counters["reconnects_total"] == 0


def test_a_lost_lease_ends_the_run_at_once() -> None:
    """The beat that finds another holder ends the run in the middle of a write."""
    checkpoints = StepwiseCheckpoints(beating=failing(None, LeaseLost("to another")))
    bench = Bench(source(4), StepwiseSink(writing=taking(1_000)), EngineSettings(workers=1), checkpoints=checkpoints)

    async def main() -> float:
        with pytest.raises(LeaseLost):
            await bench.carry()
        return clock()

    assert simulated(main) == 10
    assert bench.sink.left_by == [asyncio.CancelledError]


def test_a_fatal_failure_decides_beside_passing_ones() -> None:
    """Of two workers one of which fails in passing and one for good, the run ends for good."""
    failures = failing(Transient("passing"), Fatal("for good"))

    async def both_at_once() -> None:
        await asyncio.sleep(1)
        await failures()

    bench = Bench(StepwiseSource(records.source(20, partition_rows=10)), StepwiseSink(writing=both_at_once), EngineSettings(workers=2))

    with pytest.raises(Fatal, match="for good"):
        simulated(bench.carry)


@in_simulated_time
async def test_a_source_that_leaves_something_out_is_stopped() -> None:
    """A batch that does not start where the last one ended is not stored."""

    class Leaping(StepwiseSource):
        async def read(self, partition: Partition):  # type: ignore[no-untyped-def] # noqa: ANN202
            async for batch in super().read(partition):
                if records.number(batch.after) != 3:
                    yield batch

    bench = Bench(Leaping(records.source(10, batch_rows=1)), settings=settings())

    with pytest.raises(SourceOutOfStep, match="a batch starts at"):
        await bench.carry()

    assert max(bench.sink.inner.rows) <= 2  # type: ignore[type-var, operator]


@in_simulated_time
async def test_a_source_that_ends_early_is_stopped() -> None:
    """A reader that ends before its partition does is a defect, not the end."""

    class Short(StepwiseSource):
        async def read(self, partition: Partition):  # type: ignore[no-untyped-def] # noqa: ANN202
            async for batch in super().read(partition):
                if records.number(batch.after) == 3:
                    return
                yield batch

    bench = Bench(Short(records.source(10, batch_rows=1)), settings=settings())

    with pytest.raises(SourceOutOfStep, match="the source stopped at"):
        await bench.carry()


@in_simulated_time
async def test_a_new_stretch_begins_at_a_clean_boundary() -> None:
    """Coverage cannot begin inside an order, where positions do not rank: such a partition is not begun."""

    class Cutting(StepwiseSource):
        async def plan(self, done: Progress):  # type: ignore[no-untyped-def] # noqa: ANN202
            plan = await super().plan(done)
            inside = records.place(5, b"inside")
            return replace(plan, partitions=(Partition(0, inside, plan.partitions[0].end),))

    bench = Bench(Cutting(records.source(10, batch_rows=1)), settings=settings())

    with pytest.raises(SourceOutOfStep, match="inside an order"):
        await bench.carry()

    assert bench.sink.begun == []


@in_simulated_time
async def test_reading_goes_on_inside_an_order() -> None:
    """Where a stretch ends inside an order, the next run makes it longer from exactly there."""
    tied = TiedSource((1, 1, 1, 1, 1, 1, 2, 2), partitions=1, batch_rows=2)
    sink = StepwiseSink(writing=failing(None, None, Transient()))
    bench = Bench(StepwiseSource(tied), sink, settings(reconnect_first_s=0), unsettled_blocks=1)

    done = await bench.carry()

    assert [block.id.after.resume for _, block in bench.sink.begun] == [b"", b"1", b"3", b"3", b"5"]
    assert {block.id.strand for _, block in bench.sink.begun} == {records.place(1)}
    assert len(done.coverage) == 1


def intended_blocks(sink: StepwiseSink) -> list[tuple[int, int, bool]]:
    """What was written: first and last record, and whether it was marked as written again."""
    return [(records.number(block.id.after), records.number(block.id.upto), block.again) for _, block in sink.begun]


@pytest.mark.parametrize("delivery", [AtLeastOnce(), Idempotent((), 1e9)])
@in_simulated_time
async def test_unanswered_blocks_are_written_again_as_they_were(delivery: AtLeastOnce | Idempotent) -> None:
    """Where rows have no key, blocks that were begun come first, in exactly their old bounds, however the source cuts its batches now."""
    sink = StepwiseSink(delivery=delivery, block=BlockLimits(4))
    bench = Bench(StepwiseSource(records.source(12, batch_rows=3)), sink, settings(reconnect_first_s=0, waiting_batches=2))

    async def fail_at_the_third() -> None:
        if len(sink.begun) == 3:
            bench.source.inner = records.source(12, batch_rows=2)
            raise Transient

    sink.writing = fail_at_the_third

    done = await bench.carry()

    first, again = intended_blocks(sink)[:3], intended_blocks(sink)[3:6]
    assert again == [(low, high, True) for low, high, _ in first]
    assert not any(marked for _, _, marked in first)
    assert total(done).stored + total(done).duplicate == 12


@in_simulated_time
async def test_a_block_keeps_its_stretch_when_it_is_written_again() -> None:
    """A block that began a stretch begins it again, also where another stretch has meanwhile come to end there."""
    sink = StepwiseSink(delivery=Idempotent((), 1e9))
    bench = Bench(StepwiseSource(records.source(20, partition_rows=10, batch_rows=5)), sink, settings())
    run = await bench.destination.begin(PIPELINE, records.gone(100))
    await bench.checkpoints.freeze(run, replace(records.scope(20), rows=None))
    begun = BlockId(records.place(10), records.place(10), records.place(15))
    await bench.checkpoints.intend(run, begun)
    whole = records.block(0, 10)
    await bench.checkpoints.save(run, whole, Receipt(whole.rows))

    done = await bench.carry()

    assert sink.begun[0][1].id == begun
    assert records.covered(done) == [(0, 10), (10, 20)]
    assert total(done).received == 20


@in_simulated_time
async def test_an_intent_that_nothing_leads_to_is_a_defect() -> None:
    """A run does not go round and round over a block that it can neither write nor forget."""
    bench = Bench(source(), settings=settings())
    run = await bench.destination.begin(PIPELINE, records.gone(100))
    await bench.checkpoints.freeze(run, records.scope(10))
    await bench.checkpoints.intend(run, BlockId(records.place(0), records.place(5), records.place(7)))

    with pytest.raises(StrayIntent):
        await bench.carry()


@in_simulated_time
async def test_a_stop_leaves_a_block_that_was_not_read_whole() -> None:
    """A block has to be written again as a whole: where a stop comes before its end is read, it stays intended."""
    sink = StepwiseSink(delivery=AtLeastOnce())
    slow = replace(source(), reading=lambda: asyncio.sleep(0.01))
    bench = Bench(slow, sink, settings())
    run = await bench.destination.begin(PIPELINE, records.gone(100))
    await bench.checkpoints.freeze(run, replace(records.scope(10), rows=None))
    begun = BlockId(records.place(0), records.place(0), records.place(8))
    await bench.checkpoints.intend(run, begun)
    asyncio.get_running_loop().call_later(0.03, bench.stop.set)

    done = await bench.carry()

    assert sink.begun == []
    assert done.intended == (begun,)


def test_coverage_behind_the_receipts_is_gone_on_from() -> None:
    """A store that forgot what it acknowledged is asked, not believed: the run carries again what is missing and counts it once."""
    bench = Bench(source(), StepwiseSink(writing=failing(None, None, None, Transient())), settings(), unsettled_blocks=1)
    forgotten: list[Interval] = []

    async def forget() -> None:
        record = bench.checkpoints.records[PIPELINE.name]
        if len(bench.sink.begun) == 4 and not forgotten:
            forgotten.extend(record.coverage.values())
            record.coverage = {}
            bench.sink.inner.rows.clear()

    bench.checkpoints.reading_back = forget

    done = simulated(bench.carry)

    assert [interval.upto for interval in forgotten] == [records.place(3)]
    assert sorted(bench.sink.inner.rows) == list(range(10))  # type: ignore[type-var]
    assert total(done).stored == bench.telemetry.total.stored == 10
