"""Who reads which part of the time: what is left of each by estimate, where to cut it, and pages that were read past an end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from penstock.extract import stretch
from penstock.extract.events import Page
from penstock.extract.keys import Frontier
from penstock.extract.timestamps import UNKNOWN
from penstock.model.coverage import Position
from penstock.ports.source import Partition, Scope

LEAST_PAGES = 2
"""A cut costs about half a page: the last page of the upper part reaches into the lower one. Of less than this it is not worth it."""

Ahead = tuple[Frontier, Page]
"""A page, and the place it was asked for."""


@dataclass(slots=True)
class Reading:
    """A partition that is being read: where it ends by now, and which part of it, down to `lowest`, the pages received have claimed.

    In Unix milliseconds; in each of them lie `density` events, by the last page: what comes next is like what came last.
    """

    end: Frontier
    lowest: int
    density: float

    def claim(self, place: Frontier, page: Page | None) -> Frontier:
        """Take note of a page, and answer the end that holds for it: from here on no cut touches it, however long its judging takes."""
        if page is None or not page.paging.has_more:
            self.lowest = self.end.ts
            return self.end
        ts = stretch.stated(page)
        self.lowest = min([self.lowest, *ts[ts != UNKNOWN][-1:].tolist()])
        self.density = len(page) / max(1, place.ts - self.lowest)
        return self.end


@dataclass(slots=True)
class Shares:
    """The partitions of one plan. `oldest` is where the events end, `density` how many of those that are left lie in a millisecond.

    That is what is expected of a partition of which nothing is read yet.
    """

    epoch: str = ""
    oldest: int = 0
    density: float = 0.0
    _next_number: int = 0
    _readings: dict[Position, Reading] = field(default_factory=dict)
    _ahead: dict[Position, Ahead | None] = field(default_factory=dict)

    @classmethod
    def of(cls, scope: Scope, partitions: Sequence[Partition], left: int) -> Shares:
        """None of them has begun, and so many events are left in all."""
        oldest = int(scope.facts["oldest_ms"])
        ends = [(Frontier.of(one.start).ts, Frontier.of(one.end).ts) for one in partitions]
        density = left / max(1, sum(max(0, high - max(low, oldest)) for high, low in ends))
        return cls(scope.span.start.epoch, oldest, density, len(partitions), {}, dict.fromkeys(one.start for one in partitions))

    def begin(self, partition: Partition) -> tuple[Reading, Ahead | None]:
        """A partition is being read from here on; with the page that was read past the end of the one before it, if there is one."""
        start = Frontier.of(partition.start).ts
        self._readings[partition.start] = reading = Reading(Frontier.of(partition.end), start, self.density)
        return reading, self._ahead.pop(partition.start, None)

    def keep(self, end: Position, ahead: Ahead) -> None:
        """A page reaches past an end: whoever begins there starts with it, unless that has begun already."""
        if end in self._ahead:
            self._ahead[end] = ahead

    def lasting_ms(self, events: int) -> int:
        """How long it takes on the whole until so many events have come."""
        return int(events / self.density) if self.density > 0 else 0

    def is_awaited(self, end: Position) -> bool:
        """Whether somebody who begins there has not done so yet, and may start with a page that reaches past it."""
        return end in self._ahead

    def left(self, running: Sequence[Partition]) -> float:
        """How many events are left of these partitions, by estimate."""
        return sum(map(self._left, self._begun(running)))

    def split(self, running: Sequence[Partition], page_limit: int) -> Partition | None:
        """The larger half of what is left of the longest partition behind the page on its way; None of fewer than `LEAST_PAGES` pages."""
        victim = max(self._begun(running), key=self._left, default=None)
        if victim is None or (left := self._left(victim)) < LEAST_PAGES * page_limit:
            return None
        kept = (left + page_limit) / 2
        cut = victim.lowest - max(1, int((victim.lowest - self._bottom(victim)) * kept / left))
        if cut <= self._bottom(victim):
            return None
        end, victim.end = victim.end, Frontier(cut)
        piece = Partition(self._next_number, victim.end.position(self.epoch), end.position(self.epoch))
        self._next_number += 1
        self._ahead[piece.start] = None
        return piece

    def _begun(self, running: Sequence[Partition]) -> Iterator[Reading]:
        return (self._readings[one.start] for one in running if one.start in self._readings)

    def _left(self, reading: Reading) -> float:
        """Events, by estimate."""
        return reading.density * max(0, reading.lowest - self._bottom(reading))

    def _bottom(self, reading: Reading) -> int:
        """Where the partition, or what there is of it, ends."""
        return max(reading.end.ts, self.oldest)
