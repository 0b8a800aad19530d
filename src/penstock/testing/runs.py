"""The guarantees of `Runs`, as tests: the lease, the frozen scope, the history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, get_args
from uuid import uuid4

import pytest

from penstock.model.coverage import Span
from penstock.ports.checkpoints import AnotherSource, LeaseHeld, LeaseLost, Outcome, Pipeline, PositionMoved, Run, Runs, RunState
from penstock.ports.source import Progress, Scope
from penstock.testing import records

COMPLETED = Outcome("completed", "all is well", {"rows": 3})
A_DAY_S = 86_400.0


class RunsBench(Protocol):
    """The runs to be tested, and what only their author can do with them."""

    @property
    def runs(self) -> Runs:
        """The object to be tested; another one over the same store after `crash`."""
        ...

    async def crash(self) -> None:
        """Kill the process: drop the object and whatever it holds open, then open the store anew."""
        ...

    async def fall_silent(self, pipeline: Pipeline, seconds: float) -> None:
        """Make it look as if the holder of the pipeline's lease had last been heard of so long ago."""
        ...

    async def history(self, pipeline: Pipeline) -> Mapping[int, str | None]:
        """The final state of each run, by its fence; None or anything that is no `RunState` for one that has none."""
        ...

    async def dead_letters(self, pipeline: Pipeline) -> list[bytes]:
        """The refused records, oldest first."""
        ...


class PipelineSuite:
    """What suites have that need a pipeline."""

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def pipeline(self) -> Pipeline:
        """A pipeline that nobody knows yet."""
        return Pipeline(f"conformance {uuid4().hex}", "the suite's records")


