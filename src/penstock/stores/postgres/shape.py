"""The columns and keys of a table that exists, held against those of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from penstock.stores.postgres.column_types import sql_type, takes
from penstock.stores.postgres.names import TableName

if TYPE_CHECKING:
    from penstock.stores.postgres.connections import Connection

COLUMNS = """
    select attname, format_type(atttypid, atttypmod) as type, attnotnull, atthasdef or attidentity <> '' as filled
    from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum"""

KEYS = """
    select array_agg(attname::text) as columns, bool_and(attnotnull) as required
    from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)
    where indrelid = to_regclass($1) and indisunique and indisvalid and indpred is null and indexprs is null
    group by indexrelid"""

VIEWS = """
    select distinct c.oid::regclass::text as view
    from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class c on c.oid = r.ev_class
    where d.classid = 'pg_rewrite'::regclass and d.refobjid = to_regclass($1) and c.oid <> d.refobjid order by 1"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its type, whether it takes no null, and whether the table fills it by itself."""

    type: str
    required: bool
    filled: bool


async def columns(connection: Connection, name: TableName) -> dict[str, Column]:
    """The columns of a table, in their order; none where there is no such table."""
    rows = await connection.fetch(COLUMNS, name.sql)
    return {row["attname"]: Column(row["type"], row["attnotnull"], row["filled"]) for row in rows}


async def keys(connection: Connection, name: TableName) -> list[set[str]]:
    """The columns of each unique key of a table that takes no null."""
    return [set(row["columns"]) for row in await connection.fetch(KEYS, name.sql) if row["required"]]


async def views(connection: Connection, name: TableName) -> list[str]:
    """The views that are made of a table, so that it cannot be dropped."""
    return [row["view"] for row in await connection.fetch(VIEWS, name.sql)]


def lacking(found: Mapping[str, Column], schema: pa.Schema) -> list[pa.Field]:
    """Columns of the rows that the table has not."""
    return [field for field in schema if field.name not in found]


def differences(found: Mapping[str, Column], schema: pa.Schema) -> Iterator[str]:
    """Column by column, what is there and what the rows bring, where the two do not go together."""
    for field in schema:
        if field.name in found and not takes(found[field.name].type, field):
            yield f"{field.name} is {found[field.name].type}, the rows have {sql_type(field)}"
    for name, column in found.items():
        if column.required and not column.filled and name not in schema.names:
            yield f"{name} is {column.type} not null, the rows do not have it"


def said(fields: Sequence[pa.Field]) -> Iterator[str]:
    """Of each column that is missing, what the rows have."""
    for field in fields:
        yield f"{field.name} is missing, the rows have {sql_type(field)}"
