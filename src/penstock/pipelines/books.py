"""Where what is known of a pipeline can be looked up, whichever its sink."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock.model.metrics import Counters
from penstock.pipelines.definition import Definition
from penstock.pipelines.surroundings import positions, surroundings
from penstock.ports.bookkeeping import Bookkeeping
from penstock.stores.sqlite.bookkeeping import SqliteBookkeeping


@asynccontextmanager
async def books(definition: Definition) -> AsyncIterator[Bookkeeping]:
    """The books of the sink, or those in the state folder where it keeps none."""
    sink = definition.sink
    if sink.kind.books is not None:
        async with sink.kind.books(sink.settings, surroundings(definition, Counters.zero())) as found:
            yield found
        return
    database = positions(definition)
    try:
        yield SqliteBookkeeping(database)
    finally:
        await database.close()
