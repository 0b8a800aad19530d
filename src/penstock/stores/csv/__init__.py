"""Tables of text, as RFC 4180 and the programs of the world write them: as a source, and as a sink that appends to one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock.ports.ends import SourceKind, Surroundings
from penstock.ports.source import Source
from penstock.stores.csv.settings import CsvSource

__all__ = ["SOURCE"]


def _identity(settings: CsvSource, surroundings: Surroundings) -> str:
    return f"csv {surroundings.folder / settings.path}"


@asynccontextmanager
async def _source(settings: CsvSource, surroundings: Surroundings) -> AsyncIterator[Source]:
    from penstock.stores.csv.source import source  # noqa: PLC0415 - pyarrow only where rows are moved

    yield await asyncio.to_thread(source, settings, surroundings.folder)


SOURCE = SourceKind(settings=CsvSource, identity=_identity, open=_source)
