"""The log of a queue as a source: what waits in a folder, read in the order of epochs and lanes, and let go of once it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock.ports.ends import SourceKind, Surroundings
from penstock.ports.source import Source
from penstock.stores.queue.settings import QueueSource

__all__ = ["SOURCE"]


def _identity(settings: QueueSource, surroundings: Surroundings) -> str:
    return f"queue {surroundings.folder / settings.path}"


@asynccontextmanager
async def _source(settings: QueueSource, surroundings: Surroundings) -> AsyncIterator[Source]:
    from penstock.stores.queue.waiting import opened  # noqa: PLC0415 - pyarrow only where rows are moved

    ends = opened(settings, surroundings)
    source = await asyncio.to_thread(ends.__enter__)
    try:
        yield source
    finally:
        await asyncio.to_thread(ends.__exit__, None, None, None)


SOURCE = SourceKind(settings=QueueSource, identity=_identity, open=_source)
