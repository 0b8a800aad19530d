"""Arrow columns in SQLite, which has integers, reals, texts and blobs, and beside them only names of types.

What is none of these is text that no affinity turns into a number (https://sqlite.org/datatype3.html, 3.1): the names of such types end in
`_text`, and tell a reader of the table what the text says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.stores.columns import is_json, json_field
from penstock.stores.tables import NoSuchColumnType

DECLARED: dict[pa.DataType, str] = {
    pa.bool_(): "boolean",
    pa.int64(): "integer",
    pa.float64(): "real",
    pa.string(): "text",
    pa.binary(): "blob",
    pa.date32(): "date_text",
    pa.time64("us"): "time_text",
    pa.uuid(): "uuid_text",
    pa.timestamp("us", "UTC"): "timestamp_text",
    pa.timestamp("us"): "datetime_text",
}
_ARROW = {declared: kind for kind, declared in DECLARED.items()}
_DECIMAL = re.compile(r"decimal_text\((\d+),(\d+)\)")


def declared(field: pa.Field) -> str:
    """The type with which a column is declared.

    Raises:
        NoSuchColumnType: where there is none.
    """
    kind = field.type
    if is_json(field):
        return "json_text"
    if pa.types.is_decimal128(kind) and kind.scale >= 0:
        return f"decimal_text({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind) and kind.unit in ("ms", "us"):
        return "datetime_text" if kind.tz is None else "timestamp_text"
    if kind not in DECLARED:
        raise NoSuchColumnType(f"{field.name}: {kind}")
    return DECLARED[kind]


def arrow_field(name: str, found: str, *, nullable: bool) -> pa.Field:
    """The Arrow column of a declared type: one of ours by its name, any other by what SQLite keeps in it."""
    found = found.lower()
    if found == "json_text":
        return json_field(name).with_nullable(nullable)
    if match := _DECIMAL.fullmatch(found):
        return pa.field(name, pa.decimal128(int(match[1]), int(match[2])), nullable)
    kinds = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "BLOB": pa.binary(), "NUMERIC": pa.string()}
    return pa.field(name, _ARROW.get(found) or kinds[affinity(found)], nullable)


def affinity(found: str) -> str:
    """What SQLite turns values of a declared type into (https://sqlite.org/datatype3.html, 3.1)."""
    upper = found.upper()
    rules = (("INTEGER", ("INT",)), ("TEXT", ("CHAR", "CLOB", "TEXT")), ("BLOB", ("BLOB",)), ("REAL", ("REAL", "FLOA", "DOUB")))
    return next((kind for kind, parts in rules if any(part in upper for part in parts)), "NUMERIC" if found else "BLOB")


def takes(found: str, field: pa.Field) -> bool:
    """Whether a column of a declared type keeps the values of `field` as they are."""
    wanted, kept = declared(field), affinity(found)
    if wanted == "blob":
        return True
    if wanted in ("integer", "boolean"):
        return kept in ("INTEGER", "NUMERIC", "BLOB")
    if wanted == "real":
        return kept in ("REAL", "BLOB")
    return kept in ("TEXT", "BLOB")


def values(column: pa.Array) -> list[Any]:
    """A column as sqlite3 binds it."""
    kind = column.type
    if kind == pa.uuid():
        return [None if value is None else _hyphenated(value.hex()) for value in column.storage.to_pylist()]
    if kind == pa.bool_():
        return list(column.cast(pa.int64()).to_pylist())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_binary(kind) or pa.types.is_string(kind):
        return list(column.to_pylist())
    return list(column.cast(pa.string()).to_pylist())


def unstorable(column: pa.Array) -> Sequence[int]:
    """Numbers of the rows whose value SQLite would store as another: it makes null of NaN."""
    if not pa.types.is_floating(column.type) or not pc.any(pc.is_nan(column)).as_py():
        return ()
    return [row for row, value in enumerate(column.to_pylist()) if value is not None and math.isnan(value)]


def _hyphenated(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
