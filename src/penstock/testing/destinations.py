"""The guarantees of `Destination`, as tests: rows and position become durable together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

import pytest

from penstock.engine.ledger import RefusalLimit
from penstock.engine.run import EngineSettings, Transfer
from penstock.engine.telemetry import Telemetry
from penstock.model.counts import Counts
from penstock.model.gaps import SHED, Gap, Loss
from penstock.ports.checkpoints import LeaseLost, Pipeline, PositionMoved, Run
from penstock.ports.flow import Block
from penstock.ports.sink import AtLeastOnce, Destination, Transactional, Writer
from penstock.ports.source import Progress
from penstock.testing import records
from penstock.testing.checkpoints import with_gaps
from penstock.testing.runs import PipelineSuite, RunsBench, RunsSuite

RECORDS = 40
BLOCKS = ((0, 9, 0), (20, 26, 20), (9, 14, 0), (26, 40, 20))
"""What `interrupted` writes: low, high and strand of each block."""
STEPS = 8
"""Opening, four writes, two times settling, and not even opening."""


class DestinationBench(RunsBench, Protocol):
    """The destination to be tested, and what only its author can do with it."""

    @property
    def runs(self) -> Destination:
        """The object to be tested; another one over the same store after `crash`."""
        ...

    async def stored(self) -> Sequence[int]:
        """The column `id` of all rows that a reader of the store finds at this moment, each as often as it stands there."""
        ...


class DeliverySuite(PipelineSuite):
    """Rows and positions, as one."""

    @pytest.fixture
    def bench(self) -> DestinationBench:
        """The bench of one test; its destination writes the columns `id` and `name` of `records.SCHEMA`."""
        raise NotImplementedError

    async def test_everything_arrives(self, bench: DestinationBench, pipeline: Pipeline) -> None:
        """A source carried to its end is stored whole, its refused records are dead letters, and the counts say so."""
        run = await bench.runs.begin(pipeline, records.here())

        done = await carried(bench.runs, run, refused=[3, 4])

        counts, dead = total(done), await bench.dead_letters(pipeline)
        stored = await bench.stored()
        assert (counts.received, counts.add_up, counts.repeated) == (RECORDS, True, 0)
        assert (len(stored), len(dead)) == (counts.stored, counts.refused)
        assert {b"row 3", b"row 4"} <= set(dead)

    @pytest.mark.parametrize("steps", range(STEPS))
    async def test_a_kill_after_any_step(self, bench: DestinationBench, pipeline: Pipeline, steps: int) -> None:
        """Wherever a run is killed, what coverage calls stored is stored, and the next run makes it whole as `delivery` says."""
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, records.scope(RECORDS))
        async with aclosing(interrupted(bench.runs, run)) as script:
            for _ in range(steps):
                await anext(script)
            await bench.crash()

        run = await bench.runs.begin(pipeline, records.here())
        done = await bench.runs.progress(run)

        await assert_kept(bench, done, pipeline)
        await assert_kept(bench, await carried(bench.runs, run), pipeline)

    async def test_settled_blocks_survive(self, bench: DestinationBench, pipeline: Pipeline) -> None:
        """What was written before `settle` returned is covered after a crash."""
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, records.scope(RECORDS))
        async with bench.runs.open(run, records.SCHEMA) as writer:
            for low, high, strand in BLOCKS:
                await writer.write(records.block(low, high, strand=strand))
            await writer.settle()
        await bench.crash()

        run = await bench.runs.begin(pipeline, records.here())

        assert records.covered(await bench.runs.progress(run)) == [(0, 14), (20, 40)]

    async def test_a_replaced_run_writes_nothing(self, bench: DestinationBench, pipeline: Pipeline) -> None:
        """A writer that wakes up behind its successor's back moves no position, and where the store has transactions stores no row."""
        first = await bench.runs.begin(pipeline, records.gone())
        async with bench.runs.open(first, records.SCHEMA) as writer:
            await write_and_settle(writer, records.block(0, 9))
            second = await bench.runs.begin(pipeline, records.here())
            with pytest.raises(LeaseLost):
                await write_and_settle(writer, records.block(9, 14, strand=0))

        assert records.covered(await bench.runs.progress(second)) == [(0, 9)]
        assert not (isinstance(bench.runs.delivery, Transactional) and set(await bench.stored()) - set(range(9)))

    async def test_a_block_out_of_place_is_turned_away(self, bench: DestinationBench, pipeline: Pipeline) -> None:
        """A block that does not start where its stretch ends moves no position, and where the store has transactions stores no row."""
        run = await bench.runs.begin(pipeline, records.here())
        async with bench.runs.open(run, records.SCHEMA) as writer:
            with pytest.raises(PositionMoved):
                await write_and_settle(writer, records.block(5, 9, strand=0))

        assert (await bench.runs.progress(run)).coverage == ()
        assert not (isinstance(bench.runs.delivery, Transactional) and await bench.stored())

    async def test_gaps_move_with_the_rows(self, bench: DestinationBench, pipeline: Pipeline) -> None:
        """What was lost on the way to a block is kept with its position, survives, and counts what was shed."""
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, records.scope(RECORDS))
        gaps = (Gap("reader failed", None, 1, 2), Gap(SHED, 4, 3, 3))
        blocks = [with_gaps(records.block(0, 9), *gaps), with_gaps(records.block(9, 14, strand=0), Gap("reader failed", 1, 5, 6))]
        async with bench.runs.open(run, records.SCHEMA) as writer:
            for block in blocks:
                await write_and_settle(writer, block)
        await bench.crash()

        run = await bench.runs.begin(pipeline, records.here())
        done = await bench.runs.progress(run)

        assert done.lost == (Loss("reader failed", 2, 1, 1, 1, 6), Loss(SHED, 1, 4, 0, 3, 3))
        assert (total(done).received, total(done).shed) == (18, 4)


