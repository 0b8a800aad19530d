"""A destination out of a sink that knows nothing of positions, and checkpoints that keep them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.engine.beside import RunsBeside
from penstock.engine.ledger import CountsDoNotAddUp, check
from penstock.model.errors import Transient
from penstock.ports.checkpoints import Checkpoints, Run
from penstock.ports.flow import Block, BlockId, Receipt, Settled, Verdict
from penstock.ports.sink import AtLeastOnce, BlockLimits, Delivery, Destination, Idempotent, Sink, Writer

if TYPE_CHECKING:
    import pyarrow as pa


def checkpointed(sink: Sink, checkpoints: Checkpoints, *, unsettled_blocks: int = 8) -> Destination:
    """Join a sink and checkpoints: a position is saved only after the sink has settled its rows.

    At most `unsettled_blocks` wait for that, in memory, so that late verdicts can still be turned into dead letters.
    """
    return _Checkpointed(sink, checkpoints, unsettled_blocks)


@dataclass(frozen=True, slots=True)
class _Checkpointed(RunsBeside):
    sink: Sink
    checkpoints: Checkpoints
    unsettled_blocks: int

    @property
    def delivery(self) -> Delivery:
        return self.sink.delivery

    @property
    def block(self) -> BlockLimits:
        return self.sink.block

    @property
    def in_flight(self) -> int:
        return self.sink.in_flight

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        return self._open(run, schema)

    @asynccontextmanager
    async def _open(self, run: Run, schema: pa.Schema) -> AsyncIterator[Writer]:
        async with self.sink.open(run, schema) as writer:
            yield _CheckpointedWriter(run, writer, self.sink.delivery, self.checkpoints, self.unsettled_blocks)


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A block the sink has acknowledged, and how many writes of it were begun before this one."""

    block: Block
    receipt: Receipt
    begun_before: int

    def amended(self, late: tuple[Verdict, ...], delivery: Delivery) -> Receipt:
        """The receipt after rows it called stored were turned away: each earlier write may have stored all others once more."""
        receipt = replace(self.receipt, stored=self.receipt.stored - len(late), refused=self.receipt.refused + late)
        check(self.block, receipt)
        return replace(receipt, repeated=receipt.stored * self.begun_before) if isinstance(delivery, AtLeastOnce) else receipt


@dataclass(slots=True)
class _CheckpointedWriter:
    run: Run
    writer: Writer
    delivery: Delivery
    checkpoints: Checkpoints
    unsettled_blocks: int
    _writing: set[BlockId] = field(default_factory=set)
    _unsettled: dict[BlockId, _Unsettled] = field(default_factory=dict)
    _late: dict[BlockId, tuple[Verdict, ...]] = field(default_factory=dict)
    _settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _in_doubt: bool = False

    async def write(self, block: Block) -> Receipt:
        keyed = isinstance(self.delivery, Idempotent) and self.delivery.key
        begun_before = 0 if keyed else await self.checkpoints.intend(self.run, block.id)
        self._writing.add(block.id)
        acknowledged = _Unsettled(block, await self.writer.write(block), begun_before)
        self._writing.discard(block.id)
        receipt = acknowledged.amended((), self.delivery)
        self._unsettled[block.id] = acknowledged
        if len(self._unsettled) >= self.unsettled_blocks:
            await self.settle()
        return receipt

    async def settle(self) -> Sequence[Settled]:
        async with self._settling:
            if self._in_doubt:  # verdicts on any block may have been lost with the answer to another worker
                raise Transient("an earlier settling was not answered")
            self._in_doubt = True
            waiting, self._unsettled = self._unsettled, {}
            verdicts = await self.writer.settle()
            for settled in verdicts:
                self._late[settled.block] = self._late.get(settled.block, ()) + settled.refused
            if unknown := self._late.keys() - waiting.keys() - self._unsettled.keys() - self._writing:
                raise CountsDoNotAddUp(f"the store turned rows away of {unknown.pop()}, which it had settled before or was never given")
            for one in waiting.values():
                await self.checkpoints.save(self.run, one.block, one.amended(self._late.pop(one.block.id, ()), self.delivery))
            self._in_doubt = False
            return verdicts
