"""Wrappers around ports that cut links and kill runs, before and after what was asked for has happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeVar, get_args

import pyarrow as pa

from penstock.model.errors import Throttled, Transient
from penstock.ports.checkpoints import Checkpoints, Holder, Outcome, Pipeline, Run, Runs
from penstock.ports.flow import Block, BlockId, Receipt, Settled
from penstock.ports.sink import BlockLimits, Delivery, Destination, Sink, Writer
from penstock.ports.source import Progress, Scope

T = TypeVar("T")

Way = Literal["cut before", "cut after", "kill before", "kill after", "cancel", "stop", "throttle"]


class Killed(BaseException):
    """The process dies at this point."""


def no_effect() -> None:
    """What else a cut link does: nothing."""


@dataclass
class Fate:
    """What happens to each call: with probability `share` one of the ways, as long as there are `strikes` left.

    `cut` is called when a link is cut, as the place for a store to crash at the same moment. `struck` is the way of each strike so far.
    """

    random: Random
    share: float = 0.15
    strikes: int = 12
    cut: Callable[[], None] = no_effect
    run: asyncio.Task[Progress] | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    struck: list[Way] = field(default_factory=list)

    def draw(self) -> Way | None:
        """The way of this call, None to leave it alone."""
        if len(self.struck) >= self.strikes or self.random.random() >= self.share:
            return None
        self.struck.append(self.random.choice(get_args(Way)))
        return self.struck[-1]

    async def around(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, or meet what fate has in store."""
        way = self.draw()
        if way == "kill before":
            work.close()
            raise Killed
        if way in {"cut before", "throttle"}:
            work.close()
            self.cut()
            raise Throttled("slow down", delay_s=0.0) if way == "throttle" else Transient("cut before it arrived")
        if way == "cancel" and self.run is not None:
            self.run.cancel()
        if way == "stop":
            self.stop.set()
        result = await work
        if way == "kill after":
            raise Killed
        if way == "cut after":
            self.cut()
            raise Transient("cut before the answer came")
        return result


@dataclass
class SabotagedRuns:
    """Runs whose calls meet their fate."""

    runs: Runs
    fate: Fate

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        """See `Runs`."""
        return await self.fate.around(self.runs.begin(pipeline, holder))

    async def beat(self, run: Run) -> None:
        """See `Runs`."""
        await self.fate.around(self.runs.beat(run))

    async def progress(self, run: Run) -> Progress:
        """See `Runs`."""
        return await self.fate.around(self.runs.progress(run))

    async def peek(self, pipeline: Pipeline) -> Progress:
        """See `Runs`."""
        return await self.fate.around(self.runs.peek(pipeline))

    async def freeze(self, run: Run, scope: Scope) -> None:
        """See `Runs`."""
        await self.fate.around(self.runs.freeze(run, scope))

    async def forget(self, run: Run) -> None:
        """See `Runs`."""
        await self.fate.around(self.runs.forget(run))

    async def end(self, run: Run, outcome: Outcome) -> None:
        """See `Runs`."""
        await self.fate.around(self.runs.end(run, outcome))


@dataclass
class SabotagedCheckpoints(SabotagedRuns):
    """Checkpoints whose calls meet their fate."""

    runs: Checkpoints

    async def intend(self, run: Run, block: BlockId) -> int:
        """See `Checkpoints`."""
        return await self.fate.around(self.runs.intend(run, block))

    async def save(self, run: Run, block: Block, receipt: Receipt) -> None:
        """See `Checkpoints`."""
        await self.fate.around(self.runs.save(run, block, receipt))


@dataclass
class SabotagedSink:
    """A sink whose writes meet their fate."""

    sink: Sink
    fate: Fate

    @property
    def delivery(self) -> Delivery:
        """See `Sink`."""
        return self.sink.delivery

    @property
    def block(self) -> BlockLimits:
        """See `Sink`."""
        return self.sink.block

    @property
    def in_flight(self) -> int:
        """See `Sink`."""
        return self.sink.in_flight

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """See `Sink`."""
        return self._open(run, schema)

    @asynccontextmanager
    async def _open(self, run: Run, schema: pa.Schema) -> AsyncIterator[Writer]:
        await self.fate.around(asyncio.sleep(0))
        async with self.sink.open(run, schema) as writer:
            yield _SabotagedWriter(writer, self.fate)


@dataclass
class _SabotagedWriter:
    writer: Writer
    fate: Fate

    async def write(self, block: Block) -> Receipt:
        return await self.fate.around(self.writer.write(block))

    async def settle(self) -> Sequence[Settled]:
        return await self.fate.around(self.writer.settle())


class SabotagedDestination(SabotagedRuns, SabotagedSink):
    """A destination whose calls meet their fate."""

    def __init__(self, destination: Destination, fate: Fate) -> None:
        SabotagedRuns.__init__(self, destination, fate)
        SabotagedSink.__init__(self, destination, fate)
        self.destination = destination

    async def publish(self, run: Run) -> None:
        """See `Destination`."""
        await self.fate.around(self.destination.publish(run))
