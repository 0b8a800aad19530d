"""Looking at both ends of a pipeline without moving anything: whether they fit together, and what there is to read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pyarrow as pa

from penstock.model.counts import Counts
from penstock.model.metrics import Counters
from penstock.pipelines.definition import Definition
from penstock.pipelines.opening import destination, identity, opened, staged
from penstock.pipelines.surroundings import surroundings
from penstock.ports.ends import LiveKind, Surroundings
from penstock.ports.source import Plan, Progress, Source
from penstock.stores.memory.source import MemorySource


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source showed: which records it has, their columns, and those that the sink is to take.

    Columns are None of a live source that learns them from what it receives.
    """

    source: str
    columns: pa.Schema | None
    stored: pa.Schema | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run would read, beside what is stored: the frozen scope if there is one, and the partitions that are missing.

    There is no plan of what a live source will receive.
    """

    source: str
    done: Progress
    plan: Plan | None

    @property
    def counts(self) -> Counts:
        """What became of the records that were read before."""
        return sum((interval.counts for interval in self.done.coverage), Counts())


async def look(definition: Definition, tell: Callable[[Seen], None]) -> str | None:
    """Dial both ends, and tell what the source showed before the sink is asked; what the sink says about it.

    Nothing is received. A live source that learns its columns from what it receives shows none, and then the sink is not asked. Raises:
        Misconfigured: an end or a stage does not fit.
        Transient: an end does not answer.
    """
    around, sink = surroundings(definition, Counters.zero()), definition.sink
    said = identity(definition, around).source
    async with _shown(definition, around) as rows:
        if rows is None:
            tell(Seen(said, None, None))
            return None
        source = staged(definition, rows)
        tell(Seen(said, rows.schema, source.schema))
        return await sink.kind.look(sink.settings, around, definition.intake, source.schema)


@asynccontextmanager
async def _shown(definition: Definition, around: Surroundings) -> AsyncIterator[Source | None]:
    """The source; in the place of a live one, one that has its columns and no rows, or None where nobody knows them."""
    kind, settings = definition.source.kind, definition.source.settings
    if not isinstance(kind, LiveKind):
        async with kind.open(settings, around) as rows:
            yield rows
        return
    yield None if kind.learns(settings) else MemorySource(kind.recalled(settings, {}).schema.empty_table())


async def outlook(definition: Definition) -> Outlook:
    """What a run would read now; see `look` for what it raises."""
    around, kind = surroundings(definition, Counters.zero()), definition.source.kind
    pipeline = identity(definition, around)
    if isinstance(kind, LiveKind):
        async with destination(definition, around) as sink:
            return Outlook(pipeline.source, await sink.peek(pipeline), None)
    async with opened(definition, around, kind) as (source, sink):
        done = await sink.peek(pipeline)
        return Outlook(pipeline.source, done, await source.plan(done))
