"""The benches of our own implementations: how to look into them, and how to kill them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from penstock.ports.checkpoints import Pipeline
from penstock.stores.memory import MemoryCheckpoints, MemorySink


@dataclass
class MemorySinkBench:
    """A sink whose table outlives it."""

    sink: MemorySink = field(default_factory=lambda: MemorySink("id"))

    async def stored(self) -> Sequence[int]:
        """The keys."""
        return [row["id"] for row in self.sink.rows.values()]

    async def crash(self) -> None:
        """Only the table stays."""
        self.sink = MemorySink("id", self.sink.rows)


@dataclass
class MemoryBench:
    """Checkpoints whose records outlive them."""

    now: float = 0.0
    runs: MemoryCheckpoints = field(init=False)

    def __post_init__(self) -> None:
        self.runs = MemoryCheckpoints(clock=lambda: self.now)

    async def crash(self) -> None:
        """Only the records stay."""
        self.runs = MemoryCheckpoints(clock=lambda: self.now, records=self.runs.records)

    async def fall_silent(self, pipeline: Pipeline, seconds: float) -> None:
        """Put the clock forward."""
        del pipeline
        self.now += seconds

    async def history(self, pipeline: Pipeline) -> Mapping[int, str | None]:
        """As it is kept."""
        return {fence: outcome and outcome.state for fence, outcome in self.runs.records[pipeline.name].history.items()}

    async def dead_letters(self, pipeline: Pipeline) -> list[bytes]:
        """As they are kept."""
        return [refusal.raw for refusal in self.runs.records[pipeline.name].dead]
