"""Files of Parquet as a source: positions count rows, and files are cut between their row groups."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pyarrow import parquet as pq

from penstock.ports.flow import Refusal, as_received
from penstock.stores.columns import conform, plain
from penstock.stores.files import stream
from penstock.stores.files.catalogue import Extent
from penstock.stores.files.errors import NoSuchFile, NotReadable
from penstock.stores.files.format import Part
from penstock.stores.files.source import FileSource, matching
from penstock.stores.parquet.settings import ParquetSource

PARTITION_ROWS = 1_000_000
BATCH_ROWS = 20_000


def source(settings: ParquetSource, folder: Path, partition_rows: int = PARTITION_ROWS, batch_rows: int = BATCH_ROWS) -> FileSource:
    """Read Parquet files that are in `folder`; the columns are those of the first.

    Raises:
        NoSuchFile: there is none.
        NotReadable: it is no Parquet file.
    """
    names = matching(folder, settings.path)
    if not names:
        raise NoSuchFile(str(folder / settings.path))
    with opened(folder / names[0]) as file:
        schema = plain(file.schema_arrow)
    return FileSource(folder, settings.path, RowGroups(schema, batch_rows), partition_rows)


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Parquet as a format. A file that has other columns than the first gives batches with them."""

    schema: pa.Schema
    batch_rows: int

    @property
    def units(self) -> Literal["bytes", "rows"]:
        """Rows."""
        return "rows"

    def measure(self, path: Path, start: int) -> int:
        """All rows; a file of Parquet does not grow."""
        del start
        with opened(path) as file:
            return int(file.metadata.num_rows)

    def mark(self, path: Path, end: int) -> str:
        """Of its beginning and its footer, whichever part of it was read."""
        del end
        return stream.mark(path, path.stat().st_size)

    def seam(self, path: Path, near: int, end: int) -> int:
        """The next row group."""
        with opened(path) as file:
            return next((begin for begin in _begins(file) if near <= begin < end), end)

    def read(self, path: Path, extent: Extent) -> Generator[Part, None, None]:
        """Row group by row group; see `Format.read`."""
        with opened(path) as file:
            schema = self._columns(plain(file.schema_arrow))
            for group, begin in enumerate(_begins(file)):
                size = file.metadata.row_group(group).num_rows
                if begin < extent.end and extent.start < begin + size:
                    yield from self._group(file, group, begin, extent, schema)

    def _group(self, file: pq.ParquetFile, group: int, begin: int, extent: Extent, schema: pa.Schema) -> Iterator[Part]:
        at = begin
        for batch in file.iter_batches(self.batch_rows, row_groups=[group], use_threads=False):
            low, high = max(at, extent.start), min(at + batch.num_rows, extent.end)
            if low < high:
                yield _part(batch.slice(low - at, high - low), schema, f"{group}", high)
            at += batch.num_rows

    def _columns(self, found: pa.Schema) -> pa.Schema:
        """The columns of a file in the order of the first one's, with null for what it has not, and what only it has behind them."""
        fields = {field.name: field for field in self.schema} | {field.name: field for field in found}
        return pa.schema(list(fields.values()))


def _part(batch: pa.RecordBatch, schema: pa.Schema, group: str, upto: int) -> Part:
    fitted = conform(batch, schema)
    origin = f"row group {group}, before row {upto}"
    refused = (Refusal(row, as_received(batch.slice(row, 1)), reason, origin) for row, reason in fitted.refused.items())
    return Part(fitted.rows, tuple(refused), upto)


def _begins(file: pq.ParquetFile) -> list[int]:
    """The number of the first row of each row group."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    return list(accumulate(sizes, initial=0))[:-1]


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A file of Parquet.

    Raises:
        NotReadable: it is none, or damaged.
    """
    try:
        with path.open("rb") as raw, pq.ParquetFile(raw) as file:
            yield file
    except pa.ArrowException as error:
        raise NotReadable(f"{path}: {error}") from error
    except OSError as error:
        if error.errno is None:
            raise NotReadable(f"{path}: {error}") from error
        raise
