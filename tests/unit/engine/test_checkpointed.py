"""Positions that follow a sink's own durability, and verdicts that come late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from penstock.engine.checkpointed import checkpointed
from penstock.engine.ledger import CountsDoNotAddUp
from penstock.model.counts import Counts
from penstock.model.errors import Transient
from penstock.ports.checkpoints import Run
from penstock.ports.flow import Block, BlockId, Receipt, Settled, Verdict
from penstock.ports.sink import AtLeastOnce, BlockLimits, Delivery, Destination, Idempotent, Transactional, Writer
from penstock.ports.source import Progress
from penstock.testing import records
from penstock.testing.clock import simulated
from penstock.testing.destinations import total
from tests.unit.engine.simulation import PIPELINE, StepwiseCheckpoints, StepwiseSink, at_once, failing, taking

FIRST, SECOND, THIRD = records.block(0, 4), records.block(4, 8, strand=0), records.block(8, 12, strand=0)
KEYED, BLOCKWISE = Idempotent(("id",), 1e9), Idempotent((), 1e9)


@dataclass
class Pair:
    """A sink and checkpoints, joined, and a run that has a writer open."""

    sink: StepwiseSink = field(default_factory=StepwiseSink)
    checkpoints: StepwiseCheckpoints = field(default_factory=StepwiseCheckpoints)
    unsettled_blocks: int = 8

    @property
    def destination(self) -> Destination:
        """Joined."""
        return checkpointed(self.sink, self.checkpoints, unsettled_blocks=self.unsettled_blocks)

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[tuple[Run, Writer]]:
        """Open."""
        run = await self.destination.begin(PIPELINE, records.here())
        async with self.destination.open(run, records.SCHEMA) as writer:
            yield run, writer

    async def written(self, *blocks: Block) -> Progress:
        """What is stored after writing and settling."""
        async with self.writer() as (run, writer):
            for block in blocks:
                await writer.write(block)
            await writer.settle()
            return await self.destination.progress(run)

    @property
    def saved(self) -> list[tuple[int, int]]:
        """The stretches whose position is saved."""
        return records.covered(Progress(None, tuple(self.checkpoints.records[PIPELINE.name].coverage.values())))

    @property
    def intended(self) -> list[BlockId]:
        """The blocks whose write was begun and not saved."""
        return list(self.checkpoints.records[PIPELINE.name].intended)


def late(block: Block, *rows: int) -> Settled:
    """Verdicts on rows of a block."""
    return Settled(block.id, tuple(Verdict(row, "too late") for row in rows))


def test_it_wants_what_the_sink_wants() -> None:
    """Delivery and limits are the sink's."""
    destination = Pair(StepwiseSink(delivery=BLOCKWISE, block=BlockLimits(7), in_flight=3)).destination

    assert (destination.delivery, destination.block, destination.in_flight) == (BLOCKWISE, BlockLimits(7), 3)


async def test_positions_wait_for_the_sink() -> None:
    """A block is saved when it is settled, not when it is acknowledged."""
    pair = Pair()

    async with pair.writer() as (_, writer):
        await writer.write(FIRST)
        await writer.write(SECOND)
        before = pair.saved
        await writer.settle()

        assert (before, pair.saved) == ([], [(0, 8)])


async def test_only_so_many_blocks_wait() -> None:
    """With `unsettled_blocks` acknowledged, the sink is settled without being asked."""
    pair = Pair(unsettled_blocks=2)

    async with pair.writer() as (_, writer):
        for block, saved in ((FIRST, []), (SECOND, [(0, 8)]), (THIRD, [(0, 8)])):
            await writer.write(block)

            assert pair.saved == saved


@pytest.mark.parametrize(("delivery", "intends"), [(KEYED, False), (BLOCKWISE, True), (AtLeastOnce(), True), (Transactional(), True)])
async def test_what_has_no_key_is_intended_first(delivery: Delivery, intends: bool) -> None:  # noqa: FBT001 - what is expected
    """Unless rows have a key, a block's bounds are durable before its write begins, and forgotten when it is saved."""
    pair = Pair(StepwiseSink(delivery=delivery))
    seen: list[list[BlockId]] = []

    async def look() -> None:
        seen.append(pair.intended)

    pair.sink.writing = look
    await pair.written(FIRST)

    assert seen == [[FIRST.id] if intends else []]
    assert pair.intended == []


@pytest.mark.parametrize(("delivery", "repeated"), [(AtLeastOnce(), 6), (BLOCKWISE, 0), (KEYED, 0)])
async def test_what_may_stand_there_again_is_counted(delivery: Delivery, repeated: int) -> None:
    """Each write of a block that was never answered may have stored all its rows: after two, three rows are counted six times."""
    answered = Receipt(3, refused=(Verdict(3, "no"),))
    pair = Pair(StepwiseSink(delivery=delivery, writing=failing(Transient(), Transient()), answer=lambda _: answered))
    for _ in range(2):
        with pytest.raises(Transient):
            await pair.written(FIRST)
        pair.checkpoints.records[PIPELINE.name].holder = None

    assert total(await pair.written(FIRST)) == Counts(received=4, stored=3, refused=1, repeated=repeated)


