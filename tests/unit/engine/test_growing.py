"""A source that grows is carried until no more comes; what it lets go of was settled, and read back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from penstock.engine.run import EngineSettings, Stalled
from penstock.engine.telemetry import Telemetry
from penstock.model.counts import Counts
from penstock.model.coverage import Interval, Span, missing
from penstock.model.errors import Transient
from penstock.ports.flow import Batch
from penstock.ports.source import Growing, Partition, Plan, Progress, Releasing, Scope
from penstock.testing import records
from penstock.testing.clock import clock, in_simulated_time
from tests.unit.engine.simulation import Bench, StepwiseCheckpoints, StepwiseSink, StepwiseSource, failing, stored, taking

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Trickle:
    """Records that come in portions: after so many seconds, so many. It takes note of what it may let go of, and when."""

    portions: list[tuple[float, int]]
    there: int = 0
    released: list[tuple[float, list[tuple[int, int]]]] = field(default_factory=list)
    failures: list[Transient] = field(default_factory=list)
    splitting: None = None
    schema: pa.Schema = records.SCHEMA

    @property
    def releasing(self) -> Releasing:
        """Itself."""
        return self

    @property
    def growing(self) -> Growing:
        """Itself."""
        return self

    @property
    def waiting(self) -> int:
        """All that is there."""
        return self.there

    async def grown(self, done: Progress) -> None:
        """Wait for the next portion where all of the last one is stored."""
        if sum(interval.counts.received for interval in done.coverage) == self.there and self.portions:
            delay_s, more = self.portions[0]
            await asyncio.sleep(delay_s)
            self.portions.pop(0)
            self.there += more

    async def plan(self, done: Progress) -> Plan:
        """All that is there."""
        scope = done.scope or records.scope(self.there)
        if not any(missing(done.coverage, scope.span)) and self.there > records.number(scope.span.end):
            scope = replace(scope, span=Span(scope.span.start, records.place(self.there)))
        scope = Scope(scope.span)
        spans = enumerate(missing(done.coverage, scope.span))
        return Plan(scope, tuple(Partition(number, span.start, span.end) for number, span in spans))

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """In one batch."""
        yield records.batch(records.number(partition.start), records.number(partition.end))

    async def release(self, done: Progress) -> None:
        """Take note."""
        if self.failures:
            raise self.failures.pop()
        self.released.append((clock(), records.covered(done)))


def bench(trickle: Trickle, **named: object) -> Bench:
    """A transfer of it."""
    return Bench(StepwiseSource(trickle), **named)  # type: ignore[arg-type]  # fields of the bench


@in_simulated_time
async def test_a_run_lasts_until_no_more_comes() -> None:
    """Each portion is carried when it has come, the stored stretch stays one, and the run ends behind the last one."""
    trickle = Trickle([(5, 3), (7, 4), (100, 2)])

    done = await bench(trickle).carry()

    assert records.covered(done) == [(0, 9)]
    assert [(round(at), covered) for at, covered in trickle.released] == [(5, [(0, 3)]), (12, [(0, 7)]), (112, [(0, 9)])]


@in_simulated_time
async def test_what_is_let_go_of_was_settled_and_read_back() -> None:
    """Written, acknowledged, even read back is not enough: settling comes first, and then another look."""
    trickle, sink = Trickle([(0, 3), (0, 3)]), StepwiseSink(settling=taking(4), writing=taking(2))
    checkpoints = StepwiseCheckpoints(reading_back=taking(1))

    await bench(trickle, sink=sink, checkpoints=checkpoints).carry()

    assert trickle.released == [(at + 1, covered) for at, covered in zip(sink.settled, [[(0, 3)], [(0, 6)]], strict=True)]


@in_simulated_time
async def test_what_the_store_forgot_is_not_let_go_of() -> None:
    """A store that forgets what it had settled is believed: coverage decides, not what was acknowledged."""
    trickle, checkpoints = Trickle([(0, 3), (0, 3)]), StepwiseCheckpoints()
    forgets = [{records.place(0): Interval(records.place(0), records.place(3), Counts(3, 3))}]

    async def forget() -> None:
        record = checkpoints.records["a pipeline"]
        if records.covered(record.progress) == [(0, 6)] and forgets:
            record.coverage = forgets.pop()

    checkpoints.reading_back = forget

    await bench(trickle, checkpoints=checkpoints).carry()

    assert [covered for _, covered in trickle.released] == [[(0, 3)], [(0, 3)], [(0, 6)]]


@in_simulated_time
async def test_nothing_is_let_go_of_after_a_failure() -> None:
    """A pass that broke off before it had settled lets go of nothing, though a part of it is stored."""
    trickle, sink = Trickle([(0, 3)]), StepwiseSink(settling=failing(Transient("cut"), None))

    await bench(trickle, sink=sink, unsettled_blocks=1).carry()

    assert [covered for _, covered in trickle.released] == [[(0, 3)]]
    assert len(sink.settled) >= 1


@in_simulated_time
async def test_a_failure_to_let_go_is_tried_again() -> None:
    """Nothing is lost and nothing twice when letting go fails; it comes with the next pass."""
    trickle = Trickle([(0, 3), (5, 3)], failures=[Transient("the disk")])
    transfer = bench(trickle)

    done = await transfer.carry()

    assert records.covered(done) == [(0, 6)]
    assert stored(transfer.sink) == list(range(6))
    assert [covered for _, covered in trickle.released] == [[(0, 6)]]


@in_simulated_time
async def test_quiet_is_no_stall() -> None:
    """However long nothing comes, the run waits; who looks is told so, and how much is there."""
    trickle = Trickle([(1, 3), (100_000, 3)])
    transfer = bench(trickle, telemetry=Telemetry(clock=clock))
    task = asyncio.ensure_future(transfer.carry())
    await asyncio.sleep(50_000)

    status = transfer.telemetry.status()

    assert (status.variant, status.rows_waiting) == ("waiting", 3)
    assert records.covered(await task) == [(0, 6)]


@in_simulated_time
async def test_a_store_that_hangs_is_a_stall_after_a_quiet_time() -> None:
    """The time in which nothing came does not count against the store, and what the store takes does."""
    trickle = Trickle([(850, 3)])
    transfer = bench(trickle, sink=StepwiseSink(writing=taking(10_000)), settings=EngineSettings(stall_s=900))

    with pytest.raises(Stalled):
        await transfer.carry()

    assert 850 + 900 <= clock() <= 850 + 1_800


@in_simulated_time
async def test_a_stop_ends_the_waiting() -> None:
    """A run that waits ends when it is asked to, with what is stored."""
    trickle = Trickle([(1, 3), (1_000, 3)])
    transfer = bench(trickle)
    task = asyncio.ensure_future(transfer.carry())
    await asyncio.sleep(10)

    transfer.stop.set()

    assert records.covered(await task) == [(0, 3)]
    assert clock() == 10
