"""JSON, one object on each line: as a source, and as a sink that appends to one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.ports.ends import SourceKind, Surroundings
from penstock.ports.source import Source
from penstock.stores.files.kind import file_kind
from penstock.stores.jsonl.settings import JsonlSink, JsonlSource

if TYPE_CHECKING:
    from penstock.stores.files.written import Encoding

__all__ = ["SINK", "SOURCE"]


def _identity(settings: JsonlSource, surroundings: Surroundings) -> str:
    return f"jsonl {surroundings.folder / settings.path}"


@asynccontextmanager
async def _source(settings: JsonlSource, surroundings: Surroundings) -> AsyncIterator[Source]:
    from penstock.stores.jsonl.source import source  # noqa: PLC0415 - pyarrow only where rows are moved

    yield await asyncio.to_thread(source, settings, surroundings.folder)


def _pending(settings: JsonlSource, surroundings: Surroundings) -> str:
    from penstock.stores.files.source import unfinished  # noqa: PLC0415 - as above
    from penstock.stores.files.stream import last_line_end  # noqa: PLC0415

    return "" if settings.complete else unfinished(surroundings.folder, settings.path, last_line_end)


SOURCE = SourceKind(settings=JsonlSource, identity=_identity, open=_source, pending=_pending)


def _encoding(settings: JsonlSink) -> Encoding:
    from penstock.stores.jsonl.writing import JsonLines  # noqa: PLC0415 - as above

    del settings
    return JsonLines()


def _count(settings: JsonlSink, path: Path) -> int:
    from penstock.stores.files.stream import line_ends  # noqa: PLC0415 - as above

    del settings
    return line_ends(path, path.stat().st_size)


SINK = file_kind(JsonlSink, _encoding, _count)