async def test_late_verdicts_become_dead_letters() -> None:
    """Rows that are turned away when they are settled are not counted as stored, and are kept with their reason."""
    pair = Pair(StepwiseSink(verdicts=[[late(SECOND, 0, 3)]]))

    done = await pair.written(FIRST, SECOND)

    assert total(done) == Counts(received=8, stored=6, refused=2)
    assert [letter.raw for letter in pair.checkpoints.records[PIPELINE.name].dead] == [SECOND.raw(0), SECOND.raw(3)]


async def test_late_verdicts_add_to_early_ones() -> None:
    """What a receipt had refused stays refused, and several late verdicts on one block are all kept."""
    early = (Verdict(1, "at once"),)
    pair = Pair(StepwiseSink(verdicts=[[late(FIRST, 0), late(FIRST, 3)]], answer=lambda block: Receipt(block.rows - 1, refused=early)))

    done = await pair.written(FIRST)

    assert total(done) == Counts(received=4, stored=1, refused=3)


async def test_late_verdicts_reduce_what_may_stand_there_again() -> None:
    """A row that is turned away in the end was turned away each time."""
    pair = Pair(StepwiseSink(delivery=AtLeastOnce(), writing=failing(Transient()), verdicts=[[late(FIRST, 0)]]))
    with pytest.raises(Transient):
        await pair.written(FIRST)
    pair.checkpoints.records[PIPELINE.name].holder = None

    assert total(await pair.written(FIRST)) == Counts(received=4, stored=3, refused=1, repeated=3)


def test_verdicts_on_a_write_that_is_not_answered_yet_wait_for_it() -> None:
    """Settling speaks of what the sink has, which may be more than it has acknowledged: such verdicts count when that block is settled."""
    other = records.block(20, 24)
    writing = iter([at_once, taking(5)])
    pair = Pair(StepwiseSink(verdicts=[[late(other, 2)], []]))

    async def one_slow() -> None:
        await next(writing)()

    async def main() -> tuple[list[tuple[int, int]], Progress]:
        pair.sink.writing = one_slow
        async with pair.writer() as (run, writer):
            await writer.write(FIRST)
            slow = asyncio.create_task(writer.write(other))
            await asyncio.sleep(1)
            await writer.settle()
            between = pair.saved
            await slow
            await writer.settle()
            return between, await pair.destination.progress(run)

    between, done = simulated(main)

    assert between == [(0, 4)]
    assert [interval.counts for interval in done.coverage] == [Counts(received=4, stored=4), Counts(received=4, stored=3, refused=1)]


@pytest.mark.parametrize(
    "verdicts",
    [late(THIRD, 0), late(FIRST, 4), Settled(FIRST.id, (Verdict(1, "once"), Verdict(1, "twice"))), late(FIRST, 0, 1, 2, 3, 4)],
    ids=["on a block never written", "on no row", "twice on a row", "on more rows than there are"],
)
async def test_verdicts_that_make_no_sense_are_a_defect(verdicts: Settled) -> None:
    """A late verdict that cannot be turned into a dead letter ends the run; its block is not saved."""
    pair = Pair(StepwiseSink(verdicts=[[verdicts]]))

    with pytest.raises(CountsDoNotAddUp):
        await pair.written(FIRST)

    assert pair.saved == []


async def test_verdicts_on_a_block_that_was_saved_are_a_defect() -> None:
    """Settled is settled: the row was counted as stored, and that cannot be taken back."""
    pair = Pair(StepwiseSink(verdicts=[[], [late(FIRST, 0)]]))

    async with pair.writer() as (_, writer):
        await writer.write(FIRST)
        await writer.settle()
        with pytest.raises(CountsDoNotAddUp):
            await writer.settle()


async def test_a_receipt_that_does_not_add_up_is_not_saved() -> None:
    """Nothing of such a block is recorded, not even where its acknowledgement makes the sink settle."""
    pair = Pair(StepwiseSink(answer=lambda block: Receipt(block.rows + 1)), unsettled_blocks=1)

    with pytest.raises(CountsDoNotAddUp):
        await pair.written(FIRST)

    assert pair.saved == []


@pytest.mark.parametrize(
    "pair",
    [Pair(StepwiseSink(settling=failing(Transient()))), Pair(checkpoints=StepwiseCheckpoints(saving=failing(Transient())))],
    ids=["by the sink", "by the checkpoints"],
)
async def test_after_a_settling_without_an_answer_nothing_is_saved(pair: Pair) -> None:
    """Verdicts may have been lost with the answer, on blocks of other workers too: the next pass carries them again."""
    async with pair.writer() as (_, writer):
        await writer.write(FIRST)
        with pytest.raises(Transient):
            await writer.settle()
        await writer.write(records.block(20, 24))
        with pytest.raises(Transient, match="an earlier settling"):
            await writer.settle()

    assert pair.saved == []
