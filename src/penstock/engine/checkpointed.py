"""A destination out of a sink that knows nothing of positions, and checkpoints that keep them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.ports.checkpoints import Checkpoints, Holder, Outcome, Pipeline, Run
from penstock.ports.flow import Block, BlockId, Receipt, Settled, Verdict
from penstock.ports.sink import AtLeastOnce, BlockLimits, Delivery, Destination, Idempotent, Sink, Writer
from penstock.ports.source import Progress, Scope

if TYPE_CHECKING:
    import pyarrow as pa


def checkpointed(sink: Sink, checkpoints: Checkpoints, *, unsettled_blocks: int = 8) -> Destination:
    """Join a sink and checkpoints: a position is saved only after the sink has settled its rows.

    At most `unsettled_blocks` wait for that, in memory, so that late verdicts can still be turned into dead letters.
    """
    return _Checkpointed(sink, checkpoints, unsettled_blocks)


@dataclass(frozen=True, slots=True)
class _Checkpointed:
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

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        return await self.checkpoints.begin(pipeline, holder)

    async def beat(self, run: Run) -> None:
        await self.checkpoints.beat(run)

    async def progress(self, run: Run) -> Progress:
        return await self.checkpoints.progress(run)

    async def freeze(self, run: Run, scope: Scope) -> None:
        await self.checkpoints.freeze(run, scope)

    async def end(self, run: Run, outcome: Outcome) -> None:
        await self.checkpoints.end(run, outcome)


@dataclass(slots=True)
class _CheckpointedWriter:
    run: Run
    writer: Writer
    delivery: Delivery
    checkpoints: Checkpoints
    unsettled_blocks: int
    _unsettled: list[tuple[Block, Receipt]] = field(default_factory=list)
    _late: dict[BlockId, tuple[Verdict, ...]] = field(default_factory=dict)
    _settling: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def write(self, block: Block) -> Receipt:
        if not (isinstance(self.delivery, Idempotent) and self.delivery.key):
            await self.checkpoints.intend(self.run, block.id)
        receipt = await self.writer.write(block)
        if block.again and isinstance(self.delivery, AtLeastOnce):
            receipt = replace(receipt, repeated=receipt.stored)
        self._unsettled.append((block, receipt))
        if len(self._unsettled) >= self.unsettled_blocks:
            await self.settle()
        return receipt

    async def settle(self) -> Sequence[Settled]:
        async with self._settling:
            waiting, self._unsettled = self._unsettled, []
            verdicts = await self.writer.settle()
            self._late.update((settled.block, settled.refused) for settled in verdicts)
            for block, receipt in waiting:
                await self.checkpoints.save(self.run, block, _amended(receipt, self._late.pop(block.id, ())))
            return verdicts


def _amended(receipt: Receipt, late: tuple[Verdict, ...]) -> Receipt:
    """The receipt after rows it called stored were turned away."""
    if not late:
        return receipt
    stored = receipt.stored - len(late)
    return replace(receipt, stored=stored, refused=receipt.refused + late, repeated=min(receipt.repeated, stored))
