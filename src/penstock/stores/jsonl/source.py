"""Files of JSON lines as a source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from penstock.stores.columns import named
from penstock.stores.files.errors import NoColumns
from penstock.stores.files.source import FileSource, beginnings
from penstock.stores.files.stream import BLOCK_BYTES, BOM, Limits
from penstock.stores.files.text import Decoded, TextFormat
from penstock.stores.jsonl.rows import RowDecoder, decoder_for, sample
from penstock.stores.jsonl.settings import JsonlSource

PARTITION_BYTES = 8 * 2**20


def source(settings: JsonlSource, folder: Path, partition_bytes: int = PARTITION_BYTES, block_bytes: int = BLOCK_BYTES) -> FileSource:
    """Read JSON lines that are in `folder`.

    Raises:
        UnknownType: a stated type does not exist.
        NoColumns: there is no row to infer columns from, and none are stated.
        NoSuchFile: there is no file either.
    """
    limits = Limits(block_bytes, settings.max_line_bytes)
    stated = {name: named(name, type_name) for name, type_name in settings.columns.items()}
    rows = [row for block in beginnings(folder, settings.path) for row in sample(block)]
    rows_of = decoder_for(rows, stated)
    if not rows_of.schema.names:
        raise NoColumns(str(folder / settings.path))
    form = TextFormat(rows_of.schema, partial(_decoder, rows_of), complete=settings.complete, limits=limits)
    return FileSource(folder, settings.path, form, partition_bytes)


@dataclass(frozen=True, slots=True)
class _FileDecoder:
    """The decoder of one file."""

    rows: RowDecoder
    body: int

    def decode(self, block: bytes) -> Decoded:
        return self.rows.decode(block)


def _decoder(rows: RowDecoder, head: bytes) -> _FileDecoder:
    return _FileDecoder(rows, len(BOM) if head.startswith(BOM) else 0)
