"""Rows fitted to the columns of a schema: those that fit, and why each other one does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.stores.columns.infer import EXACT_INTEGERS, exact, json_text
from penstock.stores.columns.texts import in_parts
from penstock.stores.columns.types import is_json, said


@dataclass(frozen=True, slots=True)
class Conformed:
    """The rows of a batch that fit a schema, and by its number in the batch why each other row does not."""

    rows: pa.RecordBatch
    refused: Mapping[int, str]


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> Conformed:
    """Fit a batch to `schema`: missing columns are null, and a value changes its type only where nothing of it is lost.

    A row is refused that has a value in a column which the schema has not, null where there must be something, or a value that does not
    fit its column. Text is never taken for anything else: `penstock.stores.columns.parse` does that on request.
    """
    refused: dict[int, str] = {}
    for field in batch.schema:
        if schema.get_field_index(field.name) < 0:
            for row in np.flatnonzero(batch.column(field.name).is_valid().to_numpy(zero_copy_only=False)).tolist():
                refused.setdefault(row, f"{field.name}: there is no such column")
    columns = [_fitted(batch, field, refused) for field in schema]
    if refused:
        keep = pa.array(np.delete(np.arange(batch.num_rows), list(refused)))
        columns = [column.take(keep) for column in columns]
    rows = pa.RecordBatch.from_arrays(columns, schema=schema)
    return Conformed(rows, dict(sorted(refused.items())))


def _fitted(batch: pa.RecordBatch, field: pa.Field, refused: dict[int, str]) -> pa.Array:
    """The column of one field; numbers and reasons of rows that have no place in it are added to `refused`."""
    place = batch.schema.get_field_index(field.name)
    column = pa.nulls(batch.num_rows, field.type) if place < 0 else _typed(batch.column(place), batch.schema.field(place), field, refused)
    if not field.nullable and column.null_count:
        for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
            refused.setdefault(row, f"{field.name}: there must be a value")
    return column


def _typed(column: pa.Array, was: pa.Field, field: pa.Field, refused: dict[int, str]) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == field.type and is_json(was) == is_json(field):
        return column
    pieces = []
    for start, piece in in_parts(len(column), lambda start, end: _lossless(column.slice(start, end - start), was, field)):
        if isinstance(piece, Exception):
            refused.setdefault(start, f"{field.name}: {_quoted(column[start])} is no {said(field)}")
        pieces.append(pa.nulls(1, field.type) if isinstance(piece, Exception) else piece)
    return pa.concat_arrays(pieces) if pieces else pa.array([], field.type)


def _lossless(column: pa.Array, was: pa.Field, field: pa.Field) -> pa.Array:
    """The column in the type of `field`; raises where a value would lose something, or is of another kind."""
    if is_json(was) and not is_json(field):
        return _decoded(column, field)
    if is_json(field):
        return _encoded(column)
    if not _akin(column.type, field.type):
        if column.null_count == len(column):
            return pa.nulls(len(column), field.type)
        raise pa.ArrowInvalid(f"{column.type} is no {field.type}")
    if field.type == pa.float64() and pa.types.is_integer(column.type):
        bounds = pc.min_max(column).as_py()
        if max(abs(bounds["min"] or 0), abs(bounds["max"] or 0)) > EXACT_INTEGERS:
            raise pa.ArrowInvalid("a float64 does not hold it exactly")
    return pc.cast(column, field.type)


def _decoded(column: pa.Array, field: pa.Field) -> pa.Array:
    """JSON's own values out of JSON text, strictly: a number is no text, and text no number."""
    kinds: dict[pa.DataType, type] = {pa.bool_(): bool, pa.int64(): int, pa.float64(): float, pa.string(): str}
    if field.type not in kinds:
        raise pa.ArrowInvalid(f"JSON has no {field.type}")
    if field.type == pa.float64() and not all(exact(text) for text in column.to_pylist() if text and text.lstrip("-").isdecimal()):
        raise pa.ArrowInvalid("a float64 does not hold it exactly")
    decoder = msgspec.json.Decoder(kinds[field.type] | None)
    return pa.array([None if text is None else decoder.decode(text) for text in column.to_pylist()], field.type)


def _encoded(column: pa.Array) -> pa.Array:
    return pa.array([None if value is None else json_text(value) for value in column.to_pylist()], pa.string())


def _akin(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether Arrow's checked cast between the two keeps the value or fails."""
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    if any(is_(one) for is_ in numbers) and any(is_(other) for is_ in numbers):
        return pa.types.is_floating(one) == pa.types.is_floating(other) or not (pa.types.is_decimal(one) or pa.types.is_decimal(other))
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other):
        return (one.tz is None) == (other.tz is None)
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    families = (
        texts,
        (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view),
        (pa.types.is_time,),
        (pa.types.is_date,),
    )
    return any(any(is_(one) for is_ in family) and any(is_(other) for is_ in family) for family in families)


def _quoted(value: pa.Scalar) -> str:
    fine = pa.types.is_timestamp(value.type)  # finer than Python's
    text = str(value.cast(pa.string())) if fine else repr(value.as_py())
    return text if len(text) <= 60 else f"{text[:57]}..."
