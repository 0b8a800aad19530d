"""Records of text as Arrow columns: a block at a time, and record by record only where one is no row."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv as arrow_csv

from penstock.model.errors import Misconfigured
from penstock.stores.columns import losing, parse, said
from penstock.stores.columns.texts import UNREADABLE, in_parts
from penstock.stores.csv.records import Dialect
from penstock.stores.files.stream import BOM
from penstock.stores.files.text import Bad, Decoded

NOT_ENCODED = "it is not valid {}"
NOT_ONE_ROW = "its quotes or its line ends do not make it one row"

_FIELDS = re.compile(r"Expected (\d+) columns, got (\d+)")


class UnusableHeader(Misconfigured):
    """The first record does not name the columns."""

    default_hint = "Mend it, or name the columns with `names` where the file has no header."


@dataclass(frozen=True, slots=True)
class RowDecoder:
    """Makes rows with the columns of `schema` out of the records of one file, whose fields are called `names`; the records begin at `body`.

    Fields that the schema has not are columns of text behind its own; columns that the file has not are null. `inferred` are columns of
    numbers that nobody has stated: what would be written otherwise as such a number is none.
    """

    schema: pa.Schema
    names: tuple[str, ...]
    dialect: Dialect
    encoding: str
    body: int
    inferred: frozenset[str] = frozenset()

    def decode(self, block: bytes) -> Decoded:
        """The rows of whole records; blank lines are none."""
        lines, records = _numbered(self.dialect.split(block))
        refused: dict[int, str] = {}
        parts = []
        for record, part in in_parts(len(records), lambda start, end: self.texts(records[start:end])):
            if isinstance(part, Exception):
                refused[record] = self._reason(part)
            else:
                parts.append(part)
        texts = pa.concat_batches(parts) if parts else self.texts([])
        places = [record for record in range(len(records)) if record not in refused]
        rows = self._typed(texts, places, refused)
        return Decoded(
            rows, tuple(Bad(record, lines[record], records[record].rstrip(b"\r\n"), refused[record]) for record in sorted(refused))
        )

    def texts(self, records: Sequence[bytes]) -> pa.RecordBatch:
        """The cells of records, null where nothing is written; raises one of `UNREADABLE` where one of them is no row."""
        if not records:
            return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in self.names], list(self.names))
        if not self.dialect.whole(records[-1].rstrip(b"\r\n") + b"\n"):
            raise ValueError(NOT_ONE_ROW)
        block = b"".join(records)
        if self.encoding != "utf-8":
            block = block.decode(self.encoding).encode()
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            arrow_csv.ReadOptions(column_names=list(self.names), use_threads=False, block_size=len(block) + 1),
            arrow_csv.ParseOptions(delimiter=self.dialect.delimiter, quote_char=self.dialect.quote, newlines_in_values=True),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        if table.num_rows != len(records):
            raise ValueError(NOT_ONE_ROW)
        return table.combine_chunks().to_batches()[0]

    def _typed(self, texts: pa.RecordBatch, places: Sequence[int], refused: dict[int, str]) -> pa.RecordBatch:
        """The cells in the types of their columns; what is no such value is added to `refused` by the number of its record."""
        columns, keep = {}, [True] * len(places)
        for name in self.names:
            column = self.schema.field(name) if name in self.schema.names else pa.field(name, pa.string())
            columns[name], bad = parse(texts.column(name), column)
            if name in self.inferred:
                bad += losing(texts.column(name), column.type)
            for row in bad:
                refused.setdefault(places[row], f"{name}: {texts.column(name)[row].as_py()!r} is no {said(column)}")
                keep[row] = False
        schema = pa.schema([*self.schema, *(pa.field(name, pa.string()) for name in self.names if name not in self.schema.names)])
        arrays = [columns[column.name] if column.name in columns else pa.nulls(len(places), column.type) for column in schema]
        rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
        return rows if all(keep) else rows.filter(pa.array(keep))

    def _reason(self, error: Exception) -> str:
        if fields := _FIELDS.search(str(error)):
            return f"it has {fields[2]} fields, not {fields[1]}"
        if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error):
            return NOT_ENCODED.format(self.encoding)
        return str(error)


def header(head: bytes, dialect: Dialect, encoding: str) -> tuple[tuple[str, ...], int]:
    """The names in the first record of a file, and where that record ends.

    Raises:
        UnusableHeader: there is none, or two columns have one name.
    """
    begin = len(BOM) if head.startswith(BOM) else 0
    first = next(dialect.split(head[begin:]), b"")
    try:
        words = next(csv.reader([first.decode(encoding).rstrip("\r\n")], delimiter=dialect.delimiter, quotechar=dialect.quote), [])
    except (*UNREADABLE, csv.Error) as error:
        raise UnusableHeader(str(error)) from error
    if not words or "" in words or len(set(words)) < len(words):
        raise UnusableHeader(f"{words}: every column needs a name of its own")
    return tuple(words), begin + len(first)


def _numbered(records: Iterable[bytes]) -> tuple[list[int], list[bytes]]:
    """The records that are not blank, and in which line of their block each begins."""
    lines, kept, line = [], [], 0
    for record in records:
        if record.strip(b"\r\n"):
            lines.append(line)
            kept.append(record)
        line += record.count(b"\n")
    return lines, kept
