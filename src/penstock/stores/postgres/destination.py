"""PostgreSQL as a destination: rows, position, counts and dead letters are one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.engine.beside import RunsBeside
from penstock.model.errors import Refused
from penstock.ports.checkpoints import Run
from penstock.ports.flow import Block, Receipt, Settled
from penstock.ports.sink import BlockLimits, Delivery, Transactional, Writer
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import SyncCommit
from penstock.stores.postgres.errors import KeyTaken
from penstock.stores.postgres.loading import Loader
from penstock.stores.postgres.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.stores.postgres.loading import Store


@dataclass(frozen=True, slots=True)
class PostgresDestination(RunsBeside):
    """A table and the checkpoints beside it, in one database.

    `sync_commit="off"` lets the server answer a commit before it is on disk: a crash of the server then loses the last ones whole, with
    their positions, and the engine carries them again. Nothing is proven before `settle`.
    """

    table: Table
    checkpoints: PostgresCheckpoints
    sync_commit: SyncCommit = "off"
    in_flight: int = 3
    block: BlockLimits = field(default_factory=lambda: BlockLimits(rows=10_000))

    @property
    def delivery(self) -> Delivery:
        """Wholly, with its position, or not at all."""
        return Transactional()

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Create or check the table; see `Sink.open`."""
        return self._open(run, schema)

    @asynccontextmanager
    async def _open(self, run: Run, schema: pa.Schema) -> AsyncIterator[Writer]:
        async with self.checkpoints.connections.take() as connection:
            types = await self.table.prepare(connection, run, schema)
        try:
            yield _PostgresWriter(self, run, list(Loader(self.table, types).ways))
        except BaseException:
            self.checkpoints.connections.close()
            raise

    async def publish(self, run: Run) -> None:
        """In mode replace: put the new table in the place of the old one. Otherwise rows are seen as they are committed."""
        if self.table.mode == "replace":
            async with self.checkpoints.connections.transaction("on") as connection:
                await self.checkpoints.require_lease(connection, run)
                await self.table.publish(connection, run)


@dataclass(frozen=True, slots=True)
class _PostgresWriter:
    destination: PostgresDestination
    run: Run
    ways: list[Store]

    async def write(self, block: Block) -> Receipt:
        """Copy straight into the table; by a slower way only where the table turned something of this block away."""
        for way in list(self.ways[:-1]):
            try:
                return await self._commit(block, way)
            except KeyTaken:
                if self.destination.table.mode == "upsert":
                    self.ways[:] = [other for other in self.ways if other != way]  # where keys come again, most blocks have some
            except Refused:
                continue
        return await self._commit(block, self.ways[-1])

    async def _commit(self, block: Block, store: Store) -> Receipt:
        checkpoints = self.destination.checkpoints
        async with checkpoints.connections.transaction(self.destination.sync_commit) as connection:
            receipt = await store(connection, [batch.rows for batch in block.batches])
            await checkpoints.save_within(connection, self.run, block, receipt)
        return receipt

    async def settle(self) -> Sequence[Settled]:
        await self.destination.checkpoints.settle(self.run)
        return ()
