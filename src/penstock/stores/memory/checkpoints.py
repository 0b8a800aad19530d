"""Positions, leases and history in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from penstock.engine.lease import LeaseSettings, judge
from penstock.model.coverage import Interval, Position
from penstock.model.gaps import Loss, by_cause
from penstock.ports.checkpoints import AnotherSource, Holder, LeaseHeld, LeaseLost, Outcome, Pipeline, PositionMoved, Run
from penstock.ports.flow import Block, BlockId, Receipt, Refusal, counts, dead_letters
from penstock.ports.source import Progress, Scope


@dataclass(slots=True)
class Record:
    """All that is kept of one pipeline."""

    source: str
    fence: int = 0
    holder: Holder | None = None
    beaten: float = 0.0
    scope: Scope | None = None
    coverage: Mapping[Position, Interval] = field(default_factory=dict)
    intended: dict[BlockId, int] = field(default_factory=dict)
    lost: tuple[Loss, ...] = ()
    dead: list[Refusal] = field(default_factory=list)
    history: dict[int, Outcome | None] = field(default_factory=dict)

    @property
    def progress(self) -> Progress:
        """As it is answered."""
        return Progress(self.scope, tuple(self.coverage.values()), tuple(self.intended), self.lost)


@dataclass(slots=True)
class MemoryCheckpoints:
    """Checkpoints for tests and for pipelines that need not outlive their process."""

    settings: LeaseSettings = field(default_factory=LeaseSettings)
    clock: Callable[[], float] = time.monotonic
    records: dict[str, Record] = field(default_factory=dict)

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        """Take the lease; see `Runs.begin`."""
        record = self.records.setdefault(pipeline.name, Record(pipeline.source))
        _require_source(record, pipeline)
        if judge(record.holder, self.clock() - record.beaten, self.settings, holder) == "held":
            raise LeaseHeld(f"{pipeline.name} is held by {record.holder}")
        record.fence, record.holder, record.beaten = record.fence + 1, holder, self.clock()
        record.history[record.fence] = None
        return Run(pipeline, record.fence, holder)

    async def beat(self, run: Run) -> None:
        """Renew the lease."""
        self._fenced(run).beaten = self.clock()

    async def progress(self, run: Run) -> Progress:
        """What is saved."""
        return self._fenced(run).progress

    async def peek(self, pipeline: Pipeline) -> Progress:
        """What is saved, or nothing."""
        record = self.records.get(pipeline.name, Record(pipeline.source))
        _require_source(record, pipeline)
        return record.progress

    async def freeze(self, run: Run, scope: Scope) -> None:
        """Keep the scope, or a wider one."""
        record = self._fenced(run)
        kept = record.scope
        if kept is not None and not scope.span.contains(kept.span):
            raise PositionMoved(f"{run.pipeline.name} has another scope already")
        record.scope = scope

    async def forget(self, run: Run) -> None:
        """Begin from nothing."""
        record = self._fenced(run)
        record.scope, record.coverage, record.intended, record.lost, record.dead = None, {}, {}, (), []

    async def intend(self, run: Run, block: BlockId) -> int:
        """Keep the block's bounds, and count."""
        intended = self._fenced(run).intended
        intended[block] = intended.get(block, 0) + 1
        return intended[block] - 1

    async def save(self, run: Run, block: Block, receipt: Receipt) -> None:
        """Advance the position."""
        record = self._fenced(run)
        stored = record.coverage.get(block.id.strand, Interval(block.id.strand, block.id.strand))
        if stored.upto != block.id.after:
            raise PositionMoved(f"{run.pipeline.name}: stored up to {stored.upto}, the block starts at {block.id.after}")
        longer = Interval(stored.start, block.id.upto, stored.counts + counts(block, receipt))
        record.dead = [*record.dead, *dead_letters(block, receipt)]
        record.lost = by_cause([*record.lost, *map(Loss.of, block.gaps)])
        record.intended.pop(block.id, None)
        record.coverage = {**record.coverage, block.id.strand: longer}

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Give the lease back."""
        record = self.records[run.pipeline.name]
        if record.fence == run.fence:
            record.history[run.fence] = outcome
            record.holder = None

    def _fenced(self, run: Run) -> Record:
        record = self.records[run.pipeline.name]
        if record.fence != run.fence:
            raise LeaseLost(f"{run.pipeline.name} is held by {record.holder}")
        return record


def _require_source(record: Record, pipeline: Pipeline) -> None:
    if record.source != pipeline.source:
        raise AnotherSource(f"{pipeline.name} holds rows of {record.source}, not of {pipeline.source}")
