"""Where positions, leases and the history of runs are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from penstock.model.errors import Fatal, Transient, TryLater
from penstock.ports.flow import Block, BlockId, Receipt
from penstock.ports.source import Progress, Scope

RunState = Literal["completed", "completed with rejected rows", "failed", "cancelled"]

Judgement = Literal["free", "dead", "stale", "held"]
"""Of a lease: nobody has it, its holder is gone, or silent for too long, or at work."""


class LeaseHeld(TryLater):
    """Another run of this pipeline is at work."""

    default_hint = "Wait for it to end, or stop it; a run that died is replaced by itself."


class LeaseLost(TryLater):
    """Another run has taken this pipeline over; this one writes no more."""

    default_hint = "The other run goes on from what is stored."


class PositionMoved(Transient):
    """The stored position is not where this run left it.

    A store that crashed may have forgotten what it acknowledged, and a write that was never answered may have arrived: coverage tells.
    """


class AnotherSource(Fatal):
    """The destination holds rows of another source, and does not mix two."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a lease is held for: a name, and the identity of the source whose rows its table holds."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lease; `started` is in clock ticks since that boot, so that a reused pid is told apart."""

    host: str
    boot: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that holds the lease: whatever is written under a smaller `fence` than the stored one is turned away."""

    pipeline: Pipeline
    fence: int
    holder: Holder


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, for the history: its state, one sentence, and what it counted or proved."""

    state: RunState
    message: str
    summary: Mapping[str, object] = field(default_factory=dict)


class Runs(Protocol):
    """Who is at work on a pipeline, what it set out to read and what is stored of it."""

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        """Take the lease.

        A holder that died on this host is replaced at once. One whose heartbeat is fresh stays: `LeaseHeld` names it. One whose heartbeat
        is stale is cut off (its connections, where the store has such) and replaced. Raises `AnotherSource` where the pipeline's rows are
        of another source.
        """
        ...

    async def beat(self, run: Run) -> None:
        """Show that the run is alive; raises `LeaseLost` once another has taken over. The engine calls it every few seconds."""
        ...

    async def progress(self, run: Run) -> Progress:
        """Read back what is stored, which after a crash of the store may lie behind receipts the engine holds."""
        ...

    async def peek(self, pipeline: Pipeline) -> Progress:
        """What is stored at this moment, for somebody who has no lease: nothing is taken, and it may be out of date at once.

        Empty for a pipeline that never ran. Raises `AnotherSource` as `begin` does.
        """
        ...

    async def freeze(self, run: Run, scope: Scope) -> None:
        """Store the scope, or another one in its place that contains its span; raises `PositionMoved` for one that does not."""
        ...

    async def forget(self, run: Run) -> None:
        """Forget the scope, the coverage, the intents, the losses and the dead letters, all at once: the pipeline begins from nothing.

        The lease, the history and the rows in the store stay; what becomes of the rows is the caller's business, who has no writer open.
        """
        ...

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Give the lease back and write the run's row of the history. A lost lease is not an error here."""
        ...


class Checkpoints(Runs, Protocol):
    """Positions for stores that have no transactions of their own to keep them in."""

    async def intend(self, run: Run, block: BlockId) -> int:
        """Remember that a write of exactly this block begins; it stays in `Progress.intended` until it is saved.

        Answers how many writes of it were begun before, by whichever run.
        """
        ...

    async def save(self, run: Run, block: Block, receipt: Receipt) -> None:
        """Advance the position over a durable block, with its counts, gaps and dead letters, in one transaction.

        Compare-and-set on (fence, the block's start): raises `LeaseLost` or `PositionMoved`, and then nothing has changed.
        """
        ...
