"""Where records go."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from penstock.ports.checkpoints import Run, Runs
from penstock.ports.flow import Block, Receipt, Settled

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Transactional:
    """Rows and position commit together: a write is there wholly, with its position, or not at all."""


@dataclass(frozen=True, slots=True)
class Idempotent:
    """A second write within `horizon_s` seconds is harmless: of a row with the same `key`, or (no key) of the same block."""

    key: tuple[str, ...]
    horizon_s: float


@dataclass(frozen=True, slots=True)
class AtLeastOnce:
    """A second write stores the rows again; such rows are counted as `repeated`."""


Delivery = Transactional | Idempotent | AtLeastOnce


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """What one write should hold: batches are joined while they are waiting and the block stays within `rows`."""

    rows: int


class Writer(Protocol):
    """An open sink. The engine writes the blocks of one partition in order, those of different partitions at the same time."""

    async def write(self, block: Block) -> Receipt:
        """Store a block.

        An exception means UNKNOWN: the block may be stored wholly, in part or not at all; the engine finds out by reading coverage back.
        A returned receipt is an acknowledgement, NOT durability: that is what `settle` is for.
        """
        ...

    async def settle(self) -> Sequence[Settled]:
        """Return when everything whose `write` returned before this call is durable by the store's own rule, with late verdicts on it."""
        ...


class Sink(Protocol):
    """A store. Leaving `open` by an exception abandons the writer and must not finish anything."""

    @property
    def delivery(self) -> Delivery:
        """What a second write of the same rows does."""
        ...

    @property
    def block(self) -> BlockLimits:
        """What one write should hold."""
        ...

    @property
    def in_flight(self) -> int:
        """How many partitions may have a write open at the same time."""
        ...

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Create the table or check that it fits, and accept blocks.

        Raises `Fatal` where the store's table does not fit, before anything is written; `Transient` where the store cannot be reached.
        """
        ...


class Destination(Sink, Runs, Protocol):
    """What the engine runs into: a sink that keeps its own positions, so that a block's rows and position become durable together."""

    async def publish(self, run: Run) -> None:
        """Let readers find the rows, where they do not yet: a sink that replaces a table keeps the new one aside until here.

        The engine calls it under the lease, with no writer open, once nothing is missing; and again after a failure, or in a later run that
        finds nothing to do. It changes nothing then.
        """
        ...
