"""A source with many records at one order, as an API sorted by time has: its batches end inside of an order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa

from penstock.model.coverage import Position, Span, missing
from penstock.ports.flow import Batch, Refusal
from penstock.ports.source import Partition, Plan, Progress, Scope, Splittable
from penstock.testing import records


@dataclass(slots=True)
class _Reading:
    """The record that comes next, and the first one behind the end, which may lie inside of an order."""

    number: int
    last: int
    end: Position


@dataclass(frozen=True, slots=True)
class TiedSource:
    """Record number n, with the id n, lies at order `orders[n]`; they rise. Positions name the last record read wherever a batch ends."""

    orders: tuple[int, ...]
    partitions: int = 3
    batch_rows: int = 3
    refused: frozenset[int] = frozenset()
    _readings: dict[Position, _Reading] = field(default_factory=dict, init=False, repr=False, compare=False)
    releasing = growing = None

    @property
    def splitting(self) -> Splittable:
        """Itself."""
        return self

    @property
    def schema(self) -> pa.Schema:
        """Columns of the suite's records."""
        return records.SCHEMA

    async def plan(self, done: Progress) -> Plan:
        """Everything, cut between orders."""
        self._readings.clear()
        low, high = self.orders[0], self.orders[-1] + 1
        scope = done.scope or Scope(Span(records.place(low), records.place(high)), len(self.orders))
        cuts = [records.place(low + (high - low) * number // self.partitions) for number in range(1, self.partitions)]
        spans = [piece for span in missing(done.coverage, scope.span) for piece in _cut(span, cuts)]
        return Plan(scope, tuple(Partition(number, span.start, span.end) for number, span in enumerate(spans)))

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """A batch for each page, and an empty one where nothing is left before the end."""
        reading = _Reading(self._next(partition.start), self._next(partition.end), partition.end)
        self._readings[partition.start], after = reading, partition.start
        while after != reading.end:
            number, reading.number = reading.number, min(reading.number + self.batch_rows, reading.last)
            inside = records.place(self.orders[reading.number - 1], b"%d" % (reading.number - 1))
            upto = reading.end if reading.number == reading.last else inside
            yield self._batch(number, reading.number, after, upto)
            after = upto

    def split(self, running: Sequence[Partition]) -> Partition | None:
        """From the order of the middle record of the longest partition on, where nothing of that order is read yet."""
        begun = [self._readings[one.start] for one in running if one.start in self._readings]
        longest = max(begun, key=lambda reading: reading.last - reading.number, default=None)
        if longest is None or longest.last == longest.number:
            return None
        order = self.orders[(longest.number + longest.last) // 2]
        cut, end = bisect_left(self.orders, order), longest.end
        if cut < longest.number:
            return None
        longest.last, longest.end = cut, records.place(order)
        return Partition(cut, longest.end, end)

    def _next(self, position: Position) -> int:
        """The first record behind a position."""
        return int(position.resume) + 1 if position.resume else bisect_left(self.orders, records.number(position))

    def _batch(self, low: int, high: int, after: Position, upto: Position) -> Batch:
        bad = [number for number in range(low, high) if number in self.refused]
        rows = records.rows(number for number in range(low, high) if number not in self.refused)
        refused = tuple(Refusal(number - low, b"row %d" % number, "refused by the source", "tied") for number in bad)
        return Batch(rows, refused, after, upto)


def _cut(span: Span, cuts: list[Position]) -> list[Span]:
    inside = [cut for cut in dict.fromkeys(cuts) if span.start.rank < cut.rank < span.end.rank]
    return [Span(start, end) for start, end in pairwise([span.start, *inside, span.end])]
