"""One run of a pipeline: its ends opened, its rows carried, its evidence put together."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from penstock.engine.lease import LeaseSettings
from penstock.engine.ledger import RefusalLimit
from penstock.engine.run import EngineSettings
from penstock.engine.tasks import Task, complete
from penstock.engine.telemetry import Telemetry
from penstock.model.errors import Transient, TryLater
from penstock.pipelines.definition import Definition, Limits
from penstock.pipelines.evidence import Evidence, evidence
from penstock.pipelines.live import NothingReceived, Watched, receiving
from penstock.pipelines.opening import identity, opened
from penstock.pipelines.staged import Staged
from penstock.pipelines.surroundings import surroundings
from penstock.ports.checkpoints import Outcome, Pipeline
from penstock.ports.ends import LiveKind, Surroundings
from penstock.ports.sink import Destination
from penstock.ports.source import Progress

GIVEN_UP = "stopped on request; the sink could not be written to, and what is not stored waits in the queue"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: the outcome in the history, and the evidence where it got that far."""

    outcome: Outcome
    evidence: Evidence | None


async def perform(definition: Definition, telemetry: Telemetry, stop: asyncio.Event, *, anew: bool = False) -> Ending:
    """Run a pipeline to its end, or until `stop`; see `Task.perform` for what it raises.

    In mode replace a pipeline that has carried everything begins anew, one that was interrupted goes on; with `anew` each one begins anew.
    One with a live source ends when that does; after a stop, once all that was received is stored.
    """
    around, kind = surroundings(definition, telemetry.counters), definition.source.kind
    job = _Job(definition, around, identity(definition, around), Watched(telemetry, stop), anew)
    if isinstance(kind, LiveKind):
        return await job.receive(kind)
    return await job.carry(opened(definition, around, kind), stop)


@dataclass(slots=True)
class _Job:
    definition: Definition
    around: Surroundings
    pipeline: Pipeline
    watched: Watched
    anew: bool
    evidence: Evidence | None = None

    async def carry(self, ends: AbstractAsyncContextManager[tuple[Staged, Destination]], stop: asyncio.Event) -> Ending:
        """Everything that is missing, until it is asked to stop reading."""
        settings, telemetry = engine(self.definition.limits), self.watched.telemetry
        async with ends as (source, destination):
            task = Task(self.pipeline, source, destination, settings, telemetry, self._conclude, stop, self._begins)
            return Ending(await task.perform(), self.evidence)

    async def receive(self, kind: LiveKind) -> Ending:
        """Everything that is received, until it is asked to stop receiving; however often the sink is not there for a while."""
        async with receiving(self.definition, self.around, kind, self.watched) as reception:
            while True:
                try:
                    ending = await self.carry(reception.ends(self._begins), reception.given_up)
                    return ending if ending.evidence else Ending(Outcome("cancelled", GIVEN_UP), None)
                except (Transient, TryLater) as error:
                    await reception.again(error)
                except NothingReceived:
                    if not self.watched.stop.is_set():
                        raise
                    return Ending(Outcome("cancelled", "stopped before anything was stored"), None)

    def _begins(self, done: Progress) -> bool:
        return self.anew or (self.definition.intake.mode == "replace" and complete(done))

    async def _conclude(self, done: Progress) -> Outcome:
        definition = self.definition
        self.evidence = evidence(done, self.pipeline.source, definition.intake.mode, await _in_sink(definition, self.around))
        outcome = self.evidence.outcome
        if not (isinstance(definition.source.kind, LiveKind) and self.watched.stop.is_set() and self.evidence.complete):
            return outcome
        return replace(outcome, state="cancelled", message=f"stopped on request, all that was received is stored: {outcome.message}")


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
