"""The proof: complete with respect to what the API reported, counted in the table, and probed at every seam.

A run is complete iff its coverage tiles the frozen scope; in every stretch stored and refused add up to what was received and the table
holds what was stored; the sum is what the API stated up to the scope's bound; and at every seam the API's own neighbours are neighbours in
the table. Nothing here is taken from memory: coverage and counts are read back after everything was settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from penstock.engine.concurrency import first_cause
from penstock.extract import stretch
from penstock.extract.events import Page
from penstock.extract.keys import Frontier
from penstock.extract.source import EventSource
from penstock.extract.timestamps import EARLIEST, LATEST
from penstock.model.counts import Counts
from penstock.model.coverage import Interval, in_order, missing
from penstock.ports.source import Progress
from penstock.stores.postgres.census import Census, Stretch

SPARE = 16
"""Events a seam probe asks for beyond those it needs: refused ones may lie between them."""


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
    """What was found, and what follows from it.

    `total` is how many events the API stated up to the bound of the scope, `later_total` how many in all by now. `outside` are rows of the
    table that lie in no stored stretch, `dead_letters` the refused events that are really kept.
    """

    source: str
    total: int | None
    later_total: int | None
    gaps: int
    outside: int
    dead_letters: int
    parts: tuple[Part, ...]
    seams: tuple[Seam, ...]

    @property
    def sums(self) -> Counts:
        """All parts together."""
        return sum((Counts(part.received, part.stored, part.duplicate, part.refused) for part in self.parts), Counts())

    @property
    def faults(self) -> list[str]:
        """What speaks against completeness, in sentences."""
        accounted = self.sums.stored + self.sums.refused
        found = [f"{self.gaps} stretches are not stored"] if self.gaps else []
        found += [f"{self.outside:,} rows of the table are of none of these stretches"] if self.outside else []
        found += [f"{part.low} to {part.high}: {part}" for part in self.parts if not part.holds]
        if self.dead_letters != self.sums.refused:
            found.append(f"{self.sums.refused:,} events were refused, {self.dead_letters:,} are among the dead letters")
        if self.total is None:
            found.append("the API stated no total, so nothing tells whether it served everything")
        elif accounted != self.total:
            found.append(
                f"{accounted:,} events are accounted for, the API states {self.total:,} up to the bound: it has not served all it counts,"
                " or events came in later than their time says"
            )
        return found + [
            f"at {seam.at} the API has {seam.newer} before {seam.older}, the table has not" for seam in self.seams if not seam.holds
        ]

    @property
    def complete(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults

    @property
    def newer(self) -> int:
        """Events above the bound; the next run's business."""
        return max(0, (self.later_total or 0) - self.total) if self.total is not None else 0

    def as_json(self) -> dict[str, object]:
        """As it is printed with --json and kept with the run."""
        return asdict(self) | {"complete": self.complete, "faults": self.faults, "newer": self.newer}


async def prove(done: Progress, source: EventSource, census: Census, pipeline: str, held: Iterable[Seam] = ()) -> Proof:
    """Count in the table, probe the seams, and put it all together; the seams that `held` in an earlier proof are not asked for again."""
    intervals = in_order(done.coverage)
    edges = sorted({edge for interval in intervals for edge in _edges(interval) if edge <= LATEST})
    counted = await census.stretches(edges)
    found = [_within(interval, edges, counted) for interval in intervals]
    outside = sum(one.rows for one in counted) - sum(one.rows for one in found)
    gaps = sum(1 for _ in missing(intervals, done.scope.span)) if done.scope else 1
    probe = _Probe(source, census, pipeline, await _keys_beside(found, census), {seam.at: seam for seam in held})
    seams = await probe.seams(intervals, found)
    parts = tuple(_part(interval, one) for interval, one in zip(intervals, found, strict=True))
    letters = await census.dead_letters(pipeline)
    return Proof(source.epoch, done.scope.rows if done.scope else None, source.latest_total, gaps, outside, letters, parts, seams)


