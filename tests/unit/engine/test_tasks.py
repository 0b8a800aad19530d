"""A task from beginning to end, and the state it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from penstock.engine.checkpointed import _Checkpointed
from penstock.engine.lease import LeaseSettings
from penstock.engine.run import EngineSettings, Stalled
from penstock.engine.tasks import Task
from penstock.engine.telemetry import Telemetry
from penstock.model.errors import Fatal, Misconfigured, Transient
from penstock.ports.checkpoints import LeaseHeld, LeaseLost, Outcome, Run
from penstock.ports.source import Progress
from penstock.testing import records
from penstock.testing.clock import clock, simulated
from tests.unit.engine.simulation import PIPELINE, Bench, StepwiseCheckpoints, StepwiseSink, StepwiseSource, failing, taking

PROVEN = Outcome("completed with rejected rows", "one is missing", {"rows": 9})


@dataclass
class Office:
    """A task, the bench it works at, and what its conclusion was given."""

    bench: Bench = field(default_factory=lambda: Bench(StepwiseSource(records.source(10, batch_rows=1))))
    concluded: list[tuple[str, Progress]] = field(default_factory=list)
    conclusion: Outcome | Exception = PROVEN
    anew: Callable[[Progress], bool] = lambda _: False

    @property
    def history(self) -> dict[int, Outcome | None]:
        """How the runs ended."""
        return self.bench.checkpoints.records[PIPELINE.name].history

    async def perform(self) -> Outcome:
        """Run the task."""
        bench = self.bench
        settings = replace(bench.settings, workers=1, lease=LeaseSettings(beat_s=1e9))
        task = Task(PIPELINE, bench.source, bench.destination, settings, bench.telemetry, self._conclude, bench.stop, self.anew)
        return await task.perform()

    async def _conclude(self, done: Progress) -> Outcome:
        self.concluded.append((self.bench.telemetry.variant, done))
        if isinstance(self.conclusion, Exception):
            raise self.conclusion
        return self.conclusion


def test_what_was_carried_is_concluded() -> None:
    """The outcome is made of the settled coverage, kept in the history, and is the state that is shown."""
    office = Office()

    outcome = simulated(office.perform)

    assert outcome == PROVEN
    assert [(variant, records.covered(done)) for variant, done in office.concluded] == [("proving", [(0, 10)])]
    assert office.history == {1: PROVEN}
    assert (office.bench.telemetry.variant, office.bench.telemetry.message) == (PROVEN.state, PROVEN.message)


def test_a_run_that_begins_anew_publishes_what_is_complete_before_it_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were carried to their end and never shown are not lost to a run that begins from nothing; half of them are no table."""
    office, calls = Office(anew=lambda done: done.scope is not None), list[str]()

    async def publish(_: object, run: Run) -> None:
        calls.append(f"publish in run {run.fence}")

    async def forget(destination: _Checkpointed, run: Run) -> None:
        calls.append(f"forget in run {run.fence}")
        await destination.checkpoints.forget(run)

    monkeypatch.setattr(_Checkpointed, "publish", publish)
    monkeypatch.setattr(_Checkpointed, "forget", forget)
    simulated(office.perform)
    simulated(office.perform)
    record = office.bench.checkpoints.records[PIPELINE.name]
    record.coverage = {}
    simulated(office.perform)

    assert calls == [
        "publish in run 1",
        *("publish in run 2", "forget in run 2", "publish in run 2"),
        *("forget in run 3", "publish in run 3"),
    ]


def test_rows_are_published_before_they_are_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once all is stored and the writer is closed, readers get to see it; a failure of that is passing, and it is tried again."""
    office, published = Office(), list[tuple[int, int, int]]()

    async def publish(_: object, run: Run) -> None:
        published.append((run.fence, len(office.bench.sink.left_by), len(office.concluded)))
        if len(published) == 1:
            raise Transient("the store went away")

    monkeypatch.setattr(_Checkpointed, "publish", publish)

    assert simulated(office.perform) == PROVEN
    assert published == [(1, 1, 0), (1, 1, 0)]


def test_what_is_not_whole_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped leaves readers with what they had."""
    office, published = Office(Bench(replace(StepwiseSource(records.source(100, batch_rows=1)), reading=taking(1)))), list[Run]()

    async def publish(_: object, run: Run) -> None:
        published.append(run)

    async def main() -> Outcome:
        asyncio.get_running_loop().call_later(10.5, office.bench.stop.set)
        return await office.perform()

    monkeypatch.setattr(_Checkpointed, "publish", publish)

    assert simulated(main).state == "cancelled"
    assert published == []


def test_the_lease_is_given_back() -> None:
    """The next task of the same process begins at once, and finds nothing to do."""
    office = Office()

    async def twice() -> list[Outcome]:
        return [await office.perform(), await office.perform()]

    assert simulated(twice) == [PROVEN, PROVEN]
    assert len(office.bench.sink.left_by) == 1
    assert set(office.history) == {1, 2}


