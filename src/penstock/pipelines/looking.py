"""Looking at both ends of a pipeline without moving anything: whether they fit together, and what there is to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from penstock.model.counts import Counts
from penstock.model.metrics import Counters
from penstock.pipelines.definition import Definition
from penstock.pipelines.opening import destination, identity, opened, staged
from penstock.pipelines.surroundings import surroundings
from penstock.ports.ends import LiveKind, Surroundings
from penstock.ports.source import Plan, Progress
from penstock.stores.memory.source import MemorySource


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source showed: which records it has, their columns, and those that the sink is to take.

    Columns are None of a live source as long as nothing was received that tells them.
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


async def look(definition: Definition, tell: Callable[[Seen], None]) -> str:
    """Dial both ends, and tell what the source showed before the sink is asked; what the sink says about it.

    Nothing is received. Raises:
        Misconfigured: an end or a stage does not fit.
        Transient: an end does not answer.
    """
    around, sink, kind = surroundings(definition, Counters.zero()), definition.sink, definition.source.kind
    source = identity(definition, around).source
    if not isinstance(kind, LiveKind):
        async with kind.open(definition.source.settings, around) as rows:
            seen = staged(definition, rows)
            tell(Seen(source, rows.schema, seen.schema))
            return await sink.kind.look(sink.settings, around, definition.intake, seen.schema)
    schema = await _received_before(definition, around, kind)
    if schema is None:
        tell(Seen(source, None, None))
        return "it is there; whether the rows fit is seen with the first ones"
    seen = staged(definition, MemorySource(schema.empty_table()))
    tell(Seen(source, schema, seen.schema))
    return await sink.kind.look(sink.settings, around, definition.intake, seen.schema)


async def _received_before(definition: Definition, around: Surroundings, kind: LiveKind) -> pa.Schema | None:
    """The columns of a live source, where they are known by now."""
    async with destination(definition, around) as sink:
        done = await sink.peek(identity(definition, around))
    if done.scope is None and kind.learns(definition.source.settings):
        return None
    return kind.recalled(definition.source.settings, done.scope.facts if done.scope else {}).schema


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
