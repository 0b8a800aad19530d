"""How a run carries: two things at once, a bounded number of batches, to the end, or to a stop."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.ledger import CountsDoNotAddUp, RefusalLimit, TooManyRefused
from penstock.engine.run import EngineSettings
from penstock.model.errors import Fatal, Transient
from penstock.ports.flow import Receipt
from penstock.ports.sink import BlockLimits
from penstock.ports.source import Progress
from penstock.testing import records
from penstock.testing.clock import Deadlock, clock, simulated
from penstock.testing.destinations import total
from tests.unit.engine.simulation import Bench, StepwiseSink, StepwiseSource, failing, stored, taking

ONE_WORKER = EngineSettings(workers=1, reconnect_first_s=0)


def source(rows: int, *, batch_rows: int = 1, partition_rows: int = 1_000) -> StepwiseSource:
    """Numbered records."""
    return StepwiseSource(records.source(rows, partition_rows=partition_rows, batch_rows=batch_rows))


def test_everything_is_carried() -> None:
    """At the end all records are stored, once, and coverage is the scope."""
    bench = Bench(source(25, batch_rows=4, partition_rows=10))

    done = simulated(bench.carry)

    assert sorted(bench.sink.inner.rows) == list(range(25))  # type: ignore[type-var]
    assert records.covered(done) == [(0, 10), (10, 20), (20, 25)]
    assert total(done).stored == 25


def test_nothing_is_carried_twice() -> None:
    """A run over what is complete opens nothing and settles nothing."""
    bench = Bench(source(5))

    async def twice() -> list[Progress]:
        return [await bench.carry(), await bench.carry()]

    first, second = simulated(twice)

    assert first == second
    assert bench.sink.left_by == [None]


def test_reading_and_writing_overlap() -> None:
    """Ten batches of a second's reading and a second's writing take eleven seconds, not twenty."""
    bench = Bench(replace(source(10), reading=taking(1)), StepwiseSink(writing=taking(1)), ONE_WORKER)

    simulated(bench.carry)

    assert bench.sink.ended[-1][0] == 11


def test_partitions_are_carried_side_by_side() -> None:
    """Four workers take a quarter of the time, and no more partitions are open at once than there are workers."""
    slow = replace(source(80, partition_rows=10), reading=taking(1))
    bench = Bench(slow, settings=EngineSettings(workers=4))

    simulated(bench.carry)

    assert bench.sink.ended[-1][0] == 20
    assert set(bench.telemetry.workers) == {0, 1, 2, 3}


def test_no_more_workers_than_partitions() -> None:
    """A worker that would have nothing to do is not started."""
    bench = Bench(source(20, partition_rows=10), settings=EngineSettings(workers=8))

    simulated(bench.carry)

    assert set(bench.telemetry.workers) == {0, 1}


def test_the_sink_says_how_many_write_at_once() -> None:
    """Never are more writes open than the sink has room for."""
    sink = StepwiseSink(writing=taking(1), in_flight=2)

    simulated(Bench(source(50, partition_rows=10), sink).carry)

    moments = sorted([(at, 1) for at, _ in sink.begun] + [(at, -1) for at, _ in sink.ended])
    open_writes = [sum(change for _, change in moments[: number + 1]) for number in range(len(moments))]
    assert max(open_writes) == 2


@given(waiting=st.integers(1, 4), joined=st.integers(1, 5))
def test_memory_is_bounded(waiting: int, joined: int) -> None:
    """While one write hangs, the reader is at most `waiting_batches` and one in its hand ahead of it."""

    async def hang() -> None:
        if clock() >= 50:
            await asyncio.Event().wait()

    reading = replace(source(1_000), reading=taking(1))
    sink = StepwiseSink(writing=hang, block=BlockLimits(joined))
    bench = Bench(reading, sink, EngineSettings(workers=1, waiting_batches=waiting))

    async def main() -> None:
        async with asyncio.timeout(800):
            await bench.carry()

    with pytest.raises(TimeoutError):
        simulated(main)

    assert len(reading.batches) == sum(len(block.batches) for _, block in sink.begun) + waiting + 1


def test_batches_are_joined_while_they_wait() -> None:
    """A sink slower than its source gets blocks of as many rows as it wants, as far as they have been read."""
    sink = StepwiseSink(writing=taking(10), block=BlockLimits(rows=4))
    bench = Bench(source(100, batch_rows=2), sink, EngineSettings(workers=1, waiting_batches=6))

    simulated(bench.carry)

    assert [block.rows for _, block in sink.begun[1:-1]] == [4] * (len(sink.begun) - 2)


def test_a_stop_drains_what_was_read() -> None:
    """After a stop no further batch is asked for, and every batch that was read is stored before the run ends."""
    bench = Bench(replace(source(100), reading=taking(1)), StepwiseSink(writing=taking(3)), EngineSettings(workers=1, waiting_batches=5))

    async def main() -> Progress:
        asyncio.get_running_loop().call_later(20.5, bench.stop.set)
        return await bench.carry()

    done = simulated(main)

    assert bench.source.batches[-1][0] <= 20.5
    assert stored(bench.sink) == list(range(len(bench.source.batches)))
    assert records.covered(done) == [(0, len(bench.source.batches))]
    assert bench.source.closed == 1
    assert bench.sink.left_by == [None]


def test_a_stop_holds_a_source_that_never_waits() -> None:
    """A source that has the next batch at once is stopped too, though it never gives way."""
    bench = Bench(source(1_000), StepwiseSink(writing=taking(1)), ONE_WORKER)

    async def main() -> Progress:
        asyncio.get_running_loop().call_later(10.5, bench.stop.set)
        return await bench.carry()

    simulated(main)

    assert len(bench.sink.inner.rows) < 20


def test_a_stop_while_planning_ends_the_run() -> None:
    """A source that takes its time to plan is given up, and nothing was frozen."""
    bench = Bench(replace(source(10), planning=taking(1_000)))

    async def main() -> Progress:
        asyncio.get_running_loop().call_later(5, bench.stop.set)
        return await bench.carry()

    assert simulated(main) == Progress()


def test_a_stop_before_partitions_are_begun_leaves_them() -> None:
    """Workers that are done with a partition do not begin another one after a stop."""
    bench = Bench(replace(source(30, partition_rows=10), reading=taking(1)), settings=EngineSettings(workers=1))

    async def main() -> Progress:
        asyncio.get_running_loop().call_later(4.5, bench.stop.set)
        return await bench.carry()

    assert records.covered(simulated(main)) == [(0, 4)]
    assert bench.telemetry.workers[0].state == "stopped"


def test_a_failure_after_a_stop_ends_the_run() -> None:
    """Somebody waits for the end: what fails while draining is not tried again."""

    async def fail_later() -> None:
        await asyncio.sleep(3)
        if clock() > 5:
            raise Transient("gone")

    bench = Bench(replace(source(10), reading=taking(1)), StepwiseSink(writing=fail_later), ONE_WORKER)

    async def main() -> None:
        asyncio.get_running_loop().call_later(2.5, bench.stop.set)
        await bench.carry()

    with pytest.raises(Transient, match="gone"):
        simulated(main)


def test_a_failed_pass_abandons_its_writer() -> None:
    """The writer is left by the failure, not closed, and another one is opened."""
    bench = Bench(source(10), StepwiseSink(writing=failing(None, Transient("cut"))), ONE_WORKER)

    simulated(bench.carry)

    assert bench.sink.left_by == [Transient, None]
    assert stored(bench.sink) == list(range(10))


def test_each_pass_is_settled() -> None:
    """Coverage that is returned was settled before it was read back."""
    bench = Bench(source(10), StepwiseSink(settling=taking(7)), unsettled_blocks=100)

    done = simulated(bench.carry)

    assert bench.sink.settled == [7]
    assert records.covered(done) == [(0, 10)]


def test_a_receipt_that_does_not_add_up_ends_the_run() -> None:
    """Rows that a sink says nothing about are not recorded as stored."""
    bench = Bench(source(10), StepwiseSink(answer=lambda block: Receipt(block.rows - 1)))

    with pytest.raises(CountsDoNotAddUp):
        simulated(bench.carry)

    assert bench.checkpoints.records["a pipeline"].coverage == {}


def test_too_many_refused_records_end_the_run() -> None:
    """The share is judged at the end, however few records there were; what was stored stays."""
    bench = Bench(StepwiseSource(records.source(50, refused=[7])), settings=EngineSettings(refusals=RefusalLimit(percent=1)))

    with pytest.raises(TooManyRefused, match="1 of 50"):
        simulated(bench.carry)

    assert len(bench.sink.inner.rows) == 49


def test_a_stopped_run_is_not_judged() -> None:
    """A share of half the records says nothing about all of them."""
    bench = Bench(
        StepwiseSource(records.source(50, batch_rows=1, refused=[0]), reading=taking(1)),
        settings=EngineSettings(refusals=RefusalLimit(percent=2)),
    )

    async def main() -> Progress:
        asyncio.get_running_loop().call_later(5, bench.stop.set)
        return await bench.carry()

    assert total(simulated(main)).refused == 1


def test_a_deadlock_would_be_noticed() -> None:
    """The simulation fails where everybody waits for ever."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        simulated(main)


def test_a_defect_ends_the_run_at_once() -> None:
    """An exception that is no error of ours is neither tried again nor hidden."""
    bench = Bench(source(10), StepwiseSink(writing=failing(Fatal("broken"))))

    with pytest.raises(Fatal, match="broken"):
        simulated(bench.carry)

    assert bench.sink.left_by == [Fatal]
