"""A table that a pipeline writes: made out of an Arrow schema, or held against it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.model.errors import Fatal, Misconfigured
from penstock.ports.checkpoints import Run
from penstock.ports.flow import Block, Receipt, Verdict
from penstock.stores.postgres import copy
from penstock.stores.postgres.names import quoted

if TYPE_CHECKING:
    from penstock.stores.postgres.connections import Connection

CONFLICT = "another row with this key is stored already"


class TableDoesNotFit(Misconfigured):
    """The table has other columns than the rows."""

    default_hint = "Name another table with --table, or rename this one."


class ForeignTable(Misconfigured):
    """The table holds rows that this pipeline did not write."""

    default_hint = "Name another table with --table, or rename this one. Penstock does not mix sources."


class TableGone(Fatal):
    """The table is gone, and what the pipeline had stored in it."""

    default_hint = "Bring it back, or start over: delete the pipeline's row from penstock.pipelines, which forgets what was stored."


@dataclass(frozen=True, slots=True)
class Table:
    """A table `name` whose primary key is the column `key`."""

    name: str
    key: str

    async def prepare(self, connection: Connection, run: Run, schema: pa.Schema) -> None:
        """Create the table for the run's pipeline, or check that it is this pipeline's and fits.

        Raises:
            TableDoesNotFit: its columns, their types or its key differ.
            ForeignTable: it exists, and this pipeline did not make it.
            TableGone: this pipeline had made it and stored rows, and it does not exist.
        """
        found = await self._columns(connection)
        wanted = {field.name: (copy.sql_type(field), not field.nullable or field.name == self.key) for field in schema}
        owner = await connection.fetchval("select target from penstock.pipelines where name = $1", run.pipeline.name)
        if not found:
            await self._require_nothing_stored(connection, run)
            await self._create(connection, run, schema)
        elif owner != self.name:
            raise ForeignTable(f"{self.name} was not made by {run.pipeline.name}")
        elif found != wanted:
            raise TableDoesNotFit(f"{self.name}: {_difference(found, wanted)}")
        elif (key := await self._primary_key(connection)) != [self.key]:
            raise TableDoesNotFit(f"{self.name}: its primary key is {', '.join(key) or 'missing'}, the rows have {self.key}")

    async def _require_nothing_stored(self, connection: Connection, run: Run) -> None:
        if await connection.fetchval("select exists (select from penstock.coverage where pipeline = $1)", run.pipeline.name):
            raise TableGone(f"{self.name}; {run.pipeline.name} has stored rows there")

    async def _columns(self, connection: Connection) -> dict[str, tuple[str, bool]]:
        rows = await connection.fetch(
            "select attname, format_type(atttypid, atttypmod) as type, attnotnull from pg_attribute"
            " where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum",
            quoted(self.name),
        )
        return {row["attname"]: (row["type"], row["attnotnull"]) for row in rows}

    async def _primary_key(self, connection: Connection) -> list[str]:
        rows = await connection.fetch(
            "select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)"
            " where indrelid = to_regclass($1) and indisprimary order by attnum",
            quoted(self.name),
        )
        return [row["attname"] for row in rows]

    async def _create(self, connection: Connection, run: Run, schema: pa.Schema) -> None:
        columns = [f"{quoted(field.name)} {copy.sql_type(field)}{'' if field.nullable else ' not null'}" for field in schema]
        remark = f"Written by Penstock pipeline {run.pipeline.name}; source: {run.pipeline.source}"
        async with connection.transaction():
            await connection.execute(f"create table {quoted(self.name)} ({', '.join(columns)}, primary key ({quoted(self.key)}))")
            await connection.execute(f"comment on table {quoted(self.name)} is {_literal(remark)}")
            await connection.execute("update penstock.pipelines set target = $2 where name = $1", run.pipeline.name, self.name)

    async def insert(self, connection: Connection, block: Block) -> Receipt:
        """Store a block whose keys are all new.

        Raises:
            KeyTaken: when one is not; the transaction is lost then.
        """
        if block.rows:
            columns = block.batches[0].rows.schema.names
            await self._copy(connection, self.name, columns, self._sorted([batch.rows for batch in block.batches]))
        return Receipt(stored=block.rows)

    async def merge(self, connection: Connection, block: Block) -> Receipt:
        """Store what is new of a block; the same row again is a duplicate, another row under a stored key is refused."""
        batches, first = [], 0
        for batch in block.batches:
            numbers = pa.array(np.arange(first, first := first + batch.rows.num_rows))
            batches.append(batch.rows.append_column("penstock_row", numbers))
        await connection.execute(f"create temp table penstock_staging (like {quoted(self.name)}, penstock_row bigint) on commit drop")
        await self._copy(connection, "penstock_staging", batches[0].schema.names, _rows(batches))
        left = await connection.fetch(self._merge_sql(block.batches[0].rows.schema.names))
        differing = await connection.fetch(self._differ_sql(block.batches[0].rows.schema.names), [row["penstock_row"] for row in left])
        refused = tuple(Verdict(row["penstock_row"], CONFLICT) for row in differing)
        return Receipt(stored=block.rows - len(left), duplicate=len(left) - len(refused), refused=refused)

    def _merge_sql(self, columns: Sequence[str]) -> str:
        """Insert the first row of every new key; answer the numbers of the rows that were not inserted."""
        names, key = ", ".join(map(quoted, columns)), quoted(self.key)
        return f"""
            with first as (select distinct on ({key}) * from penstock_staging order by {key}, penstock_row),
            placed as (insert into {quoted(self.name)} ({names}) select {names} from first on conflict ({key}) do nothing returning {key})
            select penstock_row from penstock_staging
            where penstock_row not in (select penstock_row from first join placed using ({key})) order by penstock_row"""

    def _differ_sql(self, columns: Sequence[str]) -> str:
        """Of the rows with these numbers, those that differ from what is stored under their key."""
        stored, staged = (", ".join(f"{table}.{quoted(name)}" for name in columns) for table in ("t", "s"))
        return f"""
            select penstock_row from penstock_staging s join {quoted(self.name)} t using ({quoted(self.key)})
            where penstock_row = any($1) and ({stored}) is distinct from ({staged}) order by penstock_row"""

    async def _copy(self, connection: Connection, name: str, columns: Sequence[str], rows: pa.BinaryArray) -> None:
        await connection.copy_to_table(name, source=_wire(rows), columns=columns, format="binary")

    def _sorted(self, batches: Sequence[pa.RecordBatch]) -> pa.BinaryArray:
        """Rows in the order of their key: neighbours in the index are then inserted together, which is a third faster."""
        keys = pa.concat_arrays([batch.column(self.key) for batch in batches])
        if keys.type != pa.uuid():
            return _rows(batches).take(pc.sort_indices(keys))
        first = np.frombuffer(keys.storage.buffers()[1], ">u8", 2 * len(keys), 16 * keys.offset)[::2]
        return _rows(batches).take(pa.array(np.argsort(first.astype(np.uint64))))


def _rows(batches: Sequence[pa.RecordBatch]) -> pa.BinaryArray:
    return pa.concat_arrays([copy.rows(batch) for batch in batches])


async def _wire(rows: pa.BinaryArray) -> AsyncIterator[bytes]:
    yield copy.SIGNATURE
    for piece in copy.wire(rows):
        yield cast("bytes", piece)  # asyncpg sends whatever has a buffer
    yield copy.TRAILER


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _difference(found: dict[str, tuple[str, bool]], wanted: dict[str, tuple[str, bool]]) -> str:
    """Column by column, what is there and what the rows need."""
    names = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
    return "; ".join(f"{name} is {_said(found.get(name))}, the rows have {_said(wanted.get(name))}" for name in names)


def _said(column: tuple[str, bool] | None) -> str:
    return "missing" if column is None else f"{column[0]}{' not null' if column[1] else ''}"
