"""Columns in other types; a value that is none of the type sends its row to the dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from penstock.pipelines.stages.step import Cause, Sifted, StageDoesNotFit, Step, required, row_by_row
from penstock.stores.columns import is_json, json_text, named, parse, said
from penstock.stores.columns.texts import UNREADABLE

UNITS: Mapping[str, tuple[str, int]] = {
    "timestamp(s)": ("s", 1_000_000),
    "timestamp(ms)": ("ms", 1_000),
    "timestamp(us)": ("us", 1),
}
"""Numbers since 1970-01-01T00:00:00Z become `timestamp`: the unit's name, and how many microseconds it has."""


SHOWN = 60
"""Characters of a value that a reason shows."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Column to type, by the names of `penstock.stores.columns.named` and of `UNITS`."""

    place: str
    types: Mapping[str, str]

    def bind(self, schema: pa.Schema) -> Step:
        """See `Stage`."""
        required(schema, self.types, self.place)
        casts = tuple(self._column(schema.field(name), type_name) for name, type_name in self.types.items())
        cast = {one.becomes.name: one.becomes for one in casts}
        return _Casting(self.place, pa.schema([cast.get(field.name, field) for field in schema], schema.metadata), casts)

    def _column(self, was: pa.Field, type_name: str) -> _Column:
        becomes = column_type(was.name, type_name).with_nullable(was.nullable)
        column = _Column(was, becomes, UNITS.get(type_name, ("", 0))[1])
        number = pa.types.is_integer(was.type) or pa.types.is_floating(was.type) or pa.types.is_decimal(was.type)
        if number and pa.types.is_timestamp(becomes.type) and not column.unit_us:
            raise StageDoesNotFit(f"{self.place}: `{was.name}` is {said(was)}; write {', '.join(UNITS)} to say what it counts")
        if column.unit_us and not number:
            raise StageDoesNotFit(f"{self.place}: `{was.name}` is {said(was)}, and {type_name} is for numbers; write timestamp")
        try:
            column.cast(pa.array([], was.type))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            raise StageDoesNotFit(f"{self.place}: `{was.name}` is {said(was)}, which cannot become {type_name}") from None
        return column


def column_type(name: str, type_name: str) -> pa.Field:
    """The column that a cast to `type_name` gives; raises `UnknownType`."""
    return named(name, "timestamp" if type_name in UNITS else type_name)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: what it was, what it becomes, and for numbers that become a time how many microseconds one is (else 0)."""

    was: pa.Field
    becomes: pa.Field
    unit_us: int

    def cast(self, values: pa.Array) -> pa.Array:
        """The values in the new type; raises where one of them is none of it."""
        if pa.types.is_string(self.was.type) and not (is_json(self.was) and pa.types.is_string(self.becomes.type)):
            return self._parsed(values)
        if is_json(self.becomes):
            return pa.array([None if value is None else json_text(value) for value in values.to_pylist()], pa.string())
        if self.was.type == pa.uuid() and pa.types.is_string(self.becomes.type):
            return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())
        if self.unit_us:
            exact = pc.multiply(pc.cast(values, pa.decimal128(30, 6)), pa.scalar(self.unit_us, pa.decimal128(7, 0)))
            return pc.cast(pc.cast(pc.round(exact), pa.int64()), self.becomes.type)
        if pa.types.is_integer(self.was.type) and pa.types.is_decimal(self.becomes.type):
            values = pc.cast(values, pa.decimal128(38, min(self.becomes.type.scale, 19)))  # wants room for every int64
        if pa.types.is_floating(self.was.type) and pa.types.is_decimal(self.becomes.type):
            return pa.array([None if value is None else Decimal(repr(value)) for value in values.to_pylist()], self.becomes.type)
        return pc.cast(values, self.becomes.type)

    def _parsed(self, texts: pa.Array) -> pa.Array:
        values, bad = parse(texts, self.becomes)
        if bad:
            raise pa.ArrowInvalid(texts[bad[0]].as_py())
        return values


@dataclass(frozen=True, slots=True)
class _Casting:
    place: str
    schema: pa.Schema
    columns: tuple[_Column, ...]
    left_out: Cause = "filtered"
    remembers: bool = False

    def apply(self, rows: pa.RecordBatch, state: bytes) -> Sifted:
        del state
        return row_by_row(rows, self._cast)

    def _cast(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        cast = {column.becomes.name: _told(column, rows.column(column.was.name)) for column in self.columns}
        return pa.RecordBatch.from_arrays([cast.get(name, rows.column(name)) for name in rows.schema.names], schema=self.schema)


def _told(column: _Column, values: pa.Array) -> pa.Array:
    """The values cast; a single one that cannot be is named, with its column."""
    try:
        return column.cast(values)
    except UNREADABLE:
        if len(values) > 1:
            raise
        said_value = repr(values[0].as_py())
        shown = said_value if len(said_value) <= SHOWN else f"{said_value[:SHOWN]}..."
        raise pa.ArrowInvalid(f"{column.was.name}: {shown} is no {said(column.becomes)}") from None
