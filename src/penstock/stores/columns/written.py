"""Values as text, in the notation in which `penstock.stores.columns.parse` reads them."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

AS_THEY_ARE = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string)
"""Types that formats of text have themselves."""


YEARS: dict[pa.DataType, tuple[int, int]] = {
    pa.timestamp("us"): (-62_167_219_200_000_000, 253_402_300_799_999_999),
    pa.timestamp("us", "UTC"): (-62_167_219_200_000_000, 253_402_300_799_999_999),
    pa.date32(): (-719_528, 2_932_896),
}
"""The first and the last value of the years 0 to 9999, which are those that ISO 8601 writes; Arrow writes others wrongly, or not at all."""


def unsayable(columns: Mapping[str, pa.Array]) -> dict[int, str]:
    """By its number, why a row has no text: it has a time beyond the years that can be written."""
    return {
        row: f"{name} is not of the years 0 to 9999, which ISO 8601 can say" for name, column in columns.items() for row in _outside(column)
    }


def without(rows: pa.RecordBatch, bad: Collection[int]) -> pa.RecordBatch:
    """The other rows."""
    return rows.filter(pa.array([row not in bad for row in range(rows.num_rows)])) if bad else rows


def _outside(column: pa.Array) -> list[int]:
    if column.type not in YEARS:
        return []
    first, last = (pa.scalar(bound, column.type) for bound in YEARS[column.type])
    outside = pc.or_(pc.less(column, first), pc.greater(column, last))
    return list(pc.indices_nonzero(pc.fill_null(outside, False)).to_pylist())


def as_text(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows, every column of a type that text formats have not written out: times in ISO 8601, binary in base64."""
    columns = [_written(column) for column in rows.columns]
    fields = [
        field if field.type == column.type else field.with_type(column.type) for field, column in zip(rows.schema, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _written(column: pa.Array) -> pa.Array:
    if any(is_(column.type) for is_ in AS_THEY_ARE):
        return column
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ" if column.type.tz else "%Y-%m-%dT%H:%M:%S")
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return pa.array([None if value is None else base64.b64encode(value).decode() for value in column.to_pylist()], pa.string())
    if column.type == pa.uuid():
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())