def _edges(interval: Interval) -> tuple[int, int]:
    """The milliseconds from which on the interval, and what is newer than it, lie; at the earliest the first that can be stored."""
    return max(_low(interval) + 1, EARLIEST), max(_high(interval) + 1, EARLIEST)


def _within(interval: Interval, edges: Sequence[int], counted: Sequence[Stretch]) -> Stretch:
    """What was counted from the interval's own edge to the next one; nothing where no time that can be stored lies in it."""
    first, end = _edges(interval)
    return counted[edges.index(first) + 1] if first in edges and first < end else Stretch()


def _low(interval: Interval) -> int:
    return Frontier.of(interval.upto).ts


def _high(interval: Interval) -> int:
    return Frontier.of(interval.start).ts


def _part(interval: Interval, counted: Stretch) -> Part:
    counts = interval.counts
    return Part(_low(interval), _high(interval), counts.received, counts.stored, counts.duplicate, counts.refused, counted.rows)


async def _keys_beside(found: Sequence[Stretch], census: Census) -> Mapping[int, set[str]]:
    """Keys in the table at the milliseconds next to the seams, and one later, which an API may serve along with them."""
    oldest = [one.oldest for one in found if one.oldest is not None]
    newest = [one.newest for one in found if one.newest is not None]
    return await census.at([*oldest, *(ts + 1 for ts in oldest if ts < LATEST), *newest])


@dataclass(frozen=True, slots=True)
class _Probe:
    """Ask the API for the events on both sides of each seam, and look for them in the table."""

    source: EventSource
    census: Census
    pipeline: str
    keys: Mapping[int, set[str]]
    held: Mapping[int, Seam]

    async def seams(self, intervals: Sequence[Interval], found: Sequence[Stretch]) -> tuple[Seam, ...]:
        """One small request for every seam, as many at once as may be in flight.

        Stretches without a row have no neighbours, the seam then lies between the ones around them.
        """
        filled = [(interval, one) for interval, one in zip(intervals, found, strict=True) if one.rows]
        pairs = [(_low(upper), above, below) for (upper, above), (_, below) in pairwise(filled)]
        try:
            async with asyncio.TaskGroup() as group:
                asked = {at: group.create_task(self._seam(at, above, below)) for at, above, below in pairs if at not in self.held}
        except BaseExceptionGroup as failures:
            raise first_cause(failures) from None
        return tuple(self.held[at] if at in self.held else asked[at].result() for at, _, _ in pairs)

    async def _seam(self, at: int, above: Stretch, below: Stretch) -> Seam:
        """Read from just above the oldest millisecond over the seam; all of it has to be stored, then comes the newest one below."""
        assert above.oldest is not None
        assert below.newest is not None
        limit = len(self.keys[above.oldest]) + len(self.keys[above.oldest + 1]) + SPARE
        newer, place = "nothing", Frontier(above.oldest)
        while (page := await self.source.page_after(place, min(limit, self.source.page_limit))) is not None:
            for number in range(len(page)):
                ts, key = int(page.ts[number]), page.ids[number].lower()
                if ts > above.oldest:  # an API whose ids rise serves the next millisecond too, of which nothing may be stored yet
                    continue
                beneath = ts == below.newest and key in self.keys[ts]
                if beneath or not await self._is_known(page, number):
                    return Seam(at, newer, f"{ts} {key}", holds=beneath)
                newer = f"{ts} {key}"
            if not page.paging.has_more:
                break
            place = stretch.following(page)
        return Seam(at, newer, "nothing", holds=False)

    async def _is_known(self, page: Page, number: int) -> bool:
        """Whether an event of a probe is in the table or among the dead letters."""
        ts, key = int(page.ts[number]), page.ids[number].lower()
        if number not in page.refused and key in self.keys.get(ts, ()):
            return True
        return await self.census.is_dead_letter(self.pipeline, bytes(page.raws[number]))
