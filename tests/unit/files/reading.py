"""Reading a source of files as the engine does: planned, read, and what was read kept as coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.model.coverage import Interval
from penstock.ports.flow import Batch, Refusal
from penstock.ports.source import Progress, Source
from penstock.testing.sources import joined, read


@dataclass
class Pipeline:
    """What is stored of a pipeline, over several runs."""

    done: Progress = field(default_factory=Progress)
    batches: list[Batch] = field(default_factory=list)

    async def run(self, source: Source, *, partitions: int | None = None) -> list[dict[str, Any]]:
        """The rows that one run brings: of all partitions until there are none, or of the first so many."""
        fresh: list[Batch] = []
        while (plan := await source.plan(self.done)).partitions:
            for partition in plan.partitions[:partitions]:
                fresh += await read(source, partition)
                covered = [*self.done.coverage, Interval(partition.start, partition.end)]
                self.done = Progress(plan.scope, tuple(joined(covered)))
            if partitions is not None:
                break
        self.batches += fresh
        return rows(fresh)

    @property
    def refused(self) -> list[Refusal]:
        """What was no row, of all runs."""
        return [refusal for batch in self.batches for refusal in batch.refused]


def rows(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """The rows of batches."""
    return [row for batch in batches for row in batch.rows.to_pylist()]
