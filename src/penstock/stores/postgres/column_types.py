"""Which PostgreSQL types Arrow columns become, and which types of an existing table take them."""

from __future__ import annotations

import re

import pyarrow as pa

from penstock.stores.columns import is_json
from penstock.stores.tables import NoSuchColumnType

SQL_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.string(): "text",
    pa.binary(): "bytea",
    pa.date32(): "date",
    pa.time64("us"): "time without time zone",
    pa.uuid(): "uuid",
}
_UNITS = ("us", "ms")
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")


def sql_type(field: pa.Field) -> str:
    """The PostgreSQL type of an Arrow column, as `format_type` writes it.

    Raises:
        NoSuchColumnType: where there is none.
    """
    kind = field.type
    if is_json(field):
        return "jsonb"
    if pa.types.is_timestamp(kind) and kind.unit in _UNITS:
        return "timestamp without time zone" if kind.tz is None else "timestamp with time zone"
    if pa.types.is_decimal128(kind) and kind.scale >= 0:
        return f"numeric({kind.precision},{kind.scale})"
    if kind not in SQL_TYPES:
        raise NoSuchColumnType(f"{field.name}: {kind}")
    return SQL_TYPES[kind]


def takes(found: str, field: pa.Field) -> bool:
    """Whether a column of the type `found` holds what `field` brings, or refuses single values, but never rounds or cuts one."""
    wanted = sql_type(field)
    if wanted == "bigint":
        return found in ("bigint", "integer", "smallint")
    if wanted in ("text", "jsonb"):
        return found in (wanted, "text") or found.startswith("character varying")
    if wanted.startswith("numeric"):
        return found == "numeric" or _wider(found, field.type)
    return found == wanted


def _wider(found: str, decimal: pa.Decimal128Type) -> bool:
    match = _NUMERIC.fullmatch(found)
    if match is None:
        return False
    precision, scale = map(int, match.groups())
    return bool(scale >= decimal.scale and precision - scale >= decimal.precision - decimal.scale)