class DestinationSuite(RunsSuite, DeliverySuite):
    """A store that keeps its own positions: leases and rows."""


async def write_and_settle(writer: Writer, block: Block) -> None:
    """Write a block until it is durable."""
    await writer.write(block)
    await writer.settle()


async def interrupted(destination: Destination, run: Run) -> AsyncGenerator[None, None]:
    """Open the destination and write its blocks, settling after every second one; a step at each yield."""
    async with destination.open(run, records.SCHEMA) as writer:
        yield
        for number, (low, high, strand) in enumerate(BLOCKS):
            await writer.write(records.block(low, high, strand=strand))
            yield
            if number % 2:
                await writer.settle()
                yield


async def carried(destination: Destination, run: Run, refused: Sequence[int] = ()) -> Progress:
    """Everything that is missing, brought by the engine."""
    source = records.source(RECORDS, partition_rows=15, batch_rows=4, refused=refused)
    settings = EngineSettings(reconnect_first_s=0, refusals=RefusalLimit(percent=100))
    return await Transfer(run, source, destination, settings, Telemetry(), asyncio.Event()).carry()


def total(done: Progress) -> Counts:
    """The counts of all that is stored."""
    return sum((interval.counts for interval in done.coverage), Counts())


async def assert_kept(bench: DestinationBench, done: Progress, pipeline: Pipeline) -> None:
    """Coverage and store agree, as far as `delivery` promises."""
    counts, dead, numbers = total(done), await bench.dead_letters(pipeline), records.numbers(done.coverage)
    copies = Counter(await bench.stored())
    stored = {number: often for number, often in copies.items() if number in numbers}

    assert counts.received == len(numbers)
    assert counts.add_up
    assert len(dead) == counts.refused
    assert len(stored) == counts.stored + counts.duplicate
    assert sum(stored.values()) - len(stored) <= (counts.repeated if isinstance(bench.runs.delivery, AtLeastOnce) else 0)
    assert not (isinstance(bench.runs.delivery, Transactional) and len(stored) < len(copies))
