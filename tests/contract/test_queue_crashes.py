"""A log that is appended to, read and let go of, driven into every kind of destination through cut links, kills, stops and crashes.

What was let go of too early is gone when it is needed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import uuid4

import pytest

from penstock.engine.run import Transfer
from penstock.engine.worker import Errand
from penstock.model.coverage import Interval
from penstock.ports.checkpoints import Pipeline
from penstock.ports.source import Progress
from penstock.queue.log import Place
from penstock.queue.memory import MemoryLog
from tests.contract.asynchronous import AsynchronousBench
from tests.contract.benches import CheckpointedBench, MemoryBench, PostgresBench, PostgresDestinationBench
from tests.contract.sabotage import Fate
from tests.contract.test_crashes import STORES, TAKE_ALL, draws, ends_badly, no_number, sail, sail_checkpointed
from tests.contract.trickling import trickling


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline that nobody knows yet."""
    return Pipeline(f"voyage {uuid4().hex}", "drawn records")


@pytest.mark.parametrize("kind", STORES)
async def test_hostile_sinks(kind: str, pipeline: Pipeline, seed: int, scale: int) -> None:
    """What waits in a log arrives as `delivery` promises, whatever happens between sink and checkpoints."""
    for number in range(30 * scale):
        with draws("queue", kind, seed, number) as random:
            cargo = trickling(random, no_number if kind in TAKE_ALL else ends_badly)
            bench = CheckpointedBench(MemoryBench(), STORES[kind](random))

            await sail_checkpointed(bench, cargo, Fate(random, cut=bench.sink.restart), pipeline)


async def forgotten_commits(pipeline: Pipeline, seed: int, times: int) -> None:
    """Carry logs into stores that crash and forget commits they had acknowledged."""
    for number in range(times):
        with draws("queue", seed, number) as random:
            checkpoints = MemoryBench()
            bench = AsynchronousBench(checkpoints, random)

            await sail(bench, trickling(random, no_number), Fate(random, cut=bench.fall_back), pipeline, checkpoints.next_holder)


async def test_commits_that_a_crash_forgets(pipeline: Pipeline, seed: int, scale: int) -> None:
    """Nothing is let go of that a crash of the store can forget: each record is stored once."""
    await forgotten_commits(pipeline, seed, 60 * scale)


async def test_postgres(pipeline: Pipeline, postgres_bench: PostgresBench, seed: int) -> None:
    """PostgreSQL holds each record once, wherever links to it are cut and runs are killed."""
    with draws("queue", seed) as random:
        bench, cargo = PostgresDestinationBench(postgres_bench), trickling(random, no_number)

        await sail(bench, cargo, Fate(random, strikes=6, cut=postgres_bench.cut), pipeline, postgres_bench.next_holder)


def _released_when_acknowledged(patch: pytest.MonkeyPatch) -> None:
    """Coverage is read back, and let go of, before it is settled."""
    real = Transfer._side_by_side

    async def early(self: Transfer, errand: Errand) -> None:
        await real(self, errand)
        assert self.source.releasing is not None
        await self.source.releasing.release(await self.destination.progress(self.run))

    patch.setattr(Transfer, "_side_by_side", early)


def _released_when_planned(patch: pytest.MonkeyPatch) -> None:
    """What is to be read is let go of as soon as it was handed out."""
    real = Transfer._frozen

    async def early(self: Transfer, plan: object, done: Progress) -> Progress:
        done = await real(self, plan, done)  # type: ignore[arg-type]  # a plan
        assert self.source.releasing is not None
        assert done.scope is not None
        whole = Interval(done.scope.span.start, done.scope.span.end)
        await self.source.releasing.release(Progress(done.scope, (whole,)))
        return done

    patch.setattr(Transfer, "_frozen", early)


def _cursor_leads(patch: pytest.MonkeyPatch) -> None:
    """The log lets go of everything it has, whatever place it is told."""
    real = MemoryLog.release

    def leading(self: MemoryLog, consumer: str, upto: Iterable[Place]) -> None:
        del upto
        real(self, consumer, [kept.end for kept in self.kept()])

    patch.setattr(MemoryLog, "release", leading)


@pytest.mark.parametrize("sabotage", [_released_when_acknowledged, _released_when_planned, _cursor_leads])
async def test_letting_go_too_early_is_noticed(
    sabotage: Callable[[pytest.MonkeyPatch], None], pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the order of settling, reading back and letting go, records are missing, and the same check says so."""
    sabotage(monkeypatch)

    with pytest.raises(AssertionError):
        await forgotten_commits(pipeline, seed=0, times=60)
