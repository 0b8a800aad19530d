"""Lines of JSON as Arrow columns: a block at a time, and line by line only where one is no row of these columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from penstock.stores.columns import EXACT_INTEGERS, JSON_FITS, conform, exact, infer, is_json, parse, said, widened
from penstock.stores.columns.texts import UNREADABLE, in_parts
from penstock.stores.files.text import Bad, Decoded

NOT_AN_OBJECT = "it is no JSON object"
NOT_UTF8 = "it is not valid UTF-8"
ROUNDED = "a whole number has more digits than a float64 keeps"

_OPENS, _CLOSES, _RETURNS, _ENDS = b"{}\r\n"

_NULL = msgspec.Raw(b"null")
_objects = msgspec.json.Decoder(dict[str, Any])
_LONG = re.compile(rb"[:\s](-?[1-9][0-9]{15,})(?=\s*[,}])")
"""A whole number of so many digits that a float64 may not keep them; msgspec rounds it."""
_raw_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class RowDecoder:
    """Makes rows with the columns of `schema` out of lines; a line that has others makes its block have them, too.

    `void` are names that are expected to be null; where they are not, they are other columns.
    """

    schema: pa.Schema
    void: frozenset[str] = frozenset()
    _decoder: msgspec.json.Decoder[Any] = field(init=False, repr=False)
    _arrow: pa.Schema | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_decoder", msgspec.json.Decoder(_struct(self.schema, self.void)))
        object.__setattr__(self, "_arrow", _for_arrow(self.schema, self.void))

    def decode(self, block: bytes) -> Decoded:
        """The rows of a block of whole lines; blank ones are none."""
        try:
            rows = self._by_arrow(block)
            return Decoded(self._columns(block) if rows is None else rows, ())
        except UNREADABLE:
            lines = [(number, line) for number, raw in enumerate(block.split(b"\n")) if (line := raw.strip())]
            return self._in_parts([number for number, _ in lines], [line for _, line in lines])

    def _by_arrow(self, block: bytes) -> pa.RecordBatch | None:
        """What `_columns` would make of a block, by Arrow's reader, which makes no objects and does not hold Python's lock.

        None where it might read them differently: it has no values that stay JSON, takes `NaN` for a number and any bytes for UTF-8, and
        stops at the second value of a name.
        """
        if self._arrow is None or (lines := _lines_of_objects(block)) < 0:
            return None
        parsing = json.ParseOptions(explicit_schema=self._arrow, unexpected_field_behavior="error")
        try:
            table = json.read_json(pa.BufferReader(block), json.ReadOptions(use_threads=False, block_size=len(block)), parsing)
            table.validate(full=True)
        except UNREADABLE:
            return None
        if table.num_rows != lines or not all(map(_is_finite, table.columns)):
            return None
        found = table.select(range(len(self.schema))).combine_chunks().to_batches()[0]
        return self._batch(block, [_parsed(column, field) for column, field in zip(found.columns, self.schema, strict=True)])

    def _columns(self, block: bytes) -> pa.RecordBatch:
        """All lines at once; raises one of `UNREADABLE` where not each of them is exactly one object with these columns.

        msgspec takes a line end for a blank. Where every line begins with `{` and ends with `}`, no object can go on over a line end (a `{`
        cannot follow a `}` inside of one), so that as many objects as lines are one on each.
        """
        objects = self._decoder.decode_lines(block)
        if len(objects) != _lines_of_objects(block):
            raise ValueError(NOT_AN_OBJECT)
        return self._batch(block, [_column(list(map(attrgetter(f"c{n}"), objects)), column) for n, column in enumerate(self.schema)])

    def _batch(self, block: bytes, columns: list[pa.Array]) -> pa.RecordBatch:
        """Columns as rows, unless a number in them is not the one that is written in the block."""
        if any(map(_has_large, columns)) and not all(exact(number.decode()) for number in _LONG.findall(block)):
            raise ValueError(ROUNDED)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _in_parts(self, numbers: Sequence[int], lines: Sequence[bytes]) -> Decoded:
        """Runs of lines that fit, and between them lines with other columns or values, and lines that are no rows."""
        parts: dict[int, pa.RecordBatch] = {}
        refused: dict[int, str] = {}
        for record, part in in_parts(len(lines), lambda start, end: self._columns(b"\n".join([*lines[start:end], b""]))):
            try:
                parts[record] = part if isinstance(part, pa.RecordBatch) else self._odd(lines[record])
            except UNREADABLE as error:
                refused[record] = _reason(error)
        rows = _joined(parts, self.schema, refused)
        return Decoded(rows, tuple(Bad(record, numbers[record], lines[record], refused[record]) for record in sorted(refused)))

    def _odd(self, line: bytes) -> pa.RecordBatch:
        """A line as a batch with its own columns; raises one of `UNREADABLE` where it is no row."""
        row, raws = _objects.decode(line), _raw_objects.decode(line)
        columns = [self._stated(column) for column in infer([row])]
        values = [_column([raws[column.name] if is_json(column) else row[column.name]], column) for column in columns]
        return pa.RecordBatch.from_arrays(values, schema=pa.schema(columns)) if columns else _empty(self.schema, 1)

    def _stated(self, column: pa.Field) -> pa.Field:
        """The column as it is here, or as it was stated where that is a type that JSON has not, written as text."""
        known = self.schema.field(column.name) if column.name in self.schema.names else column
        return known if self._is_text(known) else column

    def _is_text(self, column: pa.Field) -> bool:
        return said(column) not in (*JSON_FITS, "json")


def decoder_for(rows: Sequence[Mapping[str, Any]], stated: Mapping[str, pa.Field]) -> RowDecoder:
    """A decoder for the columns that rows have: those that are stated as they are stated, the others as they look."""
    inferred = {column.name: column for column in infer({n: v for n, v in row.items() if n not in stated} for row in rows)}
    found = dict.fromkeys(name for row in rows for name in row)
    columns = {name: {**inferred, **stated}[name] for name in [*found, *stated] if name in inferred or name in stated}
    return RowDecoder(pa.schema(list(columns.values())), frozenset(found) - columns.keys())


def sample(block: bytes) -> list[Mapping[str, Any]]:
    """The objects of some lines, for their columns to be inferred; what is none is left out."""
    rows: list[Mapping[str, Any]] = []
    for line in block.splitlines():
        with suppress(*UNREADABLE):
            rows.append(_objects.decode(line))
    return rows


def _struct(schema: pa.Schema, void: Iterable[str]) -> type[msgspec.Struct]:
    """One object: a member for each column, those that are null, and no other."""
    nulls = sorted(void)
    members = [(f"c{number}", *_member(column)) for number, column in enumerate(schema)]
    members += [(f"n{number}", None, None) for number in range(len(nulls))]
    names = {f"c{number}": column.name for number, column in enumerate(schema)} | {f"n{number}": name for number, name in enumerate(nulls)}
    return msgspec.defstruct("Row", members, rename=names, forbid_unknown_fields=True, gc=False)


def _for_arrow(schema: pa.Schema, void: Iterable[str]) -> pa.Schema | None:
    """The columns as Arrow's reader is to read them; None where there is one that it cannot."""
    if any(map(is_json, schema)):
        return None
    columns = [pa.field(column.name, column.type if said(column) in JSON_FITS else pa.string()) for column in schema]
    return pa.schema([*columns, *(pa.field(name, pa.null()) for name in sorted(void))])


