"""A table that a pipeline writes: made out of an Arrow schema, or held against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from operator import eq
from typing import TYPE_CHECKING

import pyarrow as pa

from penstock.ports.checkpoints import Pipeline, Run
from penstock.ports.ends import Mode
from penstock.stores.postgres import shape
from penstock.stores.postgres.column_types import sql_type
from penstock.stores.postgres.names import TableName, literal, quoted
from penstock.stores.postgres.shape import Column
from penstock.stores.tables import ForeignTable, TableDoesNotFit, TableGone, TableInUse

if TYPE_CHECKING:
    from penstock.stores.postgres.connections import Connection


@dataclass(frozen=True, slots=True)
class Table:
    """A table that one pipeline writes.

    With a `key`, its columns tell rows apart: in mode append the first row of a key stays, the same again is a duplicate and another one is
    refused; in mode upsert the last one takes its place. In mode replace rows go into a table aside, which takes this one's place when it
    is published. `adopts`: a table that stands there already may be used. `evolves`: columns that it lacks are added.

    `alike` says of two records as received whether they are the same, where a source may write one in more than one way; it is asked only
    when everything else in their rows is equal.
    """

    name: TableName
    key: tuple[str, ...] = ()
    mode: Mode = "append"
    adopts: bool = False
    evolves: bool = False
    alike: Callable[[str, str], bool] = eq

    @property
    def into(self) -> TableName:
        """Where rows are written to."""
        if self.mode != "replace":
            return self.name
        return TableName(f"replacing_{sha256(self.name.sql.encode()).hexdigest()[:16]}", "penstock")

    async def prepare(self, connection: Connection, run: Run, schema: pa.Schema) -> Mapping[str, str]:
        """Create the table for the run's pipeline, or check that it may be used and fits. Answers the types of its columns.

        Raises:
            TableDoesNotFit: its columns, their types or its key differ.
            ForeignTable: it exists, and it is not this pipeline's.
            TableInUse: it cannot be replaced.
            TableGone: this pipeline had made it and stored rows, and it does not exist.
        """
        async with connection.transaction():
            found = await self.examine(connection, run.pipeline.name, schema)
            if self.mode == "replace":
                found = await self._aside(connection, run, schema)
            missing = shape.lacking(found, schema)
            if not found:
                await self._require_nothing_stored(connection, run)
                await self._create(connection, run, schema)
            elif missing:
                additions = ", ".join(f"add column {quoted(field.name)} {sql_type(field)}" for field in missing)
                await connection.execute(f"alter table {self.into.sql} {additions}")
            await connection.execute("update penstock.pipelines set target = $2 where name = $1", run.pipeline.name, self.target)
        return {field.name: found[field.name].type if field.name in found else sql_type(field) for field in schema}

    async def examine(self, connection: Connection, pipeline: str, schema: pa.Schema) -> dict[str, Column]:
        """Check that the table may be used and fits, where it exists; see `prepare`. Answers its columns, and changes nothing."""
        for field in schema:
            sql_type(field)
        if strange := set(self.key) - set(schema.names):
            raise TableDoesNotFit(f"{self.name}: the key {', '.join(sorted(strange))} is no column of the rows")
        found = await shape.columns(connection, self.name)
        if found:
            await self._require_ours(connection, pipeline)
            if self.mode == "replace":
                await self._require_replaceable(connection)
            else:
                self._require_columns(found, schema)
                await self._require_key(connection)
        return found

    async def _require_ours(self, connection: Connection, pipeline: str) -> None:
        if await connection.fetchval("select to_regclass('penstock.pipelines') is null"):
            owners = set()
        else:
            owners = {row["name"] for row in await connection.fetch("select name from penstock.pipelines where target = $1", self.target)}
        if owners - {pipeline}:
            raise ForeignTable(f"{self.name} is written by {', '.join(sorted(owners - {pipeline}))}")
        if not owners and not self.adopts:
            raise ForeignTable(f"{self.name} was not made by {pipeline}")

    async def _require_replaceable(self, connection: Connection) -> None:
        if views := await shape.views(connection, self.name):
            raise TableInUse(f"{self.name}: {', '.join(views)}")

    def _require_columns(self, found: Mapping[str, Column], schema: pa.Schema) -> None:
        missing = [] if self.evolves else shape.lacking(found, schema)
        if unlike := [*shape.said(missing), *shape.differences(found, schema)]:
            raise TableDoesNotFit(f"{self.name}: {'; '.join(unlike)}")

    async def _require_key(self, connection: Connection) -> None:
        if self.key and set(self.key) not in (found := await shape.keys(connection, self.name)):
            there = " and ".join(", ".join(sorted(key)) for key in found) or "missing"
            raise TableDoesNotFit(f"{self.name}: its unique key without nulls is {there}, the rows have {', '.join(self.key)}")

    async def _require_nothing_stored(self, connection: Connection, run: Run) -> None:
        if await self._stored(connection, run):
            raise TableGone(f"{self.name}; {run.pipeline.name} has stored rows there")

    async def _stored(self, connection: Connection, run: Run) -> bool:
        sql = "select exists (select from penstock.coverage where pipeline = $1)"
        return bool(await connection.fetchval(sql, run.pipeline.name))

    async def _aside(self, connection: Connection, run: Run, schema: pa.Schema) -> dict[str, Column]:
        """The columns of the table aside; what is there of a run that got nowhere is dropped, by nobody but the holder of the lease."""
        held = "select true from penstock.pipelines where name = $1 and fence = $2 for key share"
        if await connection.fetchval(held, run.pipeline.name, run.fence) and not await self._stored(connection, run):
            await connection.execute(f"drop table if exists {self.into.sql}")
        found = await shape.columns(connection, self.into)
        if found:
            self._require_columns(found, schema)
        return found

    async def publish(self, connection: Connection, run: Run) -> None:
        """In mode replace: put the table aside in this one's place, in the caller's transaction. Nothing where that was done before."""
        if self.mode != "replace" or not await shape.columns(connection, self.into):
            return
        schema = self.name.schema or await connection.fetchval("select current_schema()")
        aside = TableName(self.into.name, schema)
        await connection.execute(
            f"drop table if exists {self.name.sql};"
            f"alter table {self.into.sql} set schema {quoted(schema)};"
            f"alter table {aside.sql} rename to {quoted(self.name.name)}"
        )
        await self._remark(connection, run, TableName(self.name.name, schema))

    @property
    def target(self) -> str:
        """The table as `penstock.pipelines` has it."""
        return self.name.name if self.name.schema is None else self.name.sql

    async def _create(self, connection: Connection, run: Run, schema: pa.Schema) -> None:
        parts = [f"{quoted(field.name)} {sql_type(field)}{'' if field.nullable else ' not null'}" for field in schema]
        if self.key:
            parts.append(f"primary key ({', '.join(map(quoted, self.key))})")
        await connection.execute(f"create table {self.into.sql} ({', '.join(parts)})")
        await self._remark(connection, run, self.into)

    async def _remark(self, connection: Connection, run: Run, name: TableName) -> None:
        await connection.execute(f"comment on table {name.sql} is {literal(remark(run.pipeline))}")


def remark(pipeline: Pipeline) -> str:
    """The comment on a table that a pipeline made."""
    return f"Written by Penstock pipeline {pipeline.name}; source: {pipeline.source}"
