"""The engine, driven from a source into every kind of destination, through cut links, kills, stops and crashes of the store.

Each case is drawn from the session's seed and a number; a failure names both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from uuid import uuid4

import pytest

from penstock.engine.checkpointed import checkpointed
from penstock.ports.checkpoints import Holder, Pipeline
from penstock.ports.sink import Destination
from penstock.testing import records
from penstock.testing.destinations import DestinationBench
from penstock.testing.hostile import BlockwiseStore, ForgetfulStore, PartialStore, TardyStore
from penstock.testing.strict import Row, Store
from tests.contract.asynchronous import AsynchronousBench
from tests.contract.benches import GENERATIONS, CheckpointedBench, MemoryBench, PostgresBench, PostgresDestinationBench
from tests.contract.sabotage import Fate, SabotagedCheckpoints, SabotagedDestination, SabotagedSink
from tests.contract.voyage import Cargo, Voyage, assert_arrived, drawn

STORES: Mapping[str, Callable[[Random], Store]] = {
    "forgetful": lambda _: ForgetfulStore(),
    "tardy": lambda _: TardyStore(turned_away),
    "partial": lambda random: PartialStore(turned_away, 0.1, random),
    "blockwise": lambda _: BlockwiseStore(),
}
TAKE_ALL = {"forgetful", "blockwise"}


def turned_away(row: Row) -> bool:
    """Every seventh id."""
    return ends_badly(row["id"])


def ends_badly(number: int) -> bool:
    """Every seventh number."""
    return number % 7 == 3


def no_number(_: int) -> bool:
    """No number at all."""
    return False


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline that nobody knows yet."""
    return Pipeline(f"voyage {uuid4().hex}", "drawn records")


@contextmanager
def draws(*what: object) -> Iterator[Random]:
    """Random numbers out of `what`, which a failure names."""
    try:
        yield Random(repr(what))
    except BaseException as error:
        error.add_note(f"drawn from {what!r}")
        raise


async def sail_checkpointed(bench: CheckpointedBench, cargo: Cargo, fate: Fate, pipeline: Pipeline) -> None:
    """Into a sink and checkpoints that are both sabotaged."""

    def launched() -> tuple[Destination, Holder]:
        sink, checkpoints = SabotagedSink(bench.sink, fate), SabotagedCheckpoints(bench.checkpoints.runs, fate)
        return checkpointed(sink, checkpoints, unsettled_blocks=fate.random.randint(1, 6)), records.gone(next(GENERATIONS))

    done = await Voyage(cargo, fate, pipeline, launched).complete(bench)

    await assert_arrived(cargo, done, bench, pipeline)


async def sail(bench: DestinationBench, cargo: Cargo, fate: Fate, pipeline: Pipeline, holder: Callable[[], Holder]) -> None:
    """Into a destination that is sabotaged."""

    def launched() -> tuple[Destination, Holder]:
        return SabotagedDestination(bench.runs, fate), holder()

    done = await Voyage(cargo, fate, pipeline, launched).complete(bench)

    await assert_arrived(cargo, done, bench, pipeline)


@pytest.mark.parametrize("kind", STORES)
async def test_hostile_sinks_with_positions_in_memory(kind: str, pipeline: Pipeline, seed: int, scale: int) -> None:
    """Whatever happens between sink and checkpoints, rows arrive as `delivery` promises, and what may stand there twice is counted."""
    for number in range(100 * scale):
        with draws(kind, seed, number) as random:
            cargo = drawn(random, no_number if kind in TAKE_ALL else ends_badly)
            bench = CheckpointedBench(MemoryBench(), STORES[kind](random))

            await sail_checkpointed(bench, cargo, Fate(random, cut=bench.sink.restart), pipeline)


@pytest.mark.parametrize("kind", STORES)
async def test_hostile_sinks_with_positions_in_postgres(kind: str, pipeline: Pipeline, postgres_bench: PostgresBench, seed: int) -> None:
    """The same, with positions that are durable."""
    with draws(kind, seed) as random:
        cargo = drawn(random, no_number if kind in TAKE_ALL else ends_badly)
        bench = CheckpointedBench(postgres_bench, STORES[kind](random))

        await sail_checkpointed(bench, cargo, Fate(random, strikes=6, cut=bench.sink.restart), pipeline)


async def test_commits_that_a_crash_forgets(pipeline: Pipeline, seed: int, scale: int) -> None:
    """Where a store crashes and forgets the last commits it acknowledged, in the middle of a run or with it, each row is stored once."""
    for number in range(100 * scale):
        with draws(seed, number) as random:
            checkpoints = MemoryBench()
            bench = AsynchronousBench(checkpoints, random)

            await sail(bench, drawn(random, no_number), Fate(random, cut=bench.fall_back), pipeline, checkpoints.next_holder)


async def test_postgres_through_cuts_and_kills(pipeline: Pipeline, postgres_bench: PostgresBench, seed: int, scale: int) -> None:
    """PostgreSQL holds each row once, wherever links to it are cut and runs are killed."""
    for number in range(6 * scale):
        with draws(seed, number) as random:
            bench, cargo = PostgresDestinationBench(postgres_bench), drawn(random, no_number)
            one = replace(pipeline, name=f"{pipeline.name} {number}")

            await sail(bench, cargo, Fate(random, cut=postgres_bench.cut), one, postgres_bench.next_holder)
