"""`penstock` with its COPY replaced by the INSERT of document 004, to be run by `benchmarks/extract.py`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from penstock.cli import main
from penstock.ports.flow import Block, Receipt
from penstock.stores.postgres.names import quoted
from penstock.stores.postgres.table import Table

if TYPE_CHECKING:
    from penstock.stores.postgres.connections import Connection

TYPES = {"id": "uuid", "occurred_at": "timestamptz"}


async def insert(self: Table, connection: Connection, block: Block) -> Receipt:
    """One array a column, as `unnest($1::uuid[], $2::timestamptz[], $3::text[], ...)`."""
    stored = 0
    for batch in block.batches:
        names = batch.rows.schema.names
        arrays = ", ".join(f"${number}::{TYPES.get(name, 'text')}[]" for number, name in enumerate(names, 1))
        sql = f"insert into {quoted(self.name)} ({', '.join(names)}) select * from unnest({arrays}) on conflict do nothing"
        answer = await connection.execute(sql, *(column.to_pylist() for column in batch.rows.columns))
        stored += int(answer.rpartition(" ")[2])
    return Receipt(stored=stored, duplicate=block.rows - stored)


if __name__ == "__main__":
    Table.insert = insert  # type: ignore[method-assign] # that is the variant
    sys.exit(main())
