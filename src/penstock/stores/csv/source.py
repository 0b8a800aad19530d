"""Tables of text as a source."""

from __future__ import annotations

import codecs
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from penstock.model.errors import Misconfigured
from penstock.stores.columns import infer_texts, named
from penstock.stores.columns.texts import in_parts
from penstock.stores.csv.records import Dialect
from penstock.stores.csv.rows import RowDecoder, header
from penstock.stores.csv.settings import CsvSource
from penstock.stores.files.source import FileSource, beginnings
from penstock.stores.files.stream import BLOCK_BYTES, BOM, Limits
from penstock.stores.files.text import TextFormat

PARTITION_BYTES = 64 * 2**20


class UnusableEncoding(Misconfigured):
    """Files in this encoding cannot be cut into records."""

    default_hint = "It has to be UTF-8, or one in which every byte is a character, such as latin-1 or cp1252."


def source(settings: CsvSource, folder: Path, partition_bytes: int = PARTITION_BYTES, block_bytes: int = BLOCK_BYTES) -> FileSource:
    """Read tables of text that are in `folder`. A file is read by one worker: where its records end, only reading it tells.

    Raises:
        UnknownType: a stated type does not exist.
        UnusableMark, UnusableEncoding, UnusableHeader: the text cannot be taken apart.
        NoSuchFile: there is no file.
    """
    dialect, encoding = Dialect(settings.delimiter, settings.quote), _encoding(settings.encoding)
    stated = {name: named(name, type_name) for name, type_name in settings.columns.items()}

    columns: dict[str, pa.Field] = {}
    opened = partial(_opened, dialect, encoding, settings.names)
    for block in beginnings(folder, settings.path):
        for column in _sampled(opened(pa.schema([]), block), block):
            columns.setdefault(column.name, stated.get(column.name, column))
    schema = pa.schema(list({**columns, **stated}.values()))
    guessed = frozenset(name for name, column in columns.items() if name not in stated and column.type in (pa.int64(), pa.float64()))
    limits = Limits(block_bytes, settings.max_record_bytes)
    form = TextFormat(
        schema,
        lambda head: replace(opened(schema, head), inferred=guessed),
        dialect.whole,
        partial(dialect.finished, limits=limits),
        complete=settings.complete,
        cuttable=False,
        limits=limits,
    )
    return FileSource(folder, settings.path, form, partition_bytes)


def _opened(dialect: Dialect, encoding: str, names: tuple[str, ...], schema: pa.Schema, head: bytes) -> RowDecoder:
    """The decoder of one file that begins with `head`."""
    found, body = (names, len(BOM) if head.startswith(BOM) else 0) if names else header(head, dialect, encoding)
    return RowDecoder(schema, found, dialect, encoding, body)


def _sampled(decoder: RowDecoder, block: bytes) -> pa.Schema:
    """The columns of a file, inferred from its first records; those that are no rows are left out."""
    body = block[decoder.body :]
    records = [record for record in decoder.dialect.split(body[: decoder.dialect.whole(body)]) if record.strip(b"\r\n")]
    parts = [part for _, part in in_parts(len(records), lambda start, end: decoder.texts(records[start:end]))]
    texts = pa.concat_batches([decoder.texts([]), *(part for part in parts if not isinstance(part, Exception))])
    return infer_texts(decoder.names, texts.columns)


def _encoding(name: str) -> str:
    """The encoding's own name, if a line end, a delimiter and a quote are one byte in it and are part of nothing else."""
    try:
        single = [bytes([byte]).decode(name, "replace") for byte in range(128)] == [chr(byte) for byte in range(128)]
        found = codecs.lookup(name).name
    except LookupError:
        single, found = False, name
    if found != "utf-8" and not (single and len(bytes(range(128, 256)).decode(found, "replace")) == 128):
        raise UnusableEncoding(name)
    return found
