"""A SQLite file as a destination: rows, position, counts and dead letters are one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from penstock.engine.beside import RunsBeside
from penstock.ports.checkpoints import Run
from penstock.ports.flow import Block, Receipt, Settled
from penstock.ports.sink import BlockLimits, Delivery, Transactional, Writer
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints
from penstock.stores.sqlite.loading import load
from penstock.stores.sqlite.table import Table


@dataclass(frozen=True, slots=True)
class SqliteDestination(RunsBeside):
    """A table and the checkpoints beside it, in one file; every receipt is on disk."""

    table: Table
    checkpoints: SqliteCheckpoints
    in_flight: int = 1
    block: BlockLimits = field(default_factory=lambda: BlockLimits(rows=20_000))

    @property
    def delivery(self) -> Delivery:
        """Wholly, with its position, or not at all."""
        return Transactional()

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Create or check the table; see `Sink.open`."""
        return self._open(run, schema)

    @asynccontextmanager
    async def _open(self, run: Run, schema: pa.Schema) -> AsyncIterator[Writer]:
        await self.checkpoints.within(run, lambda connection: self.table.prepare(connection, run, schema))
        yield _SqliteWriter(self.table, self.checkpoints, run)

    async def publish(self, run: Run) -> None:
        """In mode replace: put the new table in the place of the old one. Otherwise rows are seen as they are committed."""
        await self.checkpoints.within(run, self.table.publish)


@dataclass(frozen=True, slots=True)
class _SqliteWriter:
    table: Table
    checkpoints: SqliteCheckpoints
    run: Run

    async def write(self, block: Block) -> Receipt:
        def store(connection: sqlite3.Connection) -> Receipt:
            receipt = load(connection, self.table, pa.Table.from_batches([batch.rows for batch in block.batches]))
            self.checkpoints.save_within(connection, self.run, block, receipt)
            return receipt

        return await self.checkpoints.within(self.run, store)

    async def settle(self) -> Sequence[Settled]:
        return ()