class RunsSuite(PipelineSuite):
    """Who may work on a pipeline."""

    @pytest.fixture
    def bench(self) -> RunsBench:
        """The bench of one test."""
        raise NotImplementedError

    async def test_a_new_pipeline_has_no_progress(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """Of a pipeline that never ran nothing is stored."""
        run = await bench.runs.begin(pipeline, records.here())

        assert await bench.runs.progress(run) == Progress()

    async def test_the_run_says_who_it_is(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A run carries its pipeline and its holder."""
        run = await bench.runs.begin(pipeline, records.here())

        assert (run.pipeline, run.holder) == (pipeline, records.here())

    async def test_a_living_holder_stays(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A second run is turned away with the name of the first, which goes on."""
        first = await bench.runs.begin(pipeline, records.here())

        with pytest.raises(LeaseHeld, match=str(records.here().pid)):
            await bench.runs.begin(pipeline, records.elsewhere())

        await bench.runs.beat(first)

    async def test_a_dead_holder_is_replaced_at_once(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A holder that died on this host does not keep anybody waiting."""
        first = await bench.runs.begin(pipeline, records.gone())
        await bench.crash()

        second = await bench.runs.begin(pipeline, records.here())

        assert second.fence > first.fence

    async def test_a_holder_out_of_sight_is_believed_while_it_beats(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A holder on another host stays as long as it was heard of lately."""
        first = await bench.runs.begin(pipeline, records.elsewhere())
        await bench.fall_silent(pipeline, A_DAY_S)
        await bench.runs.beat(first)

        with pytest.raises(LeaseHeld, match=r"elsewhere\.example"):
            await bench.runs.begin(pipeline, records.here())

    async def test_a_silent_holder_is_replaced(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A holder that has not been heard of for long is replaced, alive or not."""
        first = await bench.runs.begin(pipeline, records.elsewhere())
        await bench.fall_silent(pipeline, A_DAY_S)

        second = await bench.runs.begin(pipeline, records.here())

        assert second.fence > first.fence

    async def test_of_two_at_the_same_moment_one_begins(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """Two runs that begin together are one run and one `LeaseHeld`."""
        answers = await asyncio.gather(
            *(bench.runs.begin(pipeline, holder) for holder in (records.here(), records.elsewhere())), return_exceptions=True
        )

        assert [type(answer) for answer in answers if not isinstance(answer, Run)] == [LeaseHeld]

    async def test_a_run_that_was_replaced_has_lost_its_lease(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A run that wakes up behind its successor's back can neither beat, nor read, nor freeze, nor forget."""
        first = await bench.runs.begin(pipeline, records.gone())
        second = await bench.runs.begin(pipeline, records.here())

        with pytest.raises(LeaseLost):
            await bench.runs.beat(first)
        with pytest.raises(LeaseLost):
            await bench.runs.progress(first)
        with pytest.raises(LeaseLost):
            await bench.runs.freeze(first, records.scope(9))
        with pytest.raises(LeaseLost):
            await bench.runs.forget(first)

        assert await bench.runs.progress(second) == Progress()

    async def test_ending_gives_the_lease_back(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """After its end a run stands in nobody's way, and its fence is not given out again."""
        first = await bench.runs.begin(pipeline, records.here())
        await bench.runs.end(first, COMPLETED)

        second = await bench.runs.begin(pipeline, records.elsewhere())

        assert second.fence > first.fence

    async def test_ending_after_losing_the_lease_is_no_error(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A run that ends after it was replaced leaves the lease with its successor."""
        first = await bench.runs.begin(pipeline, records.gone())
        second = await bench.runs.begin(pipeline, records.here())

        await bench.runs.end(first, Outcome("failed", "replaced"))

        await bench.runs.beat(second)
        with pytest.raises(LeaseHeld):
            await bench.runs.begin(pipeline, records.elsewhere())

    async def test_the_history_tells_how_runs_ended(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """Each run has its own final state, and one that was killed has none."""
        killed = await bench.runs.begin(pipeline, records.gone())
        ended = await bench.runs.begin(pipeline, records.here())
        await bench.runs.end(ended, COMPLETED)
        await bench.crash()

        history = await bench.history(pipeline)

        assert history[ended.fence] == "completed"
        assert history[killed.fence] not in get_args(RunState)

    async def test_another_source_is_turned_away(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A pipeline that holds rows of one source takes none of another, and its own run goes on."""
        run = await bench.runs.begin(pipeline, records.here())

        with pytest.raises(AnotherSource):
            await bench.runs.begin(replace(pipeline, source="another source"), records.here())

        await bench.runs.beat(run)

    async def test_pipelines_do_not_touch_each_other(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A lease is for one name; other pipelines of the same source begin and keep their own scope."""
        run = await bench.runs.begin(pipeline, records.here())
        other = await bench.runs.begin(replace(pipeline, name=f"{pipeline.name}, other"), records.here())

        await bench.runs.freeze(other, records.scope(9))

        assert await bench.runs.progress(run) == Progress()

    async def test_a_scope_is_kept_as_it_was_frozen(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A frozen scope, with what the source stated and noted, is there for the next run."""
        scope = replace(records.scope(9), facts={"newest": 2**53, "server": "a name with ü"})
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, scope)
        await bench.crash()

        run = await bench.runs.begin(pipeline, records.here())

        assert await bench.runs.progress(run) == Progress(scope)

    async def test_a_scope_without_a_number_of_rows_is_kept(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """That the source stated no number of records is remembered as that."""
        scope = replace(records.scope(9), rows=None)
        run = await bench.runs.begin(pipeline, records.here())

        await bench.runs.freeze(run, scope)

        assert await bench.runs.progress(run) == Progress(scope)

    @pytest.mark.parametrize("span", [(2, 9), (2, 10), (1, 9), (0, 12)], ids=["the same", "further on", "from before", "both"])
    async def test_a_scope_widens(self, bench: RunsBench, pipeline: Pipeline, span: tuple[int, int]) -> None:
        """A scope that contains the frozen one takes its place, with its own rows and facts, and is there for the next run."""
        wider = Scope(Span(records.place(span[0]), records.place(span[1])), None, {"newest": 2})
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, Scope(Span(records.place(2), records.place(9)), 7, {"newest": 1}))

        await bench.runs.freeze(run, wider)
        await bench.crash()

        run = await bench.runs.begin(pipeline, records.here())
        assert await bench.runs.progress(run) == Progress(wider)

    @pytest.mark.parametrize(
        "other",
        [
            {"span": Span(records.place(0), records.place(8))},
            {"span": Span(records.place(1), records.place(12))},
            {"span": Span(replace(records.place(0), epoch="another"), replace(records.place(12), epoch="another"))},
        ],
        ids=["narrower", "moved on", "another epoch"],
    )
    async def test_a_scope_never_shrinks(self, bench: RunsBench, pipeline: Pipeline, other: Mapping[str, object]) -> None:
        """The same scope again is fine, one that leaves out a part of it is turned away, and the first stays."""
        run = await bench.runs.begin(pipeline, records.here())
        await bench.runs.freeze(run, records.scope(9))

        await bench.runs.freeze(run, records.scope(9))
        with pytest.raises(PositionMoved):
            await bench.runs.freeze(run, replace(records.scope(9), **other))  # type: ignore[arg-type]

        assert await bench.runs.progress(run) == Progress(records.scope(9))

    async def test_whoever_peeks_takes_nothing(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """What is stored can be looked at beside a run that goes on, and of a pipeline that never ran there is nothing."""
        before = await bench.runs.peek(pipeline)
        run = await bench.runs.begin(pipeline, records.here())
        await bench.runs.freeze(run, records.scope(9))

        seen = await bench.runs.peek(pipeline)

        await bench.runs.beat(run)
        assert (before, seen) == (Progress(), Progress(records.scope(9)))
        with pytest.raises(AnotherSource):
            await bench.runs.peek(replace(pipeline, source="another source"))

    async def test_what_is_forgotten_may_be_frozen_anew(self, bench: RunsBench, pipeline: Pipeline) -> None:
        """A pipeline that was forgotten has no scope and takes any; its run goes on and its history stays, also after a crash."""
        run = await bench.runs.begin(pipeline, records.gone())
        await bench.runs.freeze(run, records.scope(9))

        await bench.runs.forget(run)
        forgotten = await bench.runs.progress(run)
        await bench.runs.freeze(run, records.scope(4))
        await bench.runs.end(run, COMPLETED)
        await bench.crash()

        assert forgotten == Progress()
        assert await bench.history(pipeline) == {run.fence: "completed"}
        run = await bench.runs.begin(pipeline, records.here())
        assert await bench.runs.progress(run) == Progress(records.scope(4))
