"""The ends of a pipeline, opened: its source seen through the stages, and its destination."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from penstock.model.errors import Misconfigured
from penstock.model.naming import near
from penstock.pipelines.definition import Definition
from penstock.pipelines.staged import Staged
from penstock.ports.checkpoints import Pipeline
from penstock.ports.ends import SourceKind, Surroundings
from penstock.ports.sink import Destination
from penstock.ports.source import Source


class NoSuchKey(Misconfigured):
    """The rows have no column that the mode names as their key."""


def identity(definition: Definition, around: Surroundings) -> Pipeline:
    """Under which name, and as rows of which source, a pipeline's positions are kept."""
    source = definition.source
    return Pipeline(definition.kept_as, source.kind.identity(source.settings, around))


@asynccontextmanager
async def opened(definition: Definition, around: Surroundings, kind: SourceKind) -> AsyncIterator[tuple[Staged, Destination]]:
    """Both ends; nothing is moved. See `staged` for what it raises."""
    async with kind.open(definition.source.settings, around) as rows:
        source = staged(definition, rows)
        async with destination(definition, around) as found:
            yield source, found


def destination(definition: Definition, around: Surroundings) -> AbstractAsyncContextManager[Destination]:
    """Where the rows go."""
    sink = definition.sink
    return sink.kind.open(sink.settings, around, definition.intake)


def staged(definition: Definition, rows: Source) -> Staged:
    """The source, seen through the stages.

    Raises:
        StageDoesNotFit: a stage has no place for the source's columns.
        NoSuchKey: the rows lack a column of the key.
    """
    found = Staged(rows, definition.stages, definition.intake.schema)
    for name in definition.intake.key:
        if name not in found.schema.names:
            raise NoSuchKey(f"`{name}`{near(name, found.schema.names)}")
    return found
