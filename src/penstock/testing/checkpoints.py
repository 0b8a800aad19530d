"""The guarantees of `Checkpoints`, as tests: positions, counts, dead letters and intents move together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from penstock.model.counts import Counts
from penstock.model.coverage import Interval
from penstock.model.gaps import SHED, Gap, Loss
from penstock.ports.checkpoints import Checkpoints, LeaseLost, Pipeline, PositionMoved, Run
from penstock.ports.flow import Batch, Block, BlockId, Receipt, Verdict
from penstock.ports.source import Progress
from penstock.testing import records
from penstock.testing.runs import RunsBench, RunsSuite


class CheckpointsBench(RunsBench, Protocol):
    """The checkpoints to be tested, and what only their author can do with them."""

    @property
    def runs(self) -> Checkpoints:
        """The object to be tested; another one over the same store after `crash`."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """All that checkpoints keep of a pipeline."""

    progress: Progress
    dead: list[bytes]


async def kept(bench: CheckpointsBench, run: Run) -> Kept:
    """What is kept at this moment."""
    return Kept(await bench.runs.progress(run), await bench.dead_letters(run.pipeline))


def stored(block: Block) -> Receipt:
    """The receipt of a store that took every row."""
    return Receipt(block.rows)


def filtered(block: Block) -> Block:
    """The same block after a stage left two more records out."""
    first, *others = block.batches
    return replace(block, batches=(replace(first, filtered=2), *others))


def with_gaps(block: Block, *gaps: Gap) -> Block:
    """The same block, with what was lost on the way to it."""
    first, *others = block.batches
    return replace(block, batches=(replace(first, gaps=gaps), *others))


class CheckpointsSuite(RunsSuite):
    """Positions for stores that keep none themselves."""

    @pytest.fixture
    def bench(self) -> CheckpointsBench:
        """The bench of one test."""
        raise NotImplementedError

    async def test_saving_makes_the_stretch_longer(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """Blocks that follow each other are one stretch, and their counts add up."""
        run = await bench.runs.begin(pipeline, records.here())
        first, second = records.block(0, 6, refused=[2]), filtered(records.block(6, 10, strand=0))

        await bench.runs.save(run, first, Receipt(3, duplicate=2))
        await bench.runs.save(run, second, Receipt(2, refused=(Verdict(1, "no"),), repeated=2, unchanged=1))

        counts = Counts(received=12, stored=5, duplicate=2, refused=2, repeated=2, unchanged=1, filtered=2)
        assert (await bench.runs.progress(run)).coverage == (Interval(records.place(0), records.place(10), counts),)

    async def test_gaps_are_summed_by_their_causes(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """What was lost is kept with the position: one sum for each cause, over all stretches, with the earliest and the latest time."""
        run = await bench.runs.begin(pipeline, records.here())
        first = with_gaps(records.block(0, 6), Gap("reader failed", None, 30, 40), Gap(SHED, 3, 10, 20), Gap(SHED, 2, 15, 25))
        other = with_gaps(records.block(10, 12), Gap("reader failed", 7, 5, None), Gap("at no time", None))

        for block in (first, other):
            await bench.runs.save(run, block, stored(block))

        done = await bench.runs.progress(run)
        assert done.lost == (
            Loss("at no time", 1, 0, 1, None, None),
            Loss("reader failed", 2, 7, 1, 5, 40),
            Loss(SHED, 2, 5, 0, 10, 25),
        )
        assert sum((interval.counts for interval in done.coverage), Counts()) == Counts(received=13, stored=8, shed=5)

    async def test_what_was_saved_survives(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """The next run finds everything that was saved."""
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, records.scope(9))
        await bench.runs.save(run, with_gaps(records.block(0, 6, refused=[2]), Gap("reader failed")), Receipt(5))
        await bench.runs.intend(run, records.block(6, 9, strand=0).id)
        before = await kept(bench, run)
        await bench.crash()

        run = await bench.runs.begin(pipeline, records.here())

        assert await kept(bench, run) == before

    async def test_stretches_grow_apart(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """Each stretch has a position of its own, also where one ends at the start of another."""
        run = await bench.runs.begin(pipeline, records.here())

        for block in (records.block(10, 15), records.block(0, 4), records.block(15, 20, strand=10), records.block(4, 10, strand=0)):
            await bench.runs.save(run, block, stored(block))

        assert records.covered(await bench.runs.progress(run)) == [(0, 10), (10, 20)]

    async def test_a_position_inside_an_order_is_kept_whole(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """What a source needs to go on inside one order is part of the position, and of the comparison."""
        run = await bench.runs.begin(pipeline, records.here())
        whole, inside = records.block(0, 4), records.place(4, b"\0resume\xff")
        first = replace(whole, id=replace(whole.id, upto=inside))
        await bench.runs.save(run, first, stored(first))

        elsewhere = BlockId(first.id.strand, records.place(4, b"another"), records.place(8))
        with pytest.raises(PositionMoved):
            await bench.runs.save(run, replace(whole, id=elsewhere), stored(whole))

        assert [interval.upto for interval in (await bench.runs.progress(run)).coverage] == [inside]
        await bench.runs.save(run, replace(whole, id=replace(elsewhere, after=inside)), stored(whole))

    @pytest.mark.parametrize("low", [0, 4, 8], ids=["saved already", "in the middle of what is saved", "beyond"])
    async def test_only_the_next_block_is_saved(self, bench: CheckpointsBench, pipeline: Pipeline, low: int) -> None:
        """A block that does not start where its stretch ends changes nothing."""
        run = await bench.runs.begin(pipeline, records.here())
        await bench.runs.save(run, records.block(0, 6, refused=[2]), Receipt(5))
        wrong = records.block(low, 12, strand=0, refused=[11])
        await bench.runs.intend(run, wrong.id)
        before = await kept(bench, run)

        with pytest.raises(PositionMoved):
            await bench.runs.save(run, wrong, Receipt(wrong.rows))

        assert await kept(bench, run) == before

    async def test_a_stretch_begins_at_its_start(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """A block of a stretch of which nothing is saved has to be its first."""
        run = await bench.runs.begin(pipeline, records.here())
        block = records.block(4, 8, strand=0)

        with pytest.raises(PositionMoved):
            await bench.runs.save(run, block, stored(block))

        assert (await bench.runs.progress(run)).coverage == ()

    @pytest.mark.parametrize("strand", [0, 6], ids=["the next block of a stretch", "the first block of another"])
    async def test_a_run_that_was_replaced_changes_nothing(self, bench: CheckpointsBench, pipeline: Pipeline, strand: int) -> None:
        """A run that wakes up behind its successor's back can neither intend nor save."""
        first = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.save(first, records.block(0, 6), Receipt(6))
        second = await bench.runs.begin(pipeline, records.here())
        block, before = records.block(6, 12, strand=strand, refused=[7]), await kept(bench, second)

        with pytest.raises(LeaseLost):
            await bench.runs.intend(first, block.id)
        with pytest.raises(LeaseLost):
            await bench.runs.save(first, block, stored(block))

        assert await kept(bench, second) == before

    async def test_saving_is_all_or_nothing(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """Where a dead letter cannot be made, neither the others nor the position nor the intent have changed."""
        run = await bench.runs.begin(pipeline, records.here())
        block = with_gaps(records.block(0, 6, refused=[2]), Gap("reader failed"))
        await bench.runs.intend(run, block.id)
        before = await kept(bench, run)

        with pytest.raises(IndexError):
            await bench.runs.save(run, block, Receipt(4, refused=(Verdict(0, "no"), Verdict(99, "there is no such row"))))

        assert await kept(bench, run) == before

    async def test_dead_letters_are_kept_as_received(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """Refused records are kept byte for byte, whichever side refused them and whatever characters the reason has."""
        run = await bench.runs.begin(pipeline, records.here())
        block = records.block(0, 4, refused=[0, 3])
        block = replace(block, batches=(*block.batches[:2], odd(block)))

        await bench.runs.save(run, block, Receipt(1, refused=(Verdict(1, "a row \0 of \ud800 the store"),)))

        raw = b'{"id": 2, "name": "record 2"}'
        assert sorted(await bench.dead_letters(pipeline)) == sorted([b"record 0", b"\0\xff", raw])

    async def test_forgetting_leaves_nothing(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """Of a pipeline that was forgotten there are no positions, intents, losses or dead letters; it begins at its first record.

        Others keep theirs.
        """
        run = await bench.runs.begin(pipeline, records.here())
        other = await bench.runs.begin(replace(pipeline, name=f"{pipeline.name}, other"), records.here())
        for one in (run, other):
            await bench.runs.freeze(one, records.scope(9))
            await bench.runs.save(one, with_gaps(records.block(0, 6, refused=[2]), Gap("reader failed")), Receipt(5))
            await bench.runs.intend(one, records.block(6, 9, strand=0).id)
        untouched = await kept(bench, other)

        await bench.runs.forget(run)

        assert await kept(bench, run) == Kept(Progress(), [])
        assert await kept(bench, other) == untouched
        await bench.runs.save(run, records.block(0, 6), Receipt(6))

    async def test_a_run_that_was_replaced_forgets_nothing(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """A run that wakes up behind its successor's back takes none of its positions away."""
        first = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.save(first, records.block(0, 6, refused=[2]), Receipt(5))
        second = await bench.runs.begin(pipeline, records.here())
        before = await kept(bench, second)

        with pytest.raises(LeaseLost):
            await bench.runs.forget(first)

        assert await kept(bench, second) == before

    async def test_an_intent_stays_until_its_block_is_saved(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """Blocks whose write was begun are known until they are saved, each by its exact bounds."""
        run = await bench.runs.begin(pipeline, records.here())
        blocks = [records.block(0, 4), records.block(4, 8, strand=0), records.block(10, 12)]
        for block in blocks:
            await bench.runs.intend(run, block.id)

        await bench.runs.save(run, blocks[0], stored(blocks[0]))

        assert set((await bench.runs.progress(run)).intended) == {block.id for block in blocks[1:]}

    async def test_an_intent_tells_how_often_it_was_had(self, bench: CheckpointsBench, pipeline: Pipeline) -> None:
        """Intending answers how many writes of the block were begun before, by whichever run, and it stays one intent."""
        run = await bench.runs.begin(pipeline, records.gone())
        block = records.block(0, 4)
        earlier = [await bench.runs.intend(run, block.id), await bench.runs.intend(run, block.id)]
        await bench.crash()

        run = await bench.runs.begin(pipeline, records.here())
        earlier.append(await bench.runs.intend(run, block.id))

        assert earlier == [0, 1, 2]
        assert (await bench.runs.progress(run)).intended == (block.id,)


def odd(block: Block) -> Batch:
    """The last batch of a block, its refused record with bytes and words that no text column takes."""
    last = block.batches[-1]
    return replace(last, refused=(replace(last.refused[0], raw=b"\0\xff", reason="holds \0 and \ud800", origin="page \0"),))
