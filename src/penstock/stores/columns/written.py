"""Values as text, in the notation in which `penstock.stores.columns.parse` reads them."""

from __future__ import annotations

import base64

import pyarrow as pa
import pyarrow.compute as pc

AS_THEY_ARE = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string)
"""Types that formats of text have themselves."""


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
