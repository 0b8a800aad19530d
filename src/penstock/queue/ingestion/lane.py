"""The offsets of one lane: which of them wait, which are in somebody's hands, which are settled for good."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

from penstock.queue.ingestion.ranges import Ranges

NO_OFFSET = 1 << 62
"""Greater than every offset."""


class Stretch(NamedTuple):
    """Entries of one lane, from offset `start` up to `end`."""

    lane: int
    start: int
    end: int


class Tried(NamedTuple):
    """Leases of an item that came to no end. `proven`: the last one held nothing else that could have been to blame."""

    attempts: int
    proven: bool


@dataclass(slots=True)
class Lane:
    """Every offset below `end` waits, or is taken; of those that are taken some are settled, some leased, some put aside until their time.

    Below `head` all are taken. `settled` is a part of `taken`. `tried` are items whose leases ran out or ended with the process; they wait,
    and are handed out alone.
    """

    number: int
    end: int = 0
    head: int = 0
    settled: Ranges = field(default_factory=Ranges)
    taken: Ranges = field(default_factory=Ranges)
    tried: dict[int, Tried] = field(default_factory=dict)
    suspects: Ranges = field(default_factory=Ranges)
    aside: list[tuple[int, int]] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """How many are not taken."""
        return self.end - self.taken.total

    @property
    def unsettled(self) -> int:
        """How many are not settled: waiting, leased or put aside."""
        return self.end - self.settled.total

    def take(self, limit: int) -> list[Stretch]:
        """The first waiting ones, `limit` at the most; nothing beyond a suspect, which is taken only as the first, and alone."""
        found: list[Stretch] = []
        while limit > 0 and (free := next(self.taken.missing(self.head, self.end), None)):
            start, end = free[0], min(free[1], free[0] + limit)
            clear_start, clear_end = next(self.suspects.missing(start, end), (end, end))
            if clear_start > start:
                if not found:
                    found.append(self._taken(start, start + 1))
                break
            found.append(self._taken(start, clear_end))
            limit -= clear_end - start
        return found

    def _taken(self, start: int, end: int) -> Stretch:
        self.taken.add(start, end)
        self.head = end
        return Stretch(self.number, start, end)

    def oldest(self, limit: int) -> list[Stretch]:
        """The first waiting ones, `limit` at the most, without taking them."""
        found = []
        for start, end in self.taken.missing(self.head, self.end):
            if limit <= 0:
                break
            found.append(Stretch(self.number, start, min(end, start + limit)))
            limit -= end - start
        return found

    def put_aside(self, offset: int, due_us: int) -> None:
        """An item that was taken is not due yet."""
        heapq.heappush(self.aside, (due_us, offset))

    def bring_back(self, now_us: int) -> None:
        """What was put aside and is due by now waits again."""
        while self.aside and self.aside[0][0] <= now_us:
            self.give_back(heapq.heappop(self.aside)[1])

    def give_back(self, start: int, end: int | None = None) -> None:
        """Items that were taken and are not settled wait again."""
        end = start + 1 if end is None else end
        for first, after in list(self.settled.missing(start, end)):
            self.taken.remove(first, after)
            self.head = min(self.head, first)

    def suspect(self, offset: int, tried: Tried) -> None:
        """A lease of an item came to no end, and it has been so `tried` by now."""
        self.tried[offset] = tried
        self.suspects.add(offset, offset + 1)

    def cut(self) -> None:
        """Forget what lies at the end and behind it: those offsets will be given to other entries."""
        for ranges in (self.settled, self.taken, self.suspects):
            ranges.remove(self.end, NO_OFFSET)
        self.tried = {offset: tried for offset, tried in self.tried.items() if offset < self.end}

    def settle(self, start: int, end: int) -> int:
        """These are done with, for good; how many of them were not before."""
        self.taken.add(start, end)
        if self.tried:
            for offset in [offset for offset in self.tried if start <= offset < end]:
                del self.tried[offset]
            self.suspects.remove(start, end)
        return self.settled.add(start, end)
