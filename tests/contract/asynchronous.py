"""A destination that commits rows and position together and, in a crash, forgets the last commits it has acknowledged.

So does PostgreSQL with `synchronous_commit=off`. It lives in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pyarrow as pa

from penstock.model.coverage import Interval, Position
from penstock.ports.checkpoints import Holder, Outcome, Pipeline, Run
from penstock.ports.flow import Block, Receipt, Refusal, Settled
from penstock.ports.sink import BlockLimits, Delivery, Transactional, Writer
from penstock.ports.source import Progress, Scope
from penstock.stores.memory import MemoryCheckpoints
from penstock.testing.hostile import rows
from tests.contract.benches import Beside, MemoryBench


@dataclass(frozen=True, slots=True)
class State:
    """What one pipeline's table and checkpoints hold after a commit."""

    rows: tuple[int, ...] = ()
    coverage: Mapping[Position, Interval] = field(default_factory=dict)
    dead: Sequence[Refusal] = ()


@dataclass
class AsynchronousDestination:
    """`commits` are what a crash may fall back to, the durable one first. Leases and scopes are durable at once, with all before them."""

    checkpoints: MemoryCheckpoints
    commits: list[State] = field(default_factory=lambda: [State()])
    in_flight: int = 3
    block: BlockLimits = field(default_factory=lambda: BlockLimits(rows=20))

    @property
    def delivery(self) -> Delivery:
        """Wholly, with its position, or not at all."""
        return Transactional()

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Accept blocks."""
        del schema
        return self._open(run)

    @asynccontextmanager
    async def _open(self, run: Run) -> AsyncIterator[Writer]:
        yield _AsynchronousWriter(self, run)

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        """Take the lease."""
        run = await self.checkpoints.begin(pipeline, holder)
        self.flush()
        return run

    async def beat(self, run: Run) -> None:
        """Renew the lease."""
        await self.checkpoints.beat(run)

    async def progress(self, run: Run) -> Progress:
        """What is committed."""
        return await self.checkpoints.progress(run)

    async def peek(self, pipeline: Pipeline) -> Progress:
        """What is committed."""
        return await self.checkpoints.peek(pipeline)

    async def freeze(self, run: Run, scope: Scope) -> None:
        """Keep the scope."""
        await self.checkpoints.freeze(run, scope)
        self.flush()

    async def forget(self, run: Run) -> None:
        """Begin from nothing, but for the rows."""
        await self.checkpoints.forget(run)
        self.commits = [State(self.commits[-1].rows)]

    async def publish(self, run: Run) -> None:
        """Rows are seen as they are committed."""

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Give the lease back."""
        await self.checkpoints.end(run, outcome)
        self.flush()

    def flush(self) -> None:
        """Make all commits durable."""
        del self.commits[:-1]

    def crash(self, random: Random) -> None:
        """Fall back to one of the commits that may be the last."""
        del self.commits[random.randint(1, len(self.commits)) :]
        for record in self.checkpoints.records.values():
            record.coverage, record.dead = self.commits[-1].coverage, list(self.commits[-1].dead)


@dataclass(frozen=True, slots=True)
class _AsynchronousWriter:
    destination: AsynchronousDestination
    run: Run

    async def write(self, block: Block) -> Receipt:
        await asyncio.sleep(0)
        receipt, commits = Receipt(block.rows), self.destination.commits
        await self.destination.checkpoints.save(self.run, block, receipt)
        record = self.destination.checkpoints.records[self.run.pipeline.name]
        commits.append(State((*commits[-1].rows, *(row["id"] for row in rows(block))), record.coverage, record.dead))
        await asyncio.sleep(0)
        return receipt

    async def settle(self) -> Sequence[Settled]:
        await asyncio.sleep(0)
        self.destination.flush()
        return ()


@dataclass
class AsynchronousBench(Beside[MemoryBench]):
    """A crash forgets as many commits as `random` draws."""

    random: Random

    def __post_init__(self) -> None:
        self.runs = AsynchronousDestination(self.checkpoints.runs)

    async def crash(self) -> None:
        """Fall back."""
        self.fall_back()

    def fall_back(self) -> None:
        """To one of the last commits."""
        self.runs.crash(self.random)

    async def stored(self) -> Sequence[int]:
        """The ids in the last commit."""
        return self.runs.commits[-1].rows
