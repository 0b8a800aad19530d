"""A sink that holds the engine to the port: whatever `Sink` and `Writer` promise about who calls what, and when, is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from penstock.model.coverage import Position
from penstock.model.errors import Transient
from penstock.ports.checkpoints import LeaseLost, Run
from penstock.ports.flow import Block, BlockId, Receipt, Settled
from penstock.ports.sink import BlockLimits, Delivery, Idempotent, Writer

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
T = TypeVar("T")


class Breach(AssertionError):
    """The engine did what its ports forbid."""


class Store(Writer, Protocol):
    """What stands behind a strict sink."""

    @property
    def delivery(self) -> Delivery:
        """What a second write of the same rows does."""
        ...

    @property
    def stored(self) -> Sequence[Row]:
        """All rows that a reader finds."""
        ...

    def abandon(self) -> None:
        """The writer was left by an exception."""
        ...

    def restart(self) -> None:
        """The store crashed, and is back."""
        ...


@dataclass(slots=True)
class StrictSink:
    """A sink in front of `store`. It raises `Breach` where the engine breaks the contract, and `LeaseLost` to a run that was replaced."""

    store: Store
    in_flight: int = 3
    block: BlockLimits = field(default_factory=lambda: BlockLimits(rows=20))
    fence: int = field(default=0, init=False)
    restarts: int = field(default=0, init=False)
    opened: set[int] = field(default_factory=set, init=False)
    begun: dict[Position, BlockId] = field(default_factory=dict, init=False)

    @property
    def delivery(self) -> Delivery:
        """What the store says."""
        return self.store.delivery

    def restart(self) -> None:
        """Crash the store; writers that are open lose their connection."""
        self.restarts += 1
        self.opened.clear()
        self.store.restart()

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Accept blocks, from one writer of a run at a time."""
        return self._open(run, schema)

    @asynccontextmanager
    async def _open(self, run: Run, schema: pa.Schema) -> AsyncIterator[Writer]:
        _require(run.fence not in self.opened, "the run opened the sink a second time")
        self.fenced(run)
        self.opened.add(run.fence)
        writer = _StrictWriter(self, run, schema, self.restarts)
        try:
            yield writer
        except BaseException:
            self.store.abandon()
            raise
        finally:
            writer.closed = True
            self.opened.discard(run.fence)

    def fenced(self, run: Run) -> None:
        """Turn a run away that was replaced."""
        if run.fence < self.fence:
            raise LeaseLost(f"fence {run.fence}, another run has {self.fence}")
        self.fence = run.fence

    def begin(self, block: Block) -> None:
        """Remember a block's bounds: where rows have no key they must never be cut in another way, and a second write must be marked."""
        if isinstance(self.delivery, Idempotent) and self.delivery.key:
            return
        if (earlier := self.begun.get(block.id.after)) is not None:
            _require(block.id == earlier, f"{block.id} was begun before as {earlier}")
            _require(block.again, f"{block.id} is written again and does not say so")
        _require(not any(_overlap(block.id, other) for other in self.begun.values()), f"{block.id} overlaps a block that was begun before")
        self.begun[block.id.after] = block.id


@dataclass(slots=True)
class _StrictWriter:
    sink: StrictSink
    run: Run
    schema: pa.Schema
    restarts: int
    closed: bool = False
    writing: set[Position] = field(default_factory=set)
    ends: dict[Position, Position] = field(default_factory=dict)

    async def write(self, block: Block) -> Receipt:
        strand = block.id.strand
        _require(not self.closed, "the writer is closed")
        _require(strand not in self.writing, "a partition has two writes open")
        _require(len(self.writing) < self.sink.in_flight, "more writes are open than the sink allows")
        _require(self.ends.get(strand, block.id.after) == block.id.after, "a block does not follow the last one of its partition")
        self._look_into(block)
        self.sink.fenced(self.run)
        self.sink.begin(block)
        self.writing.add(strand)
        try:
            receipt = await self._connected(self.sink.store.write(block))
        finally:
            self.writing.discard(strand)
        self.ends[strand] = block.id.upto
        return receipt

    def _look_into(self, block: Block) -> None:
        starts = [*(batch.after for batch in block.batches), block.id.upto]
        ends = [block.id.after, *(batch.upto for batch in block.batches)]
        _require(starts == ends, "the batches of a block do not follow each other")
        _require(all(batch.rows.schema.equals(self.schema) for batch in block.batches), "a batch has other columns")

    async def settle(self) -> Sequence[Settled]:
        _require(not self.closed, "the writer is closed")
        return await self._connected(self.sink.store.settle())

    async def _connected(self, work: Coroutine[Any, Any, T]) -> T:
        answer = await work
        if self.restarts != self.sink.restarts:
            raise Transient("the store was restarted")
        return answer


def _overlap(one: BlockId, other: BlockId) -> bool:
    if one.after == other.after:
        return False
    return other.after.rank < one.after.rank < other.upto.rank or one.after.rank < other.after.rank < one.upto.rank


def _require(kept: object, breach: str) -> None:
    if not kept:
        raise Breach(breach)
