"""Ends that take their time, on a simulated clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from penstock.engine.checkpointed import checkpointed
from penstock.engine.run import EngineSettings, Transfer
from penstock.engine.telemetry import Telemetry
from penstock.ports.checkpoints import Outcome, Pipeline, Run
from penstock.ports.flow import Batch, Block, Receipt, Settled
from penstock.ports.sink import BlockLimits, Delivery, Destination, Idempotent, Writer
from penstock.ports.source import Growing, Partition, Plan, Progress, Releasing, Source, Splittable
from penstock.stores.memory import MemoryCheckpoints, MemorySink
from penstock.testing import records
from penstock.testing.clock import clock

if TYPE_CHECKING:
    import pyarrow as pa

PIPELINE = Pipeline("a pipeline", "a source")


Step = Callable[[], Coroutine[Any, Any, None]]


async def at_once() -> None:
    """A step that takes no time."""


def taking(seconds: float) -> Step:
    """A step that takes so long."""

    async def step() -> None:
        await asyncio.sleep(seconds)

    return step


def failing(*errors: BaseException | None) -> Step:
    """A step that raises these one after the other, None for going well, and then goes well."""
    left = list(errors)

    async def step() -> None:
        if left and (error := left.pop(0)) is not None:
            raise error

    return step


@dataclass
class StepwiseSource:
    """A source with a step before each plan and each batch; it takes note of when they were asked for, and of readers that were closed."""

    inner: Source
    planning: Step = at_once
    reading: Step = at_once
    planned: list[float] = field(default_factory=list)
    batches: list[tuple[float, Batch]] = field(default_factory=list)
    closed: int = 0
    stealing: bool = False

    @property
    def splitting(self) -> Splittable | None:
        """That of the inner one, where `stealing` is wanted."""
        return self.inner.splitting if self.stealing else None

    @property
    def releasing(self) -> Releasing | None:
        """That of the inner one."""
        return self.inner.releasing

    @property
    def growing(self) -> Growing | None:
        """That of the inner one."""
        return self.inner.growing

    @property
    def schema(self) -> pa.Schema:
        """Columns of the inner one."""
        return self.inner.schema

    async def plan(self, done: Progress) -> Plan:
        """Take a step, and plan."""
        self.planned.append(clock())
        await self.planning()
        return await self.inner.plan(done)

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """Take a step before each batch."""
        try:
            async for batch in self.inner.read(partition):
                await self.reading()
                self.batches.append((clock(), batch))
                yield batch
        finally:
            self.closed += 1


@dataclass
class StepwiseSink:
    """A sink with a step within each write and each settling, and notes of both; `answer` makes the receipt."""

    inner: MemorySink = field(default_factory=lambda: MemorySink("id"))
    writing: Step = at_once
    settling: Step = at_once
    answer: Callable[[Block], Receipt] | None = None
    verdicts: list[Sequence[Settled]] = field(default_factory=list)
    delivery: Delivery = field(default_factory=lambda: Idempotent(("id",), float("inf")))
    in_flight: int = 8
    block: BlockLimits = field(default_factory=lambda: BlockLimits(rows=1))
    begun: list[tuple[float, Block]] = field(default_factory=list)
    ended: list[tuple[float, Block]] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)
    left_by: list[type[BaseException] | None] = field(default_factory=list)

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Take note of how the writer is left."""
        return self._open(run, schema)

    @asynccontextmanager
    async def _open(self, run: Run, schema: pa.Schema) -> AsyncIterator[Writer]:
        try:
            async with self.inner.open(run, schema) as writer:
                yield _StepwiseWriter(self, writer)
        except BaseException as error:
            self.left_by.append(type(error))
            raise
        self.left_by.append(None)


@dataclass
class _StepwiseWriter:
    sink: StepwiseSink
    inner: Writer

    async def write(self, block: Block) -> Receipt:
        self.sink.begun.append((clock(), block))
        await self.sink.writing()
        receipt = await self.inner.write(block)
        self.sink.ended.append((clock(), block))
        return receipt if self.sink.answer is None else self.sink.answer(block)

    async def settle(self) -> Sequence[Settled]:
        await self.sink.settling()
        self.sink.settled.append(clock())
        return self.sink.verdicts.pop(0) if self.sink.verdicts else await self.inner.settle()


@dataclass
class StepwiseCheckpoints(MemoryCheckpoints):
    """Checkpoints with a step before each heartbeat, reading back, save and end."""

    beating: Step = at_once
    reading_back: Step = at_once
    saving: Step = at_once
    ending: Step = at_once
    beats: list[float] = field(default_factory=list)

    async def beat(self, run: Run) -> None:
        """Take a step, and renew the lease."""
        self.beats.append(clock())
        await self.beating()
        await super().beat(run)

    async def progress(self, run: Run) -> Progress:
        """Take a step, and read back."""
        await self.reading_back()
        return await super().progress(run)

    async def save(self, run: Run, block: Block, receipt: Receipt) -> None:
        """Take a step, and save."""
        await self.saving()
        await super().save(run, block, receipt)

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Take a step, and end."""
        await self.ending()
        await super().end(run, outcome)


@dataclass
class Bench:
    """A transfer from a source into a sink, made inside of the simulated loop."""

    source: StepwiseSource
    sink: StepwiseSink = field(default_factory=StepwiseSink)
    settings: EngineSettings = field(default_factory=EngineSettings)
    unsettled_blocks: int = 8
    checkpoints: StepwiseCheckpoints = field(default_factory=StepwiseCheckpoints)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    holders: Iterator[int] = field(default_factory=lambda: count(1))
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(clock=clock))

    @property
    def destination(self) -> Destination:
        """Sink and checkpoints, joined."""
        return checkpointed(self.sink, self.checkpoints, unsettled_blocks=self.unsettled_blocks)

    async def carry(self) -> Progress:
        """Take the lease, of a run that is dead by then, and carry."""
        run = await self.destination.begin(PIPELINE, records.gone(next(self.holders)))
        return await Transfer(run, self.source, self.destination, self.settings, self.telemetry, self.stop).carry()


def stored(sink: StepwiseSink) -> list[object]:
    """The ids in the table, in the order in which they came."""
    return list(sink.inner.rows)
