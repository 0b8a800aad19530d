"""One run of a pipeline: its ends opened, its rows carried, its evidence put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from penstock.engine.lease import LeaseSettings
from penstock.engine.ledger import RefusalLimit
from penstock.engine.run import EngineSettings
from penstock.engine.tasks import Task, complete
from penstock.engine.telemetry import Telemetry
from penstock.model.errors import Misconfigured
from penstock.model.naming import near
from penstock.pipelines.definition import Definition, Limits
from penstock.pipelines.evidence import Evidence, evidence
from penstock.pipelines.staged import Staged
from penstock.pipelines.surroundings import surroundings
from penstock.ports.checkpoints import Outcome, Pipeline
from penstock.ports.ends import Surroundings
from penstock.ports.sink import Destination
from penstock.ports.source import Progress


class NoSuchKey(Misconfigured):
    """The rows have no column that the mode names as their key."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: the outcome in the history, and the evidence where it got that far."""

    outcome: Outcome
    evidence: Evidence | None


async def perform(definition: Definition, telemetry: Telemetry, stop: asyncio.Event, *, anew: bool = False) -> Ending:
    """Run a pipeline to its end, or until `stop`; see `Task.perform` for what it raises.

    In mode replace a pipeline that has carried everything begins anew, one that was interrupted goes on; with `anew` each one begins anew.
    """
    around = surroundings(definition, telemetry.counters)
    pipeline, found = identity(definition, around), list[Evidence]()

    def begins(done: Progress) -> bool:
        return anew or (definition.intake.mode == "replace" and complete(done))

    async def conclude(done: Progress) -> Outcome:
        found.append(evidence(done, pipeline.source, definition.intake.mode, await _in_sink(definition, around)))
        return found[-1].outcome

    async with opened(definition, around) as (source, destination):
        task = Task(pipeline, source, destination, engine(definition.limits), telemetry, conclude, stop, begins)
        outcome = await task.perform()
    return Ending(outcome, found[-1] if found else None)


def identity(definition: Definition, around: Surroundings) -> Pipeline:
    """Under which name, and as rows of which source, a pipeline's positions are kept."""
    source = definition.source
    return Pipeline(definition.kept_as, source.kind.identity(source.settings, around))


@asynccontextmanager
async def opened(definition: Definition, around: Surroundings) -> AsyncIterator[tuple[Staged, Destination]]:
    """Both ends; nothing is moved. See `staged` for what it raises."""
    sink = definition.sink
    async with staged(definition, around) as source, sink.kind.open(sink.settings, around, definition.intake) as destination:
        yield source, destination


@asynccontextmanager
async def staged(definition: Definition, around: Surroundings) -> AsyncIterator[Staged]:
    """The source, seen through the stages.

    Raises:
        StageDoesNotFit: a stage has no place for the source's columns.
        NoSuchKey: the rows lack a column of the key.
    """
    source = definition.source
    async with source.kind.open(source.settings, around) as rows:
        found = Staged(rows, definition.stages, definition.intake.schema)
        for name in definition.intake.key:
            if name not in found.schema.names:
                raise NoSuchKey(f"`{name}`{near(name, found.schema.names)}")
        yield found


def engine(limits: Limits) -> EngineSettings:
    """The engine's settings within these limits."""
    return EngineSettings(
        workers=limits.workers,
        stall_s=limits.stall_minutes * 60,
        lease=LeaseSettings(ttl_s=limits.lease_seconds, beat_s=limits.lease_seconds / 6),
        refusals=RefusalLimit(percent=limits.max_refused_percent),
    )


async def _in_sink(definition: Definition, around: Surroundings) -> int | None:
    """How many rows a reader finds, where the sink can tell."""
    count = definition.sink.kind.count
    return None if count is None else await count(definition.sink.settings, around, definition.intake)