def _member(column: pa.Field) -> tuple[Any, Any]:
    if is_json(column):
        return msgspec.Raw, _NULL
    return JSON_FITS.get(said(column), str) | None, None


def _column(values: list[Any], column: pa.Field) -> pa.Array:
    if is_json(column):
        return pa.array([None if (text := bytes(value)) == b"null" else text.decode() for value in values], pa.string())
    if said(column) in JSON_FITS:
        return pa.array(values, column.type)
    other = next((value for value in values if value is not None and not isinstance(value, str)), None)
    if other is not None:
        raise NotThisTypeError(f"{column.name}: {other!r} is no {said(column)}")
    return _parsed(pa.array(values, pa.string()), column)


def _parsed(values: pa.Array, column: pa.Field) -> pa.Array:
    """Values of a column that JSON has, or the texts of one that it has not."""
    if said(column) in JSON_FITS:
        return values
    parsed, bad = parse(values, column)
    if bad:
        raise NotThisTypeError(f"{column.name}: {values[bad[0]].as_py()!r} is no {said(column)}")
    return parsed


def _lines_of_objects(block: bytes) -> int:
    """How many lines a block has, each of which begins with `{` and ends with `}`; -1 where one does not."""
    octets = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(octets == _ENDS)
    if not len(ends) or ends[-1] != len(block) - 1 or octets[0] != _OPENS or (octets[ends[:-1] + 1] != _OPENS).any():
        return -1
    last = octets[ends - 1]
    if (last == _RETURNS).all():
        last = octets[ends - 2]
    return len(ends) if (last == _CLOSES).all() else -1


def _is_finite(column: pa.ChunkedArray) -> bool:
    return column.type != pa.float64() or pc.all(pc.is_finite(column)).as_py() is not False


def _has_large(column: pa.Array) -> bool:
    """Whether numbers of a column with fractions are so large that whole ones may have been rounded."""
    if column.type != pa.float64():
        return False
    bounds = pc.min_max(column).as_py()
    return bool(max(abs(bounds["min"] or 0), abs(bounds["max"] or 0)) >= EXACT_INTEGERS)


class NotThisTypeError(ValueError):
    """A text is no value of the stated type."""


def _joined(parts: Mapping[int, pa.RecordBatch], schema: pa.Schema, refused: dict[int, str]) -> pa.RecordBatch:
    """Batches, by the numbers of their first lines, in the columns of all of them; rows that these cannot hold are added to `refused`."""
    for part in parts.values():
        schema = widened(schema, part.schema)
    batches = [pa.RecordBatch.from_pylist([], schema=schema)]
    for number in sorted(parts):
        fitted = conform(parts[number], schema)
        refused.update({number + row: why for row, why in fitted.refused.items()})
        batches.append(fitted.rows)
    return pa.concat_batches(batches)


def _empty(schema: pa.Schema, rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(rows, column.type) for column in schema], schema=schema)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return NOT_UTF8
    if isinstance(error, NotThisTypeError):
        return str(error)
    if isinstance(error, msgspec.ValidationError):
        return NOT_AN_OBJECT
    return f"it is no JSON: {error}"
