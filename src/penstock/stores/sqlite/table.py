"""A table of a SQLite file that a pipeline writes: made out of an Arrow schema, or held against it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import pyarrow as pa

from penstock.ports.checkpoints import Run
from penstock.ports.ends import Mode
from penstock.stores.sqlite.column_types import declared, takes
from penstock.stores.sqlite.names import quoted
from penstock.stores.tables import ForeignTable, TableDoesNotFit, TableGone

KEYS = """
    select group_concat(i.name, char(0)) as columns from pragma_index_list(:name) l, pragma_index_info(l.name) i
    where l."unique" and not l.partial group by l.name
    union all select group_concat(name, char(0)) from pragma_table_info(:name) where pk having count(*)"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its declared type, and whether a row must bring a value for it."""

    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table that one pipeline writes, in the transaction of the caller. In mode upsert `key` tells rows apart.

    In mode replace rows go into a table aside, which takes this one's place when it is published. `evolves`: columns that it lacks are
    added.
    """

    name: str
    key: tuple[str, ...] = ()
    mode: Mode = "append"
    evolves: bool = False

    @property
    def into(self) -> str:
        """Where rows are written to."""
        if self.mode != "replace":
            return self.name
        return f"penstock_replacing_{sha256(self.name.encode()).hexdigest()[:16]}"

    def prepare(self, connection: sqlite3.Connection, run: Run, schema: pa.Schema) -> None:
        """Create the table for the run's pipeline, or check that it may be used and fits.

        Raises:
            TableDoesNotFit: its columns, their types or its key differ.
            ForeignTable: another pipeline writes it.
            TableGone: this pipeline had stored rows there, and it does not exist.
        """
        stored = connection.execute("select 1 from penstock_coverage where pipeline = ?", (run.pipeline.name,)).fetchone()
        found = self.examine(connection, run.pipeline.name, schema)
        if self.mode == "replace":
            if not stored:
                connection.execute(f"drop table if exists {quoted(self.into)}")
            found = columns(connection, self.into)
            self._require_columns(found, schema)
        if not found and stored:
            raise TableGone(f"{self.name}; {run.pipeline.name} has stored rows there")
        if not found:
            self._create(connection, schema)
        for field in schema if found else ():
            if field.name not in found:
                connection.execute(f"alter table {quoted(self.into)} add column {quoted(field.name)} {declared(field)}")
        connection.execute("update penstock_pipelines set target = ? where name = ?", (self.name, run.pipeline.name))

    def examine(self, connection: sqlite3.Connection, pipeline: str, schema: pa.Schema) -> dict[str, Column]:
        """Check that the table may be used and fits, where it exists; see `prepare`. Answers its columns, and changes nothing."""
        for field in schema:
            declared(field)
        if strange := set(self.key) - set(schema.names):
            raise TableDoesNotFit(f"{self.name}: the key {', '.join(sorted(strange))} is no column of the rows")
        found = columns(connection, self.name)
        if columns(connection, "penstock_pipelines"):
            sql = "select name from penstock_pipelines where target = ? and name <> ?"
            others = connection.execute(sql, (self.name, pipeline)).fetchall()
            if others:
                raise ForeignTable(f"{self.name} is written by {', '.join(sorted(row['name'] for row in others))}")
        if found and self.mode != "replace":
            self._require_columns(found, schema)
            self._require_key(connection)
        return found

    def _require_columns(self, found: Mapping[str, Column], schema: pa.Schema) -> None:
        if found and (unlike := list(self._differences(found, schema))):
            raise TableDoesNotFit(f"{self.name}: {'; '.join(unlike)}")

    def _differences(self, found: Mapping[str, Column], schema: pa.Schema) -> Iterator[str]:
        for field in schema:
            if field.name not in found:
                if not self.evolves:
                    yield f"{field.name} is missing, the rows have {declared(field)}"
            elif not takes(found[field.name].type, field):
                yield f"{field.name} is {found[field.name].type}, the rows have {declared(field)}"
        for name, column in found.items():
            if column.required and name not in schema.names:
                yield f"{name} is {column.type} not null, the rows do not have it"

    def _require_key(self, connection: sqlite3.Connection) -> None:
        found = [set(row["columns"].split("\0")) for row in connection.execute(KEYS, {"name": self.name})]
        if self.key and set(self.key) not in found:
            there = " and ".join(", ".join(sorted(key)) for key in found) or "missing"
            raise TableDoesNotFit(f"{self.name}: its unique key is {there}, the rows have {', '.join(self.key)}")

    def _create(self, connection: sqlite3.Connection, schema: pa.Schema) -> None:
        parts = []
        for field in schema:
            required = not field.nullable or field.name in self.key
            parts.append(f"{quoted(field.name)} {declared(field)}{' not null' if required else ''}")
        if self.key:
            parts.append(f"primary key ({', '.join(map(quoted, self.key))})")
        connection.execute(f"create table {quoted(self.into)} ({', '.join(parts)})")

    def publish(self, connection: sqlite3.Connection) -> None:
        """In mode replace: put the table aside in this one's place. Nothing where that was done before."""
        if self.mode == "replace" and columns(connection, self.into):
            connection.execute("pragma legacy_alter_table = on")  # or a view of the table that is replaced would stand in the way
            connection.execute(f"drop table if exists {quoted(self.name)}")
            connection.execute(f"alter table {quoted(self.into)} rename to {quoted(self.name)}")


def columns(connection: sqlite3.Connection, name: str) -> dict[str, Column]:
    """The columns of a table, in their order; none where there is no such table."""
    rows = connection.execute('select name, type, "notnull" and dflt_value is null as required from pragma_table_info(?)', (name,))
    return {row["name"]: Column(row["type"], bool(row["required"])) for row in rows}
