"""A table in memory, written by key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.ports.checkpoints import Run
from penstock.ports.flow import Block, Receipt, Settled
from penstock.ports.sink import BlockLimits, Delivery, Idempotent, Writer

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class MemorySink:
    """Rows by their `key` column. A second write of a row changes nothing and is counted as a duplicate."""

    key: str
    rows: dict[object, dict[str, Any]] = field(default_factory=dict)
    in_flight: int = 8
    block: BlockLimits = field(default_factory=lambda: BlockLimits(rows=1_000))

    @property
    def delivery(self) -> Delivery:
        """Harmless to repeat, for ever."""
        return Idempotent((self.key,), float("inf"))

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Nothing to create: rows are dictionaries."""
        del run, schema
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Writer]:
        yield _MemoryWriter(self)


@dataclass(frozen=True, slots=True)
class _MemoryWriter:
    sink: MemorySink

    async def write(self, block: Block) -> Receipt:
        duplicate = 0
        for batch in block.batches:
            for row in batch.rows.to_pylist():
                duplicate += row[self.sink.key] in self.sink.rows
                self.sink.rows.setdefault(row[self.sink.key], row)
        return Receipt(stored=block.rows - duplicate, duplicate=duplicate)

    async def settle(self) -> Sequence[Settled]:
        return ()
