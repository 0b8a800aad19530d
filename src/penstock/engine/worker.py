"""One worker: it reads a partition and writes it, both at the same time, a bounded number of batches apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from penstock.engine.concurrency import unless
from penstock.engine.ledger import Ledger, check
from penstock.engine.telemetry import Telemetry, Worker
from penstock.engine.workload import SourceOutOfStep, Workload
from penstock.model.coverage import Position
from penstock.ports.flow import Batch, Block, BlockId
from penstock.ports.sink import BlockLimits, Writer
from penstock.ports.source import Partition, Source


@dataclass(frozen=True, slots=True)
class Errand:
    """What all workers of one pass share.

    `strands` says by a partition's start where the stored stretch begins that it makes longer; a piece that was cut off begins a new one.
    `again`: each partition is one block, to be written within exactly its old bounds.
    """

    source: Source
    workload: Workload
    writer: Writer
    limits: BlockLimits
    slots: asyncio.Semaphore
    waiting_batches: int
    strands: Mapping[Position, Position]
    again: bool
    ledger: Ledger
    telemetry: Telemetry
    stop: asyncio.Event


async def work(errand: Errand, number: int) -> None:
    """Carry partitions until none is left, or until a stop is asked for; who never has any is not shown among the workers."""
    _rest(errand, number)
    while (partition := await errand.workload.take()) is not None:
        worker = errand.telemetry.workers.setdefault(number, Worker())
        worker.partition = partition.number
        await _Carriage(errand, partition, worker, asyncio.Queue(errand.waiting_batches)).carry()
        _rest(errand, number)
    _rest(errand, number)


def _rest(errand: Errand, number: int) -> None:
    if (worker := errand.telemetry.workers.get(number)) is not None:
        worker.state, worker.partition = "stopped" if errand.stop.is_set() else "idle", None


@dataclass(frozen=True, slots=True)
class _Carriage:
    """One partition on its way: read at one end of a short queue, written at the other. Where it ends, the workload knows."""

    errand: Errand
    partition: Partition
    worker: Worker
    waiting: asyncio.Queue[Batch | None]

    async def carry(self) -> None:
        async with asyncio.TaskGroup() as pair:
            pair.create_task(self._read())
            pair.create_task(self._write())

    async def _read(self) -> None:
        """Put batches where the writer finds them; a stop leaves what is there to be written."""
        at, workload = self.partition.start, self.errand.workload
        async with aclosing(self.errand.source.read(self.partition)) as batches:
            while (upto := await self._read_one(batches, at)) is not None:
                at = upto
                workload.progressed()
        if at != (end := workload.end(self.partition.start)) and not self.errand.stop.is_set():
            raise SourceOutOfStep(f"partition {self.partition.number}: it ends at {end}, the source stopped at {at}")
        workload.leave(self.partition.start)
        await self.waiting.put(None)

    async def _read_one(self, batches: AsyncGenerator[Batch, None], at: Position) -> Position | None:
        """Where the next batch ends, once it waits to be written; None when there is none. Nothing of it is held after that."""
        batch = await unless(self.errand.stop, _next(batches))
        if batch is None:
            return None
        if batch.after != at:
            raise SourceOutOfStep(f"partition {self.partition.number}: a batch starts at {batch.after}, the last one ended at {at}")
        if batch.upto.rank > (end := self.errand.workload.end(self.partition.start)).rank:
            raise SourceOutOfStep(f"partition {self.partition.number}: it ends at {end}, a batch goes on to {batch.upto}")
        await self.waiting.put(batch)
        return batch.upto

    async def _write(self) -> None:
        at: Position | None = self.partition.start
        while at is not None:
            self.worker.state = "reading"
            at = await self._write_one(at)

    async def _write_one(self, at: Position) -> Position | None:
        """Where the next block ends, once it is written; None when there is none. Nothing of it is held after that."""
        errand, first = self.errand, await self.waiting.get()
        if first is None:
            return None
        async with errand.slots:
            rows = errand.limits.rows - first.rows.num_rows
            batches = (first, *await _gather(self.waiting, rows, whole=errand.again))
            if errand.again and batches[-1].upto != self.partition.end:
                return None
            strand = errand.strands.get(self.partition.start, self.partition.start)
            block = Block(BlockId(strand, at, batches[-1].upto), batches, again=errand.again)
            errand.ledger.admit(self.partition.number, block)
            self.worker.state = "writing"
            receipt = await errand.writer.write(block)
        check(block, receipt)
        counted = errand.ledger.add(self.partition.number, block, receipt)
        errand.telemetry.stored(self.worker, counted, errand.ledger.total)
        return block.id.upto


async def _next(batches: AsyncGenerator[Batch, None]) -> Batch | None:
    return await anext(batches, None)


async def _gather(waiting: asyncio.Queue[Batch | None], rows: int, *, whole: bool) -> list[Batch]:
    """What else is waiting now to be written together, up to `rows` rows and the batch that reaches them, or all to come when `whole`."""
    batches: list[Batch] = []
    while whole or (rows > 0 and not waiting.empty()):
        batch = await waiting.get()
        if batch is None:
            waiting.put_nowait(None)
            break
        batches.append(batch)
        rows -= batch.rows.num_rows
    return batches
