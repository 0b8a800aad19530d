"""Which columns rows have: inferred from Python values or from the texts of cells, never so that something is lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from penstock.stores.columns.types import TYPES, is_json, json_field, named, said

JSON_FITS: dict[str, type] = {"bool": bool, "int64": int, "float64": float, "string": str}
"""Types whose values JSON has itself, and Python's for them."""

EXACT_INTEGERS = 2**53
"""Up to this a float64 holds every integer."""

EXACT_DIGITS = 15
"""Up to so many decimal digits a float64 keeps all of them."""

_NUMBERS = ("int64", "float64")

_KINDS: dict[type, str] = {
    bool: "bool",
    int: "int64",
    float: "float64",
    str: "string",
    bytes: "binary",
    date: "date",
    time: "time",
    UUID: "uuid",
}

_SPELLED: dict[pa.DataType, type | tuple[type, ...]] = {pa.string(): str, pa.binary(): (bytes, bytearray, memoryview)}
"""Text and bytes, of which Arrow takes each for the other."""

_CELLS = (
    ("bool", r"^(?i:true|false)$"),
    ("int64", r"^(?:0|-?[1-9][0-9]{0,17})$"),
    ("float64", r"^-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,2})?$"),
    ("date", r"^\d{4}-\d\d-\d\d$"),
    ("timestamp", r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d(?::?\d\d)?)$"),
    ("datetime", r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?$"),
)
"""What the texts of all cells of a column have to look like for it to be of a type; `007` is none, nor what has more digits than fit."""


def infer(rows: Iterable[Mapping[str, Any]]) -> pa.Schema:
    """The columns of rows, in the order in which they are met.

    Whole numbers and others together are float64 where that is exact. Values of different kinds, nested ones and numbers that no type here
    holds make a column JSON text. A column that is null everywhere is none yet.
    """
    kinds: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                kind = _kind(value)
                known = kinds.setdefault(name, kind)
                if known != kind:
                    kinds[name] = _joined(known, kind)
    return pa.schema([named(name, kind) for name, kind in kinds.items()])


def infer_texts(names: Sequence[str], columns: Sequence[pa.Array]) -> pa.Schema:
    """The columns of text cells: the narrowest type that holds every one of them; text where none does, or where all are empty."""
    return pa.schema([named(name, _cell_type(texts)) for name, texts in zip(names, columns, strict=True)])


def widened(known: pa.Schema, found: pa.Schema) -> pa.Schema:
    """`known` with the columns of `found` that it lacks, and float64 or JSON text where the two have different types for one."""
    fields = {field.name: field for field in known}
    for field in found:
        before = fields.setdefault(field.name, field)
        if before.type != field.type or is_json(before) != is_json(field):
            both = {before.type, field.type} == {pa.int64(), pa.float64()}
            fields[field.name] = pa.field(field.name, pa.float64()) if both else json_field(field.name)
    return pa.schema(list(fields.values()), metadata=known.metadata)


def record_batch(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows in columns of `schema`, which was inferred from them or from others.

    Raises one of `UNREADABLE` where a value is not of the type of its column.
    """
    columns = [_column([row.get(field.name) for row in rows], field) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema) if columns else pa.RecordBatch.from_pylist([{}] * len(rows), schema=schema)


def json_text(value: object) -> str:
    """A value as JSON text.

    Raises:
        ValueError: JSON has nothing for it, or for something inside of it, such as a number that is not finite.
    """
    try:
        text = msgspec.json.encode(value).decode()
    except TypeError as error:
        raise ValueError(str(error)) from error
    if "null" in text and not _finite(msgspec.to_builtins(value)):  # msgspec writes null for such a number
        raise ValueError(f"{value} is not finite, which JSON cannot say")
    return text


def _finite(value: object) -> bool:
    """Whether every number in a value is finite."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or isfinite(value)


def _column(values: list[Any], field: pa.Field) -> pa.Array:
    if is_json(field):
        return pa.array([None if value is None else json_text(value) for value in values], pa.string())
    for value in values:
        if value is not None and not _held(value, field.type):
            raise pa.ArrowInvalid(f"{value} is no {said(field)}")
    if field.type == pa.uuid():
        return pa.array([None if value is None else UUID(str(value)).bytes for value in values], pa.uuid())
    return pa.array(values, field.type)


def _held(value: Any, kind: pa.DataType) -> bool:  # noqa: ANN401 - any value of a row
    """Whether a column of this type holds a value as it is, where Arrow would cut it off or take it for something else without a word."""
    if kind == pa.int64():
        return not isinstance(value, float | Decimal) or value == value // 1
    if kind == pa.float64():
        return not isinstance(value, int) or not (isinstance(value, bool) or abs(value) > EXACT_INTEGERS)
    if kind == pa.date32():
        return isinstance(value, date) and not isinstance(value, datetime)
    if kind in _SPELLED:
        return isinstance(value, _SPELLED[kind])
    if pa.types.is_timestamp(kind):
        return isinstance(value, datetime) and (value.tzinfo is None) == (kind.tz is None) and not _finer(value, kind)
    return kind != pa.time64("us") or (isinstance(value, time) and value.tzinfo is None)


def _finer(value: datetime, kind: pa.DataType) -> bool:
    """Whether a moment lies between two that a column of milliseconds can tell apart."""
    return kind.unit == "ms" and value.microsecond % 1_000 != 0


def _kind(value: Any) -> str:  # noqa: ANN401 - any value of a row
    """The name of the narrowest type that holds a value."""
    if isinstance(value, datetime):
        return "datetime" if value.tzinfo is None else "timestamp"
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return "json"
    return _KINDS.get(type(value), "json")


def _decimal(value: Decimal) -> str:
    """Room for 38 digits, as many of them behind the point as this value needs."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > 38 or value.adjusted() + 1 + max(0, -exponent) > 38:
        return "json"
    return f"decimal(38, {max(0, -exponent)})"


def _joined(known: str, found: str) -> str:
    if {known, found} == {"int64", "float64"}:
        return "float64"
    if known.startswith("decimal") and found.startswith("decimal"):
        return max(known, found, key=lambda name: named("", name).type.scale)
    return "json"


def _cell_type(texts: pa.Array) -> str:
    filled = texts.drop_null()
    if not len(filled):
        return "string"
    for name, pattern in _CELLS:
        if pc.all(pc.match_substring_regex(filled, pattern)).as_py() and _readable(filled, TYPES[name]):
            return name if name not in _NUMBERS or not losing(filled, TYPES[name]) else "string"
    return "string"


def losing(texts: pa.Array, kind: pa.DataType) -> list[int]:
    """The numbers of the texts that are numbers of this type and would lose something: leading noughts, or digits that are too many."""
    noughts = pc.match_substring_regex(texts, r"^\s*-?0[0-9]")
    found = set(pc.indices_nonzero(pc.fill_null(noughts, False)).to_pylist())
    if kind == pa.float64():
        long = pc.indices_nonzero(pc.fill_null(pc.greater(pc.binary_length(texts), EXACT_DIGITS), False))
        found |= {row for row in long.to_pylist() if not exact(texts[row].as_py())}
    return sorted(found)


def exact(text: str) -> bool:
    """Whether a float64 is written with the digits of this text, or with none at all."""
    try:
        number = float(text)
        return not isfinite(number) or Decimal(repr(number)) == Decimal(text.strip())
    except (ValueError, InvalidOperation):  # no number: parsing it tells
        return True


def _readable(texts: pa.Array, type_: pa.DataType) -> bool:
    """A date may look like one and be the 31st of February."""
    try:
        pc.cast(texts, type_)
    except pa.ArrowInvalid:
        return False
    return True
