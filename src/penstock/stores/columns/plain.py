"""The types that flow here, for columns of any Arrow type."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from penstock.stores.columns.types import TYPES, json_field

_PLAIN: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (pa.types.is_uint64, pa.decimal128(20, 0)),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_string_view, pa.string()),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_binary_view, pa.binary()),
    (pa.types.is_fixed_size_binary, pa.binary()),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_time, pa.time64("us")),
    (pa.types.is_null, pa.string()),
)


def plain(schema: pa.Schema) -> pa.Schema:
    """The columns of `schema` in types of which every sink knows what to do: the widest of their kind, and JSON text for what is nested."""
    return pa.schema([_plain(field) for field in schema])


def _plain(field: pa.Field) -> pa.Field:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if kind in TYPES.values() or pa.types.is_decimal128(kind):
        return field.with_type(kind)
    if pa.types.is_timestamp(kind):
        return field.with_type(pa.timestamp("us", "UTC" if kind.tz else None))
    found = next((plain for fits, plain in _PLAIN if fits(kind)), None)
    return field.with_type(found) if found else json_field(field.name).with_nullable(field.nullable)
