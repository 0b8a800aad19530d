"""Apache Parquet: files as a source, and a folder of files as a sink that keeps its positions in their footers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from penstock.ports.ends import Intake, SinkKind, SourceKind, Surroundings
from penstock.ports.sink import Destination
from penstock.ports.source import Source
from penstock.stores.files.kind import beside
from penstock.stores.parquet.settings import ParquetSink, ParquetSource

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.stores.parquet.sink import ParquetFolder

__all__ = ["SINK", "SOURCE"]


@asynccontextmanager
async def _source(settings: ParquetSource, surroundings: Surroundings) -> AsyncIterator[Source]:
    from penstock.stores.parquet.source import source  # noqa: PLC0415 - pyarrow only where rows are moved

    yield await asyncio.to_thread(source, settings, surroundings.folder)


SOURCE = SourceKind(
    settings=ParquetSource,
    identity=lambda settings, surroundings: f"parquet {surroundings.folder / settings.path}",
    open=_source,
)


def _folder(settings: ParquetSink, surroundings: Surroundings, intake: Intake) -> ParquetFolder:
    from penstock.stores.parquet.generations import ParquetGenerations  # noqa: PLC0415 - as above
    from penstock.stores.parquet.sink import ParquetFolder  # noqa: PLC0415 - as above

    kind = ParquetGenerations if intake.mode == "replace" else ParquetFolder
    return kind(beside(surroundings), surroundings.folder / settings.path, settings.file_bytes, settings.compression)


@asynccontextmanager
async def _sink(settings: ParquetSink, surroundings: Surroundings, intake: Intake) -> AsyncIterator[Destination]:
    folder = _folder(settings, surroundings, intake)
    try:
        yield folder
    finally:
        await folder.checkpoints.database.close()


async def _look(settings: ParquetSink, surroundings: Surroundings, intake: Intake, schema: pa.Schema) -> str:
    folder = _folder(settings, surroundings, intake)
    try:
        return await folder.look(schema)
    finally:
        await folder.checkpoints.database.close()


async def _count(settings: ParquetSink, surroundings: Surroundings, intake: Intake) -> int:
    from penstock.stores.parquet.footer import rows_of  # noqa: PLC0415 - as above

    del intake
    return await asyncio.to_thread(rows_of, surroundings.folder / settings.path)


def _show(settings: ParquetSink, surroundings: Surroundings) -> str:
    """Whoever runs this has pyarrow."""
    folder = str(surroundings.folder / settings.path)
    return f'python -c "import pyarrow.dataset as d; print(d.dataset({folder!r}).head(5).to_pylist())"'


SINK = SinkKind(
    settings=ParquetSink,
    modes=frozenset({"append", "replace"}),
    open=_sink,
    look=_look,
    place=lambda settings, surroundings: str(surroundings.folder / settings.path),
    show=_show,
    count=_count,
)
