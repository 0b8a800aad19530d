"""Rows into a table: straight, by way of a staging table where keys repeat, and around those that the table turns away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.model.errors import Refused
from penstock.ports.flow import RAW_COLUMN, Receipt, Verdict
from penstock.stores.postgres import copy
from penstock.stores.postgres.errors import translated
from penstock.stores.postgres.names import TableName, quoted
from penstock.stores.postgres.table import Table

if TYPE_CHECKING:
    from penstock.stores.postgres.connections import Connection

    Store = Callable[[Connection, Sequence[pa.RecordBatch]], Awaitable[Receipt]]

CONFLICT = "another row with this key is stored already"
STAGING = TableName("penstock_staging", "pg_temp")


@dataclass(frozen=True, slots=True)
class Loader:
    """Stores rows in the caller's transaction. `types` are those of the table's columns, by name."""

    table: Table
    types: Mapping[str, str]

    @property
    def ways(self) -> tuple[Store, ...]:
        """From the fastest way to the one that always ends with a receipt; where one raises `Refused` the next is to be tried."""
        return (self.insert, self.merge, self.sift) if self.table.key else (self.insert, self.sift)

    async def insert(self, connection: Connection, rows: Sequence[pa.RecordBatch]) -> Receipt:
        """Store rows that are all new and all fit.

        Raises:
            KeyTaken: one is not new; the transaction is lost then.
            Refused: one does not fit; likewise.
        """
        stored = sum(batch.num_rows for batch in rows)
        if stored:
            await self._copy(connection, self.table.into, rows[0].schema.names, self._in_order(rows))
        return Receipt(stored=stored)

    async def merge(self, connection: Connection, rows: Sequence[pa.RecordBatch]) -> Receipt:
        """Store rows by their key; see `Table` for what becomes of those whose key is there."""
        names, batches, first = rows[0].schema.names, [], 0
        for batch in rows:
            numbers = pa.array(np.arange(first, first := first + batch.num_rows))
            batches.append(batch.append_column("penstock_row", numbers))
        columns = ", ".join(map(quoted, names))
        await connection.execute(
            f"create temp table {STAGING.name} on commit drop as"
            f" select {columns}, 0::bigint as penstock_row from {self.table.into.sql} with no data"
        )
        await self._copy(connection, STAGING, [*names, "penstock_row"], self._rows(batches))
        receipt = await (self._last if self.table.mode == "upsert" else self._first)(connection, rows[0].schema, first)
        await connection.execute(f"drop table {STAGING.name}")
        return receipt

    async def sift(self, connection: Connection, rows: Sequence[pa.RecordBatch]) -> Receipt:
        """Store all that can be stored: half by half around the rows that the table turns away."""
        whole, store = pa.Table.from_batches(rows), self.merge if self.table.key else self.insert
        todo, sums = [(0, whole.num_rows)], Receipt(stored=0)
        while todo:
            start, end = todo.pop()
            await connection.execute("savepoint penstock_part")
            try:
                with translated():
                    receipt = await store(connection, whole.slice(start, end - start).to_batches())
            except Refused as error:
                await connection.execute("rollback to savepoint penstock_part")
                if end - start > 1:
                    middle = (start + end) // 2
                    todo += [(middle, end), (start, middle)]
                    continue
                receipt = Receipt(stored=0, refused=(Verdict(0, str(error)),))
            await connection.execute("release savepoint penstock_part")
            sums = _sum(sums, receipt, start)
        return sums

    async def _first(self, connection: Connection, schema: pa.Schema, rows: int) -> Receipt:
        """The first row of a key stays; the same row again is a duplicate, another row under a stored key is refused."""
        left = await connection.fetch(self._merge_sql(schema.names))
        differing = await connection.fetch(self._differ_sql(schema), [row["penstock_row"] for row in left])
        conflicts = [row for row in differing if row["elsewhere"] or not self.table.alike(row["stored"], row["staged"])]
        refused = tuple(Verdict(row["penstock_row"], CONFLICT) for row in conflicts)
        return Receipt(stored=rows - len(left), duplicate=len(left) - len(refused), refused=refused)

    async def _last(self, connection: Connection, schema: pa.Schema, rows: int) -> Receipt:
        """The last row of a key takes the place of the stored one; where it says the same nothing is changed."""
        found = await connection.fetchrow(self._upsert_sql(schema.names))
        assert found is not None
        return Receipt(stored=found["stored"], duplicate=rows - found["keys"], unchanged=found["keys"] - found["stored"])

    def _merge_sql(self, columns: Sequence[str]) -> str:
        """Insert the first row of every new key; answer the numbers of the rows that were not inserted."""
        names, key = ", ".join(map(quoted, columns)), self._key
        return f"""
            with first as (select distinct on ({key}) * from {STAGING.sql} order by {key}, penstock_row),
            placed as (insert into {self.table.into.sql} ({names}) select {names} from first on conflict ({key}) do nothing returning {key})
            select penstock_row from {STAGING.sql}
            where penstock_row not in (select penstock_row from first join placed using ({key})) order by penstock_row"""

    def _differ_sql(self, schema: pa.Schema) -> str:
        """Of the rows with these numbers, those that differ from what is stored under their key.

        `elsewhere` says whether they do in more than the record as received, which is `stored` in one form and `staged` in another.
        """
        raw = (schema.metadata or {}).get(RAW_COLUMN, b"").decode()
        records = f"t.{quoted(raw)}::text as stored, s.{quoted(raw)}::text as staged" if raw else "'' as stored, '' as staged"
        return f"""
            select penstock_row, {_distinct([name for name in schema.names if name != raw])} as elsewhere, {records}
            from {STAGING.sql} s join {self.table.into.sql} t using ({self._key})
            where penstock_row = any($1) and {_distinct(schema.names)} order by penstock_row"""

    def _upsert_sql(self, columns: Sequence[str]) -> str:
        """Place the last row of every key; answer how many keys there are, and of how many of them something was changed."""
        names, others = ", ".join(map(quoted, columns)), [quoted(name) for name in columns if name not in self.table.key]
        changes = ", ".join(f"{name} = excluded.{name}" for name in others)
        stored, brought = (", ".join(f"{table}.{name}" for name in others) for table in ("t", "excluded"))
        update = f"update set {changes} where ({stored}) is distinct from ({brought})" if others else "nothing"
        return f"""
            with last as (select distinct on ({self._key}) * from {STAGING.sql} order by {self._key}, penstock_row desc),
            placed as (insert into {self.table.into.sql} as t ({names}) select {names} from last on conflict ({self._key}) do {update}
                returning true)
            select (select count(*) from last) as keys, (select count(*) from placed) as stored"""

    @property
    def _key(self) -> str:
        return ", ".join(map(quoted, self.table.key))

    async def _copy(self, connection: Connection, name: TableName, columns: Sequence[str], rows: pa.BinaryArray) -> None:
        await connection.copy_to_table(name.name, schema_name=name.schema, source=_wire(rows), columns=columns, format="binary")

    def _in_order(self, batches: Sequence[pa.RecordBatch]) -> pa.BinaryArray:
        """Rows in the order of their key: neighbours in the index are then inserted together, which is a third faster."""
        if len(self.table.key) != 1:
            return self._rows(batches)
        keys = pa.concat_arrays([batch.column(self.table.key[0]) for batch in batches])
        if keys.type != pa.uuid():
            return self._rows(batches).take(pc.sort_indices(keys))
        first = np.frombuffer(keys.storage.buffers()[1], ">u8", 2 * len(keys), 16 * keys.offset)[::2]
        return self._rows(batches).take(pa.array(np.argsort(first.astype(np.uint64))))

    def _rows(self, batches: Sequence[pa.RecordBatch]) -> pa.BinaryArray:
        kinds = [self.types.get(name, "bigint") for name in batches[0].schema.names]
        return pa.concat_arrays([copy.rows(batch, kinds) for batch in batches])


def _distinct(columns: Sequence[str]) -> str:
    """Whether a staged row differs from the stored one in some of these columns."""
    stored, staged = (", ".join(f"{table}.{quoted(name)}" for name in columns) for table in ("t", "s"))
    return f"({stored}) is distinct from ({staged})"


async def _wire(rows: pa.BinaryArray) -> AsyncIterator[bytes]:
    yield copy.SIGNATURE
    for piece in copy.wire(rows):
        yield cast("bytes", piece)  # asyncpg sends whatever has a buffer
    yield copy.TRAILER


def _sum(sums: Receipt, part: Receipt, start: int) -> Receipt:
    """Both receipts as one; `part` is of rows from number `start` on."""
    return Receipt(
        stored=sums.stored + part.stored,
        duplicate=sums.duplicate + part.duplicate,
        unchanged=sums.unchanged + part.unchanged,
        refused=(*sums.refused, *(replace(verdict, row=verdict.row + start) for verdict in part.refused)),
    )
