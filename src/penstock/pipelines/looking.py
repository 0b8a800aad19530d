"""Looking at both ends of a pipeline without moving anything: whether they fit together, and what there is to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from penstock.model.counts import Counts
from penstock.model.metrics import Counters
from penstock.pipelines.definition import Definition
from penstock.pipelines.job import identity, opened, staged
from penstock.pipelines.surroundings import surroundings
from penstock.ports.source import Plan, Progress


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source showed: which records it has, their columns, and those that the sink is to take."""

    source: str
    columns: pa.Schema
    stored: pa.Schema


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run would read, beside what is stored: the frozen scope if there is one, and the partitions that are missing."""

    source: str
    done: Progress
    plan: Plan

    @property
    def counts(self) -> Counts:
        """What became of the records that were read before."""
        return sum((interval.counts for interval in self.done.coverage), Counts())


async def look(definition: Definition, tell: Callable[[Seen], None]) -> str:
    """Dial both ends, and tell what the source showed before the sink is asked; what the sink says about it.

    Raises:
        Misconfigured: an end or a stage does not fit.
        Transient: an end does not answer.
    """
    around, sink = surroundings(definition, Counters.zero()), definition.sink
    async with staged(definition, around) as source:
        tell(Seen(identity(definition, around).source, source.source.schema, source.schema))
        return await sink.kind.look(sink.settings, around, definition.intake, source.schema)


async def outlook(definition: Definition) -> Outlook:
    """What a run would read now; see `look` for what it raises."""
    around = surroundings(definition, Counters.zero())
    pipeline = identity(definition, around)
    async with opened(definition, around) as (source, destination):
        done = await destination.peek(pipeline)
        return Outlook(pipeline.source, done, await source.plan(done))
