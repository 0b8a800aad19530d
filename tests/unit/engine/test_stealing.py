"""Idle workers take from busy ones: nothing is lost or doubled by it, and nothing waits that could work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.run import EngineSettings
from penstock.engine.telemetry import Worker
from penstock.engine.workload import SourceOutOfStep
from penstock.model.errors import Transient
from penstock.ports.sink import BlockLimits, Transactional
from penstock.ports.source import Partition, Progress, Splittable
from penstock.testing import records
from penstock.testing.clock import in_simulated_time, simulated
from penstock.testing.destinations import total
from tests.contract.tied import TiedSource
from tests.unit.engine.simulation import Bench, StepwiseSink, StepwiseSource, at_once, failing, stored, taking


def source(rows: int, *, batch_rows: int = 1, partition_rows: int = 1_000) -> StepwiseSource:
    """Numbered records, of which a batch takes a second to read."""
    inner = records.source(rows, partition_rows=partition_rows, batch_rows=batch_rows)
    return StepwiseSource(inner, reading=taking(1), stealing=True)


def settings(workers: int) -> EngineSettings:
    """So many workers."""
    return EngineSettings(workers=workers, reconnect_first_s=0)


steps = st.sampled_from([at_once, taking(1), taking(5)])


@given(
    rows=st.integers(1, 120), partition_rows=st.integers(5, 130), batch_rows=st.integers(1, 7), workers=st.integers(1, 9), draw=st.data()
)
def test_everything_arrives_once(rows: int, partition_rows: int, batch_rows: int, workers: int, draw: st.DataObject) -> None:
    """However partitions are cut, and whichever writes fail on the way, every record is stored once and coverage is the scope."""
    inner = records.source(rows, partition_rows=partition_rows, batch_rows=batch_rows)
    reading, writing = draw.draw(steps, label="reading"), draw.draw(steps, label="writing")
    fails = failing(*draw.draw(st.lists(st.sampled_from([None, Transient()]), max_size=12), label="failures"))

    async def write() -> None:
        await writing()
        await fails()

    sink = StepwiseSink(writing=write, block=BlockLimits(rows=10))
    bench = Bench(StepwiseSource(inner, reading=reading, stealing=True), sink, settings(workers))

    done = simulated(bench.carry)

    assert sorted(bench.sink.inner.rows) == list(range(rows))  # type: ignore[type-var]
    assert records.numbers(done.coverage) == set(range(rows))
    assert total(done).received == total(done).stored + total(done).duplicate == rows


def test_a_long_partition_is_shared() -> None:
    """Four workers read one partition of eighty seconds in little more than a quarter of that."""
    bench = Bench(source(80), settings=settings(4))

    simulated(bench.carry)

    assert bench.sink.ended[-1][0] <= 24
    assert set(bench.telemetry.workers) == {0, 1, 2, 3}
    assert min(worker.rows for worker in bench.telemetry.workers.values()) >= 15


def test_stealing_changes_nothing_that_is_kept() -> None:
    """Coverage alone is stored: each piece is a stretch of its own, and they tile the scope."""
    bench = Bench(source(16), settings=settings(2))

    done = simulated(bench.carry)

    covered = records.covered(done)
    assert len(covered) > 1
    assert [0, *(end for _, end in covered)] == [*(start for start, _ in covered), 16]


def test_idle_workers_wait_for_something_worth_taking() -> None:
    """A worker that is refused a piece asks again after the next batch, and takes it then."""
    reluctant = Reluctant(source(20), refusals=3)
    bench = Bench(reluctant, settings=settings(2))

    simulated(bench.carry)

    assert reluctant.asked[:4] == [False, False, False, True]
    assert [bool(worker.rows) for worker in bench.telemetry.workers.values()] == [True, True]


def test_only_one_of_many_idle_workers_asks() -> None:
    """Thirty idle workers ask once for each batch, not thirty times."""
    reluctant = Reluctant(source(20), refusals=1_000)

    simulated(Bench(reluctant, settings=settings(31)).carry)

    assert len(reluctant.asked) <= 20 + 1


def test_idle_workers_leave_with_the_last_reader() -> None:
    """Where nothing is ever worth taking, the run ends with the partition that is being read."""
    bench = Bench(Reluctant(source(20), refusals=1_000), settings=settings(5))

    done = simulated(bench.carry)

    assert records.covered(done) == [(0, 20)]
    assert [worker.state for worker in bench.telemetry.workers.values()] == ["idle"]


def test_who_never_has_anything_is_not_shown() -> None:
    """Of forty workers only those appear that have read, so that displays and /status stay readable."""
    bench = Bench(source(6), settings=settings(40))

    simulated(bench.carry)

    assert 2 <= len(bench.telemetry.workers) <= 6
    assert all(worker.rows for worker in bench.telemetry.workers.values())


@in_simulated_time
async def test_who_has_nothing_after_a_reconnect_rests() -> None:
    """A worker that was reading when the store failed is shown idle while others carry the rest."""
    sink = StepwiseSink(writing=failing(None, Transient()))
    bench = Bench(source(4), sink, settings(2))
    bench.telemetry.workers[1] = Worker("reading", partition=7)

    await bench.carry()

    assert {worker.state for worker in bench.telemetry.workers.values()} == {"idle"}


def test_a_stop_reaches_idle_workers() -> None:
    """A stop ends the waiting for something to take."""
    bench = Bench(Reluctant(source(100), refusals=1_000), settings=settings(3))

    async def main() -> Progress:
        asyncio.get_running_loop().call_later(10.5, bench.stop.set)
        return await bench.carry()

    done = simulated(main)

    assert records.covered(done) == [(0, 10)]
    assert {worker.state for worker in bench.telemetry.workers.values()} == {"stopped"}


def test_blocks_that_are_replayed_are_not_split() -> None:
    """A block whose write was never confirmed is written again within its old bounds, however many workers are idle."""
    sink = StepwiseSink(delivery=Transactional(), writing=failing(None, Transient()), block=BlockLimits(rows=6))
    bench = Bench(source(40, batch_rows=3), sink, settings(4))

    simulated(bench.carry)

    again = [block.id for _, block in sink.begun if block.again]
    assert again
    assert set(again) <= {block.id for _, block in sink.begun if not block.again}
    assert sorted(stored(sink)) == list(range(40))  # type: ignore[type-var]


@pytest.mark.parametrize("workers", [1, 2, 7])
@in_simulated_time
async def test_another_number_of_workers_goes_on(workers: int) -> None:
    """What five workers stored stays when another number of workers goes on."""
    bench = Bench(source(60), settings=settings(5))
    asyncio.get_running_loop().call_later(6.5, bench.stop.set)
    before = await bench.carry()
    read_before = len(bench.source.batches)
    bench.stop.clear()
    bench.settings = settings(workers)

    await bench.carry()

    assert 0 < total(before).stored < 60
    assert len(bench.source.batches) - read_before == 60 - total(before).stored
    assert sorted(stored(bench.sink)) == list(range(60))  # type: ignore[type-var]


@in_simulated_time
async def test_orders_are_not_torn() -> None:
    """Pieces begin between two orders, also where most batches end inside one."""
    tied = TiedSource((1, 1, 1, 1, 1, 2, 5, 5, 5, 5, 9, 9, 12, 13, 13), partitions=1)
    bench = Bench(StepwiseSource(tied, reading=taking(1), stealing=True), settings=settings(3))

    done = await bench.carry()

    assert len(done.coverage) > 1
    assert sorted(stored(bench.sink)) == list(range(15))  # type: ignore[type-var]


CUTS = {
    "which nobody reads": Partition(9, records.place(3), records.place(7)),
    "that starts with its victim": Partition(9, records.place(0), records.place(10)),
    "that is empty": Partition(9, records.place(10), records.place(10)),
    "inside an order": Partition(9, records.place(5, b"inside"), records.place(10)),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@in_simulated_time
async def test_a_piece_is_of_what_is_being_read(cut: Partition) -> None:
    """A source that cuts off what nobody reads, or all of it, or nothing, or inside an order, is stopped."""
    with pytest.raises(SourceOutOfStep, match="cut off"):
        await Bench(Offering(source(10), cut), settings=settings(2)).carry()


@in_simulated_time
async def test_a_victim_that_reads_on_is_stopped() -> None:
    """A partition that goes on behind where it was cut stops the run before its batch is written."""
    deaf = Offering(source(10, batch_rows=4), Partition(9, records.place(6), records.place(10)))
    bench = Bench(deaf, settings=settings(2))

    with pytest.raises(SourceOutOfStep, match="a batch goes on to"):
        await bench.carry()

    assert all(block.id.upto.rank <= records.place(6).rank or block.id.strand == records.place(6) for _, block in bench.sink.begun)


@dataclass
class Reluctant(StepwiseSource):
    """A source that finds nothing worth taking the first times it is asked."""

    refusals: int = 0
    asked: list[bool] = field(default_factory=list)

    def __init__(self, eager: StepwiseSource, refusals: int) -> None:
        super().__init__(eager.inner, eager.planning, eager.reading, stealing=True)
        self.refusals, self.asked = refusals, []

    @property
    def splitting(self) -> Splittable:
        """Itself."""
        return self

    def split(self, running: Sequence[Partition]) -> Partition | None:
        """None, and then what the inner one says."""
        inner = self.inner.splitting
        assert inner is not None
        self.asked.append(len(self.asked) >= self.refusals)
        return inner.split(running) if self.asked[-1] else None


@dataclass
class Offering(StepwiseSource):
    """A source that offers one and the same piece once, and does not know of it."""

    cut: Partition | None = None

    def __init__(self, eager: StepwiseSource, cut: Partition) -> None:
        super().__init__(eager.inner, eager.planning, eager.reading)
        self.cut = cut

    @property
    def splitting(self) -> Splittable:
        """Itself."""
        return self

    def split(self, running: Sequence[Partition]) -> Partition | None:
        """The piece."""
        del running
        cut, self.cut = self.cut, None
        return cut
