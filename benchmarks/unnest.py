"""`penstock` with its COPY replaced by the INSERT of document 004, to be run by `benchmarks/extract.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.cli import main
from penstock.ports.flow import Receipt
from penstock.stores.postgres.loading import Loader

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.stores.postgres.connections import Connection

TYPES = {"id": "uuid", "occurred_at": "timestamptz"}


async def insert(self: Loader, connection: Connection, rows: Sequence[pa.RecordBatch]) -> Receipt:
    """One array a column, as `unnest($1::uuid[], $2::timestamptz[], $3::text[], ...)`."""
    stored = 0
    for batch in rows:
        names = batch.schema.names
        arrays = ", ".join(f"${number}::{TYPES.get(name, 'text')}[]" for number, name in enumerate(names, 1))
        sql = f"insert into {self.table.into.sql} ({', '.join(names)}) select * from unnest({arrays}) on conflict do nothing"
        answer = await connection.execute(sql, *(column.to_pylist() for column in batch.columns))
        stored += int(answer.rpartition(" ")[2])
    return Receipt(stored=stored, duplicate=sum(batch.num_rows for batch in rows) - stored)


if __name__ == "__main__":
    Loader.insert = insert  # type: ignore[method-assign] # that is the variant
    sys.exit(main())
