"""A table in memory, read by row number."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa

from penstock.model.coverage import Position, Span, missing
from penstock.ports.flow import Batch, Refusal
from penstock.ports.source import Partition, Plan, Progress, Scope, Splittable


@dataclass(slots=True)
class _Reading:
    """How far a partition is read, and where it ends by now, as row numbers."""

    at: int
    end: int


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Rows of `table`, read in partitions of `partition_rows` and batches of `batch_rows`; the rows numbered in `refused` are none.

    An idle worker gets the second half of what is left of the longest partition.
    """

    table: pa.Table
    partition_rows: int = 1_000
    batch_rows: int = 100
    refused: frozenset[int] = frozenset()
    epoch: str = "memory"
    _readings: dict[Position, _Reading] = field(default_factory=dict, init=False, repr=False, compare=False)
    releasing = growing = None

    @property
    def splitting(self) -> Splittable:
        """Itself."""
        return self

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table."""
        return self.table.schema

    async def plan(self, done: Progress) -> Plan:
        """All rows of the table, cut at multiples of `partition_rows`."""
        self._readings.clear()
        scope = done.scope or Scope(Span(self.at(0), self.at(max(1, self.table.num_rows))))
        spans = [piece for span in missing(done.coverage, scope.span) for piece in self._cut(span)]
        return Plan(scope, tuple(Partition(number, span.start, span.end) for number, span in enumerate(spans)))

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """Batches of at most `batch_rows` rows."""
        reading = self._readings[partition.start] = _Reading(row_of(partition.start), row_of(partition.end))
        while (first := reading.at) < reading.end:
            reading.at = min(first + self.batch_rows, reading.end)
            yield self._batch(first, reading.at)

    def split(self, running: Sequence[Partition]) -> Partition | None:
        """The second half, where there are two rows to divide."""
        begun = [self._readings[one.start] for one in running if one.start in self._readings]
        longest = max(begun, key=lambda reading: reading.end - reading.at, default=_Reading(0, 0))
        if longest.end - longest.at < 2:
            return None
        end, longest.end = longest.end, (longest.at + longest.end) // 2
        return Partition(longest.end, self.at(longest.end), self.at(end))

    def _batch(self, first: int, last: int) -> Batch:
        good = [row for row in range(first, min(last, self.table.num_rows)) if row not in self.refused]
        rows = self.table.take(pa.array(good, pa.int64())).combine_chunks().to_batches()
        bad = [
            Refusal(row - first, b"row %d" % row, "refused on purpose", f"row {row}") for row in sorted(self.refused) if first <= row < last
        ]
        return Batch(rows[0] if rows else pa.RecordBatch.from_pylist([], schema=self.schema), tuple(bad), self.at(first), self.at(last))

    def at(self, row: int) -> Position:
        """The position before row number `row`."""
        return Position(self.epoch, row.to_bytes(8, "big"))

    def _cut(self, span: Span) -> Iterator[Span]:
        low, high = row_of(span.start), row_of(span.end)
        cuts = [low, *range((low // self.partition_rows + 1) * self.partition_rows, high, self.partition_rows), high]
        for start, end in pairwise(cuts):
            yield Span(self.at(start), self.at(end))


def row_of(position: Position) -> int:
    """The row number of a position of this source."""
    return int.from_bytes(position.order, "big")
