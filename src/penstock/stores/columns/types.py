"""The types that every source may yield and every sink takes, and their names in a pipeline file."""

from __future__ import annotations

import re

import pyarrow as pa

from penstock.model.errors import Misconfigured

JSON = b"penstock.json"
"""Field metadata: the text of this column is JSON; a store that has such a type uses it."""

TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us", "UTC"),
    "datetime": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "uuid": pa.uuid(),
}
"""By name. `timestamp` is a point in time, kept in UTC; `datetime` is what a calendar and a clock show, without a zone."""

_DECIMAL = re.compile(r"decimal\((\d{1,2}), ?(\d{1,2})\)")


class UnknownType(Misconfigured):
    """There is no such type of column."""

    default_hint = f"The types are {', '.join(TYPES)}, decimal(precision, scale) and json."


def named(name: str, type_name: str) -> pa.Field:
    """The column `name` of the type that is called `type_name`.

    Raises:
        UnknownType: nothing is called that, or a decimal has more than 38 digits.
    """
    if type_name == "json":
        return json_field(name)
    if match := _DECIMAL.fullmatch(type_name):
        precision, scale = map(int, match.groups())
        if 1 <= precision <= 38 and scale <= precision:
            return pa.field(name, pa.decimal128(precision, scale))
    if type_name not in TYPES:
        raise UnknownType(f"{name} = {type_name!r}")
    return pa.field(name, TYPES[type_name])


def said(field: pa.Field) -> str:
    """The name of a column's type; Arrow's own name where it has none here."""
    if is_json(field):
        return "json"
    if pa.types.is_decimal(field.type):
        return f"decimal({field.type.precision}, {field.type.scale})"
    return next((name for name, known in TYPES.items() if known == field.type), str(field.type))


def json_field(name: str) -> pa.Field:
    """A column of JSON text."""
    return pa.field(name, pa.string(), metadata={JSON: b"true"})


def is_json(field: pa.Field) -> bool:
    """Whether the column's text is JSON."""
    return (field.metadata or {}).get(JSON) == b"true"
