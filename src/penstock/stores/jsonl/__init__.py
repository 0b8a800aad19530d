"""JSON, one object on each line: as a source, and as a sink that appends to one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock.ports.ends import SourceKind, Surroundings
from penstock.ports.source import Source
from penstock.stores.jsonl.settings import JsonlSource

__all__ = ["SOURCE"]


def _identity(settings: JsonlSource, surroundings: Surroundings) -> str:
    return f"jsonl {surroundings.folder / settings.path}"


@asynccontextmanager
async def _source(settings: JsonlSource, surroundings: Surroundings) -> AsyncIterator[Source]:
    from penstock.stores.jsonl.source import source  # noqa: PLC0415 - pyarrow only where rows are moved

    yield await asyncio.to_thread(source, settings, surroundings.folder)


SOURCE = SourceKind(settings=JsonlSource, identity=_identity, open=_source)
