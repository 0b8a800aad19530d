"""The guarantees of `Bookkeeping`, as tests: what runs have written can be looked up, and forgotten without harm."""

from __future__ import annotations

from typing import Protocol

import pytest

from penstock.ports.bookkeeping import Bookkeeping, Choice, NoSuchLetter, NoSuchPipeline, NothingChosen, State, chosen, letter, pipeline
from penstock.ports.checkpoints import LeaseHeld, LeaseLost, Outcome, Pipeline
from penstock.ports.flow import Block, BlockId, Receipt, Verdict
from penstock.testing import records
from penstock.testing.checkpoints import CheckpointsBench
from penstock.testing.runs import PipelineSuite


class BookkeepingBench(CheckpointsBench, Protocol):
    """The books to be tested, and the checkpoints that write in them."""

    @property
    def books(self) -> Bookkeeping:
        """The object to be tested."""
        ...


class BookkeepingSuite(PipelineSuite):
    """What is known of a pipeline, and of its dead letters."""

    @pytest.fixture
    def bench(self) -> BookkeepingBench:
        """The bench of one test."""
        raise NotImplementedError

    @pytest.fixture
    async def state(self, bench: BookkeepingBench, pipeline: Pipeline) -> State:
        """A pipeline of which half of the scope is stored, and two records were refused."""
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, records.scope(12))
        await bench.runs.save(run, records.block(0, 6, refused=[2]), Receipt(4, refused=(Verdict(4, "no"),)))
        await bench.runs.end(run, Outcome("failed", "stopped"))
        return await _pipeline(bench, pipeline)

    async def test_what_is_stored_and_what_is_missing(self, bench: BookkeepingBench, pipeline: Pipeline, state: State) -> None:
        """Source, counts, gaps, dead letters and the last runs of a pipeline, alone and among all."""
        assert (state.name, state.source, state.table, state.file) == (pipeline.name, pipeline.source, None, None)
        assert (state.sums.stored, state.sums.refused, state.gaps, state.dead_letters, state.cleared) == (4, 2, 1, 2, 0)
        assert [(run.state, run.message) for run in state.runs] == [("failed", "stopped")]
        assert all(run.ended is not None and run.began <= run.ended for run in state.runs)
        assert (state.lease, state.holder) == ("free", None)
        assert pipeline.name in {one.name for one in await bench.books.pipelines()}

    async def test_the_last_runs_are_shown(self, bench: BookkeepingBench, pipeline: Pipeline) -> None:
        """Five of them, the newest first."""
        runs = [await bench.runs.begin(pipeline, records.gone(number)) for number in range(1, 8)]

        state = await _pipeline(bench, pipeline)

        assert [run.number for run in state.runs] == [run.fence for run in runs[:1:-1]]
        assert [run.state for run in state.runs] == ["running", *["interrupted"] * 4]

    async def test_a_pipeline_that_has_not_planned(self, bench: BookkeepingBench, pipeline: Pipeline) -> None:
        """A pipeline that has just begun has no scope, and its holder is at work."""
        await bench.runs.begin(pipeline, records.elsewhere())

        state = await _pipeline(bench, pipeline)

        assert (state.gaps, state.table, state.lease, state.holder) == (None, None, "held", records.elsewhere())
        assert [(run.state, run.ended) for run in state.runs] == [("running", None)]

    async def test_of_no_pipeline_nothing_is_known(self, bench: BookkeepingBench) -> None:
        """A name that the books do not have is a mistake, and the hint says how to find the right one."""
        with pytest.raises(NoSuchPipeline, match="nobody") as caught:
            await pipeline(bench.books, "nobody")

        assert (caught.value.exit_code, "state list" in caught.value.hint) == (2, True)

    async def test_letters_are_shown_as_they_were_received(self, bench: BookkeepingBench, pipeline: Pipeline, state: State) -> None:
        """The newest first, as many as are asked for, with run, reason and origin; also one alone."""
        both = await bench.books.latest(Choice(pipeline.name), 20)
        newest = await bench.books.latest(Choice(pipeline.name), 1)

        assert {one.raw for one in both} == {b"record 2", records.block(0, 6, refused=[2]).raw(4)}
        assert [one.id for one in both] == sorted((one.id for one in both), reverse=True)
        assert newest == both[:1] == [await letter(bench.books, Choice(pipeline.name, numbers=[both[0].id]))]
        assert {(one.pipeline, one.run, one.reason, one.origin) for one in both} == {
            (pipeline.name, state.runs[0].number, "refused by the source", "suite"),
            (pipeline.name, state.runs[0].number, "no", "store"),
        }
        assert all(state.runs[0].began <= one.refused_at for one in both)

    async def test_which_letters_are_meant(self, bench: BookkeepingBench, pipeline: Pipeline, state: State) -> None:
        """Pipeline, reason and numbers narrow the choice; numbers that are none, and a choice that nothing fits, are mistakes."""
        books, ids = bench.books, [one.id for one in await bench.books.latest(Choice(state.name), 20)]

        assert await chosen(books, Choice(state.name)) == [(state.name, "no", 1), (state.name, "refused by the source", 1)]
        assert await chosen(books, Choice(state.name, "no", ids)) == [(state.name, "no", 1)]
        with pytest.raises(NoSuchLetter, match=rf"^[^:]+: 0, {2**70}$"):
            await chosen(books, Choice(numbers=[ids[0], 0, 2**70]))
        with pytest.raises(NoSuchLetter, match=str(2**70)):
            await letter(books, Choice(pipeline.name, numbers=[2**70]))
        with pytest.raises(NothingChosen):
            await chosen(books, Choice(pipeline.name, "another reason"))

    async def test_letters_that_are_cleared_still_count(self, bench: BookkeepingBench, pipeline: Pipeline, state: State) -> None:
        """Those that are meant are deleted and nothing else; the counts go on saying that they were refused."""
        cleared = await bench.books.clear(Choice(pipeline.name, "no"))

        after = await _pipeline(bench, pipeline)
        assert (cleared, await bench.dead_letters(pipeline)) == (1, [b"record 2"])
        assert (after.dead_letters, after.cleared, after.sums) == (1, 1, state.sums)
        assert await bench.books.clear(Choice(pipeline.name, "no")) == 0

    async def test_a_letter_may_stand_for_several_records(self, bench: BookkeepingBench, pipeline: Pipeline) -> None:
        """It is kept once, and counted as many times as there are records, also when it is cleared."""
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, records.scope(8))
        batch = records.in_one_letter(records.batch(0, 8, [1, 4, 5]))
        await bench.runs.save(run, Block(BlockId(batch.after, batch.after, batch.upto), (batch,)), Receipt(5))

        state, counts = await _pipeline(bench, pipeline), await bench.books.count(Choice(pipeline.name))
        kept = await letter(bench.books, Choice(pipeline.name))
        cleared = await bench.books.clear(Choice(pipeline.name))
        after = await _pipeline(bench, pipeline)

        assert (state.sums.received, state.sums.refused, state.dead_letters, state.cleared) == (8, 3, 3, 0)
        assert counts == [(pipeline.name, "refused by the source", 3)]
        assert (kept.raw, kept.records) == (b"record 1", 3)
        assert (cleared, after.dead_letters, after.cleared) == (1, 0, 3)

    async def test_a_pipeline_that_was_forgotten(self, bench: BookkeepingBench, pipeline: Pipeline, state: State) -> None:
        """Nothing of it is left, letters and history included."""
        other = Pipeline(f"{pipeline.name} beside", pipeline.source)
        await bench.runs.begin(other, records.gone())

        await bench.books.reset(state, drop_table=False)

        assert await bench.books.pipelines(pipeline.name) == []
        assert await bench.history(pipeline) == {}
        assert await bench.dead_letters(pipeline) == []
        assert await bench.books.pipelines(other.name) != []

    async def test_a_pipeline_at_work_is_not_forgotten(self, bench: BookkeepingBench, pipeline: Pipeline, state: State) -> None:
        """While a run shows that it is alive, nothing is forgotten: the answer names its holder."""
        await bench.runs.begin(pipeline, records.elsewhere())

        with pytest.raises(LeaseHeld, match="elsewhere"):
            await bench.books.reset(state, drop_table=False)

        assert (await _pipeline(bench, pipeline)).sums == state.sums

    async def test_a_run_from_before_writes_nothing(self, bench: BookkeepingBench, pipeline: Pipeline) -> None:
        """A run that slept while its pipeline was forgotten and begun anew has lost its lease: no fence is given out twice."""
        sleeping = await bench.runs.begin(pipeline, records.gone(900))
        await bench.books.reset(await _pipeline(bench, pipeline), drop_table=False)
        await bench.runs.begin(pipeline, records.gone(901))

        with pytest.raises(LeaseLost):
            await bench.runs.save(sleeping, records.block(0, 6), Receipt(6))

        assert (await _pipeline(bench, pipeline)).sums.received == 0


async def _pipeline(bench: BookkeepingBench, known: Pipeline) -> State:
    return await pipeline(bench.books, known.name)
