"""Rows that a Python program holds, as a source: dictionaries or Arrow batches, that may or may not be gone through again."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, TypeAlias

import pyarrow as pa

from penstock.model.coverage import Position, Span, missing
from penstock.model.errors import Misconfigured
from penstock.ports.flow import Batch, Refusal, as_received
from penstock.ports.source import Partition, Plan, PositionLost, Progress, Scope
from penstock.stores.columns import conform, infer, plain, record_batch
from penstock.stores.columns.texts import UNREADABLE, in_parts

CHUNK_ROWS = 10_000
"""Rows of a batch, and those of which the columns are inferred."""

END = (2**63).to_bytes(8, "big")
"""The end of rows of which nobody knows how many there are."""

OTHER_COLUMNS = "it has other columns"

Row = Mapping[str, Any]
Chunk: TypeAlias = pa.RecordBatch | Sequence[Row]


class NoRows(Misconfigured):
    """These are no rows."""

    default_hint = "Give dictionaries, an Arrow table or reader, a Source, or the path of a pipeline file that ends in .toml."


class RowsGone(PositionLost):
    """The rows were gone through, and cannot be read again."""

    default_hint = "What was stored stays. Call again with rows that begin anew; a list or an Arrow table is read again by itself."


@dataclass(slots=True)
class Rows:
    """Rows by their number. `chunks` begins anew with each call where `again`, and otherwise goes on where it was.

    The columns are those of the first chunk; a row that does not fit them is refused.
    """

    chunks: Callable[[], Iterator[Chunk]]
    again: bool
    schema: pa.Schema
    epoch: str = field(default_factory=lambda: secrets.token_hex(8))
    splitting: None = None
    releasing: None = None
    growing: None = None
    _read: int = 0

    @classmethod
    def of(cls, rows: object) -> Rows:
        """A source of what somebody gave; raises `NoRows` where it is none."""
        if hasattr(rows, "__arrow_c_stream__"):
            return _of_arrow(rows)
        if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
            raise NoRows(type(rows).__name__)
        if isinstance(rows, Sequence):
            return cls(lambda: _chunks(rows), again=True, schema=_inferred(next(_chunks(rows), [])))
        chunks = _chunks(rows)
        first = next(chunks, [])
        left = chain([first], chunks)
        return cls(lambda: left, again=False, schema=_inferred(first))

    async def plan(self, done: Progress) -> Plan:
        """One partition: what no earlier write of this call has stored."""
        scope = done.scope or Scope(Span(self._at(0), Position(self.epoch, END)))
        spans = enumerate(missing(done.coverage, scope.span))
        return Plan(scope, tuple(Partition(number, span.start, span.end) for number, span in spans))

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """The rows from one number to another.

        Raises:
            RowsGone: they were read before, and cannot be read again.
        """
        at, end = (int.from_bytes(place.order, "big") for place in (partition.start, partition.end))
        if not self.again and at != self._read:
            raise RowsGone(f"at row {at:,}, when {self._read:,} had been read")
        first = 0 if self.again else at
        for chunk in self.chunks():
            first, low = first + len(chunk), first
            if first > at:
                self._read = upto = min(first, end)
                yield self._batch(chunk[at - low : upto - low], at, upto)
                at = upto
            if at == end:
                return
        yield Batch(pa.RecordBatch.from_pylist([], schema=self.schema), (), self._at(at), partition.end)

    def _batch(self, chunk: Chunk, low: int, high: int) -> Batch:
        rows, refused = self._fitted(chunk)
        return Batch(rows, tuple(refused), self._at(low), self._at(high))

    def _fitted(self, chunk: Chunk) -> tuple[pa.RecordBatch, Iterator[Refusal]]:
        """The rows in the columns of the first ones, and those that do not fit."""
        parts, refused = [pa.RecordBatch.from_pylist([], schema=self.schema)], dict[int, str]()
        for first, found in [(0, chunk)] if isinstance(chunk, pa.RecordBatch) else _arrow(chunk, self.schema):
            if isinstance(found, Exception):
                refused[first] = str(found)
            else:
                fitted = conform(found, self.schema)
                parts.append(fitted.rows)
                refused.update({first + row: reason for row, reason in fitted.refused.items()})
        return pa.concat_batches(parts), (Refusal(row, _raw(chunk, row), reason, "penstock.run") for row, reason in refused.items())

    def _at(self, row: int) -> Position:
        return Position(self.epoch, row.to_bytes(8, "big"))


def _of_arrow(rows: Any) -> Rows:  # noqa: ANN401 - whatever speaks the Arrow PyCapsule interface
    if isinstance(rows, pa.RecordBatchReader):
        return Rows(lambda: iter(rows), again=False, schema=_plain(rows.schema))
    table = pa.table(rows)
    return Rows(lambda: iter(table.to_batches(max_chunksize=CHUNK_ROWS)), again=True, schema=_plain(table.schema))


def _plain(schema: pa.Schema) -> pa.Schema:
    if not schema.names or len(set(schema.names)) < len(schema.names):
        raise NoRows(f"the columns are {schema.names}; each needs a name of its own")
    return plain(schema)


def _chunks(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    left = iter(rows)
    while chunk := list(islice(left, CHUNK_ROWS)):
        yield chunk


def _inferred(chunk: Chunk) -> pa.Schema:
    for row in chunk:
        if not isinstance(row, Mapping):
            raise NoRows(f"a {type(row).__name__} is no dictionary")
        for name in row:
            if not isinstance(name, str):
                raise NoRows(f"the name of a column is text, and {name!r} is none")
    schema = infer(chunk)
    if len(chunk) and not schema.names:
        raise NoRows(f"no column has a value in the first {len(chunk):,}")
    return schema


def _arrow(chunk: Sequence[Row], schema: pa.Schema) -> Iterator[tuple[int, pa.RecordBatch | Exception]]:
    """Dictionaries as Arrow has them: in these columns, and each that does not fit in columns of its own, or why it has none."""
    for first, found in in_parts(len(chunk), lambda start, end: _strict(chunk[start:end], schema)):
        yield first, _own(chunk[first : first + 1]) if isinstance(found, Exception) else found


def _strict(rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch:
    for row in rows:
        if any(row[name] is not None for name in row.keys() - set(schema.names)):
            raise ValueError(OTHER_COLUMNS)
    return record_batch(rows, schema)


def _own(rows: Sequence[Row]) -> pa.RecordBatch | Exception:
    try:
        return record_batch(rows, infer(rows))
    except (*UNREADABLE, TypeError) as error:
        return error


def _raw(chunk: Chunk, row: int) -> bytes:
    return as_received(chunk.slice(row, 1)) if isinstance(chunk, pa.RecordBatch) else json.dumps(dict(chunk[row]), default=str).encode()