def test_a_stop_ends_as_cancelled() -> None:
    """What was read is stored, nothing is proven, and the history says that it was stopped."""
    slow = replace(StepwiseSource(records.source(100, batch_rows=1)), reading=taking(1))
    office = Office(Bench(slow))

    async def main() -> Outcome:
        asyncio.get_running_loop().call_later(10.5, office.bench.stop.set)
        return await office.perform()

    outcome = simulated(main)

    assert outcome.state == "cancelled"
    assert len(office.bench.sink.inner.rows) == len(office.bench.source.batches) == 10
    assert office.concluded == []
    assert office.history == {1: outcome}


def test_a_held_lease_is_the_end_before_the_beginning() -> None:
    """Another run at work: nothing is touched, and nothing is written into the history."""
    office = Office()

    async def main() -> None:
        await office.bench.checkpoints.begin(PIPELINE, records.here())
        await office.perform()

    with pytest.raises(LeaseHeld):
        simulated(main)

    assert office.history == {1: None}
    assert office.bench.telemetry.variant == "starting"


@pytest.mark.parametrize("failure", [Fatal("broken"), Misconfigured("wrong")])
def test_a_failure_is_in_the_history(failure: Exception) -> None:
    """What made a run fail is its final state, and is raised."""
    office = Office(Bench(StepwiseSource(records.source(10)), StepwiseSink(writing=failing(failure))))

    with pytest.raises(type(failure)):
        simulated(office.perform)

    assert office.history == {1: Outcome("failed", str(failure))}
    assert office.bench.telemetry.variant == "failed"


def test_an_exception_of_the_source_gives_the_lease_back() -> None:
    """A program that catches what its own rows raised, and runs again, finds no run of its own in the way."""
    office = Office(Bench(StepwiseSource(records.source(10)), StepwiseSink(writing=failing(RuntimeError("broken rows")))))

    with pytest.raises(RuntimeError, match="broken rows"):
        simulated(office.perform)

    assert office.history == {1: Outcome("failed", "RuntimeError: broken rows")}
    assert office.bench.checkpoints.records[PIPELINE.name].holder is None


def test_a_conclusion_is_asked_for_until_the_run_has_stalled() -> None:
    """A run that cannot be proven just now tries again, under the same limit as the carrying, and fails in the end."""
    office = Office(conclusion=Transient("no answer"))

    with pytest.raises(Stalled, match="no answer"):
        simulated(office.perform)

    assert [outcome and outcome.state for outcome in office.history.values()] == ["failed"]


def test_a_failed_conclusion_is_a_failure() -> None:
    """A run whose conclusion no further attempt can mend has carried everything and failed all the same."""
    office = Office(conclusion=Fatal("no proof"))

    with pytest.raises(Fatal):
        simulated(office.perform)

    assert office.history == {1: Outcome("failed", "The run cannot go on: no proof")}


def test_a_task_ends_even_where_its_end_cannot_be_written() -> None:
    """Where the store is gone at the end, the outcome stands, and the next run finds this one without an end."""
    office = Office(Bench(StepwiseSource(records.source(10)), checkpoints=StepwiseCheckpoints(ending=failing(Transient()))))

    assert simulated(office.perform) == PROVEN
    assert office.history == {1: None}


@pytest.mark.parametrize("ending", [Transient(), Fatal("the disk is full too")])
def test_the_first_failure_is_the_one_that_is_told(ending: Exception) -> None:
    """A store that fails once more, while the failure is being written down, does not hide it."""
    checkpoints = StepwiseCheckpoints(ending=failing(ending))
    office = Office(Bench(StepwiseSource(records.source(10)), StepwiseSink(writing=failing(Fatal("broken"))), checkpoints=checkpoints))

    with pytest.raises(Fatal, match="broken"):
        simulated(office.perform)


def test_a_task_that_was_replaced_says_so() -> None:
    """A lease that was lost ends the task as failed, and its successor keeps the lease."""
    bench = Bench(StepwiseSource(records.source(10)), StepwiseSink(writing=taking(10)))
    office = Office(bench)

    async def main() -> None:
        asyncio.get_running_loop().call_later(5, lambda: bench.checkpoints.records[PIPELINE.name].__setattr__("fence", 7))
        with pytest.raises(LeaseLost):
            await office.perform()

    simulated(main)

    assert bench.checkpoints.records[PIPELINE.name].holder == records.here()


def test_a_second_run_shows_what_was_there_before() -> None:
    """What earlier runs have stored is counted apart."""
    first = Office(
        Bench(StepwiseSource(records.source(10, partition_rows=5, batch_rows=1)), StepwiseSink(writing=failing(*[None] * 5, Fatal())))
    )
    first.bench.unsettled_blocks = 1

    async def main() -> None:
        with pytest.raises(Fatal):
            await first.perform()
        first.bench.telemetry = Telemetry(clock=clock)
        await first.perform()

    simulated(main)

    assert (first.bench.telemetry.before.stored, first.bench.telemetry.total.stored) == (5, 10)


def test_tasks_have_their_own_settings() -> None:
    """By default eight partitions are carried at once, and a quarter of an hour without progress is too long."""
    assert (EngineSettings().workers, EngineSettings().stall_s) == (8, 900)
