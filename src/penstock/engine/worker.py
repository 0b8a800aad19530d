"""One worker: it reads a partition and writes it, both at the same time, a bounded number of batches apart."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from penstock.engine.concurrency import unless
from penstock.engine.ledger import Ledger, check
from penstock.engine.telemetry import Telemetry, Worker
from penstock.model.coverage import Position
from penstock.model.errors import Fatal
from penstock.ports.flow import Batch, Block, BlockId
from penstock.ports.sink import BlockLimits, Writer
from penstock.ports.source import Partition, Source


class SourceOutOfStep(Fatal):
    """The source left a stretch out, or did not end where its partition ends."""

    default_hint = "Nothing of it was recorded as stored. This is a defect of the source; report it."


@dataclass(frozen=True, slots=True)
class Errand:
    """What all workers of one pass share.

    `strands` says by a partition's start where the stored stretch begins that it makes longer. `again`: each partition is one block, to be
    written within exactly its old bounds.
    """

    source: Source
    writer: Writer
    limits: BlockLimits
    slots: asyncio.Semaphore
    waiting_batches: int
    strands: Mapping[Position, Position]
    again: bool
    ledger: Ledger
    telemetry: Telemetry
    stop: asyncio.Event


async def work(errand: Errand, todo: deque[Partition], worker: Worker) -> None:
    """Carry partitions until none is left, or until a stop is asked for."""
    while todo and not errand.stop.is_set():
        partition = todo.popleft()
        worker.partition = partition.number
        await _carry(errand, partition, worker)
    worker.state, worker.partition = "stopped" if errand.stop.is_set() else "idle", None


async def _carry(errand: Errand, partition: Partition, worker: Worker) -> None:
    waiting: asyncio.Queue[Batch | None] = asyncio.Queue(errand.waiting_batches)
    async with asyncio.TaskGroup() as pair:
        pair.create_task(_read(errand, partition, waiting))
        pair.create_task(_write(errand, partition, waiting, worker))


async def _read(errand: Errand, partition: Partition, waiting: asyncio.Queue[Batch | None]) -> None:
    """Put batches where the writer finds them; a stop leaves what is there to be written."""
    at = partition.start
    async with aclosing(errand.source.read(partition)) as batches:
        while (batch := await unless(errand.stop, _next(batches))) is not None:
            if batch.after != at:
                raise SourceOutOfStep(f"partition {partition.number}: a batch starts at {batch.after}, the last one ended at {at}")
            at = batch.upto
            await waiting.put(batch)
    if at != partition.end and not errand.stop.is_set():
        raise SourceOutOfStep(f"partition {partition.number}: it ends at {partition.end}, the source stopped at {at}")
    await waiting.put(None)


async def _next(batches: AsyncGenerator[Batch, None]) -> Batch | None:
    return await anext(batches, None)


async def _write(errand: Errand, partition: Partition, waiting: asyncio.Queue[Batch | None], worker: Worker) -> None:
    at = partition.start
    worker.state = "reading"
    while batches := await _gather(waiting, errand.limits, whole=errand.again):
        if errand.again and batches[-1].upto != partition.end:
            return
        block = Block(BlockId(errand.strands[partition.start], at, batches[-1].upto), tuple(batches), again=errand.again)
        errand.ledger.admit(partition.number, block)
        async with errand.slots:
            worker.state = "writing"
            receipt = await errand.writer.write(block)
        check(block, receipt)
        counted = errand.ledger.add(partition.number, block, receipt)
        errand.telemetry.stored(worker, counted, errand.ledger.total)
        at, worker.state = block.id.upto, "reading"


async def _gather(waiting: asyncio.Queue[Batch | None], limits: BlockLimits, *, whole: bool) -> list[Batch]:
    """The next batches to write together: what is waiting now, within the limits, or everything up to the end when `whole`."""
    batches: list[Batch] = []
    while whole or not batches or (not waiting.empty() and sum(batch.rows.num_rows for batch in batches) < limits.rows):
        batch = await waiting.get()
        if batch is None:
            if batches:
                waiting.put_nowait(None)
            break
        batches.append(batch)
    return batches
