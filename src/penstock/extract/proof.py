"""The proof: complete with respect to what the API reported, counted in the table, and probed at every seam.

A run is complete iff its coverage tiles the frozen scope; in every stretch stored and refused add up to what was received and the table
holds what was stored; the sum is the total that the API stated with the plan; and at every seam the API's own neighbours are neighbours in
the table. Nothing here is taken from memory: coverage and counts are read back after everything was settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from penstock.extract.cursor import Cursor
from penstock.extract.events import Page
from penstock.extract.keys import Frontier
from penstock.extract.source import EventSource
from penstock.extract.timestamps import EARLIEST
from penstock.model.counts import Counts
from penstock.model.coverage import Interval, in_order, missing
from penstock.ports.source import Progress
from penstock.stores.postgres.census import Census, Stretch

SPARE = 16
"""Events a seam probe asks for beyond the two it needs: refused ones may lie between them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stored stretch `low < ts <= high` (Unix milliseconds), what was counted when it was stored, and what the table holds now."""

    low: int
    high: int
    received: int
    stored: int
    duplicate: int
    refused: int
    in_table: int

    @property
    def holds(self) -> bool:
        """Whether all of it is accounted for, in the table and beside it."""
        return self.received == self.stored + self.refused and self.in_table == self.stored


@dataclass(frozen=True, slots=True)
class Seam:
    """The events on both sides of a seam, as the API serves them in a row, and whether they are neighbours in the table."""

    at: int
    newer: str
    older: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found, and what follows from it."""

    source: str
    total: int | None
    later_total: int | None
    gaps: int
    parts: tuple[Part, ...]
    seams: tuple[Seam, ...]

    @property
    def sums(self) -> Counts:
        """All parts together."""
        return sum((Counts(part.received, part.stored, part.duplicate, part.refused) for part in self.parts), Counts())

    @property
    def faults(self) -> list[str]:
        """What speaks against completeness, in sentences."""
        sums = self.sums
        found = [f"{self.gaps} stretches are not stored"] if self.gaps else []
        found += [f"{part.low} to {part.high}: {part}" for part in self.parts if not part.holds]
        if self.total is not None and sums.stored + sums.refused != self.total:
            found.append(f"{sums.stored + sums.refused:,} events are accounted for, the API stated {self.total:,}")
        return found + [
            f"at {seam.at} the API has {seam.newer} before {seam.older}, the table has not" for seam in self.seams if not seam.holds
        ]

    @property
    def complete(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults

    @property
    def newer(self) -> int:
        """Events that came after the scope was frozen; the next extraction's business."""
        return max(0, (self.later_total or 0) - (self.total or 0)) if self.total is not None else 0

    def as_json(self) -> dict[str, object]:
        """As it is printed with --json and kept with the run."""
        return asdict(self) | {"complete": self.complete, "faults": self.faults, "newer": self.newer}


async def prove(done: Progress, source: EventSource, census: Census, pipeline: str) -> Proof:
    """Count in the table, probe the seams, and put it all together."""
    intervals = in_order(done.coverage)
    edges = sorted({edge for interval in intervals for edge in (_low(interval) + 1, _high(interval) + 1)})
    counted = await census.stretches([max(edge, EARLIEST) for edge in edges])
    found = [counted[edges.index(_low(interval) + 1) + 1] for interval in intervals]
    gaps = sum(1 for _ in missing(intervals, done.scope.span)) if done.scope else 1
    seams = await _Probe(source, census, pipeline, await _keys_beside(found, census)).seams(intervals, found)
    if source.latest_total is None:
        await source.look(None, 1)
    parts = tuple(_part(interval, stretch) for interval, stretch in zip(intervals, found, strict=True))
    return Proof(source.epoch, source.total, source.latest_total, gaps, parts, seams)


def _low(interval: Interval) -> int:
    return Frontier.of(interval.upto).ts


def _high(interval: Interval) -> int:
    return Frontier.of(interval.start).ts


def _part(interval: Interval, stretch: Stretch) -> Part:
    counts = interval.counts
    return Part(_low(interval), _high(interval), counts.received, counts.stored, counts.duplicate, counts.refused, stretch.rows)


async def _keys_beside(found: Sequence[Stretch], census: Census) -> Mapping[int, set[str]]:
    """Keys in the table at the milliseconds next to the seams, and one later, which an API may serve along with them."""
    oldest = [stretch.oldest for stretch in found if stretch.oldest is not None]
    newest = [stretch.newest for stretch in found if stretch.newest is not None]
    return await census.at([*oldest, *(ts + 1 for ts in oldest), *newest])


@dataclass(frozen=True, slots=True)
class _Probe:
    """Ask the API for the events on both sides of each seam, and look for them in the table."""

    source: EventSource
    census: Census
    pipeline: str
    keys: Mapping[int, set[str]]

    async def seams(self, intervals: Sequence[Interval], found: Sequence[Stretch]) -> tuple[Seam, ...]:
        """One request for every seam; stretches without a row have no neighbours, the seam then lies between the ones around them."""
        filled = [(interval, stretch) for interval, stretch in zip(intervals, found, strict=True) if stretch.rows]
        return tuple(
            [await self._seam(_low(upper), above, below) for (upper, above), (_, below) in pairwise(filled)],
        )

    async def _seam(self, at: int, above: Stretch, below: Stretch) -> Seam:
        """Read from just above the oldest millisecond over the seam; all of it has to be stored, then comes the newest one below."""
        assert above.oldest is not None
        assert below.newest is not None
        limit = len(self.keys[above.oldest]) + len(self.keys[above.oldest + 1]) + SPARE
        cursor = Cursor.above(above.oldest if limit <= self.source.page_limit else at)
        page = await self.source.look(cursor, min(limit, self.source.page_limit))
        newer = older = "nothing"
        if page is None:
            return Seam(at, newer, older, holds=False)
        for number in range(len(page)):
            ts, key = int(page.ts[number]), page.ids[number].lower()
            if ts == below.newest and key in self.keys[ts]:
                return Seam(at, newer, f"{ts} {key}", holds=True)
            if not await self._is_known(page, number):
                older = f"{ts} {key}"
                break
            newer = f"{ts} {key}"
        return Seam(at, newer, older, holds=False)

    async def _is_known(self, page: Page, number: int) -> bool:
        """Whether an event of a probe is in the table or among the dead letters."""
        ts, key = int(page.ts[number]), page.ids[number].lower()
        if number not in page.refused:
            return key in self.keys.get(ts, ())
        return await self.census.is_dead_letter(self.pipeline, bytes(page.raws[number]))
