"""Tables of text, as RFC 4180 and the programs of the world write them: as a source, and as a sink that appends to one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.ports.ends import SourceKind, Surroundings
from penstock.ports.source import Source
from penstock.stores.csv.settings import CsvSink, CsvSource
from penstock.stores.files.kind import file_kind

if TYPE_CHECKING:
    from penstock.stores.files.written import Encoding

__all__ = ["SINK", "SOURCE"]


def _identity(settings: CsvSource, surroundings: Surroundings) -> str:
    return f"csv {surroundings.folder / settings.path}"


@asynccontextmanager
async def _source(settings: CsvSource, surroundings: Surroundings) -> AsyncIterator[Source]:
    from penstock.stores.csv.source import source  # noqa: PLC0415 - pyarrow only where rows are moved

    yield await asyncio.to_thread(source, settings, surroundings.folder)


def _pending(settings: CsvSource, surroundings: Surroundings) -> str:
    from penstock.stores.csv.records import Dialect  # noqa: PLC0415 - as above
    from penstock.stores.files.source import unfinished  # noqa: PLC0415
    from penstock.stores.files.stream import Limits  # noqa: PLC0415

    finished = partial(Dialect(settings.delimiter, settings.quote).finished, limits=Limits(record_bytes=settings.max_record_bytes))
    return "" if settings.complete else unfinished(surroundings.folder, settings.path, finished)


SOURCE = SourceKind(settings=CsvSource, identity=_identity, open=_source, pending=_pending)


def _encoding(settings: CsvSink) -> Encoding:
    from penstock.stores.csv.writing import CsvRecords  # noqa: PLC0415 - as above

    return CsvRecords(settings.delimiter)


def _count(settings: CsvSink, path: Path) -> int:
    """The records behind the header; in a table of one column a blank line is one, and says null."""
    from penstock.stores.csv.records import Dialect  # noqa: PLC0415 - as above
    from penstock.stores.files.stream import Limits, chunks  # noqa: PLC0415 - as above

    dialect = Dialect(settings.delimiter)
    with path.open("rb") as file:
        blocks = chunks(file, 0, None, dialect.whole, Limits())
        return max(0, sum(sum(1 for _ in dialect.split(block.data)) for block in blocks) - 1)


SINK = file_kind(CsvSink, _encoding, _count)
