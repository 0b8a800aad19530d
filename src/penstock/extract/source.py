"""The API as a source: partitions of time, each read newest first by its own chain of cursors.

A partition holds the events with `low < ts <= high`, in whole milliseconds: seams lie between two milliseconds. Ids are never compared
here; inside a millisecond only the server's own last (ts, id) says where to go on, so that neither thousands of events in one millisecond
nor the server's order among them can lose or double one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from penstock.extract import stretch
from penstock.extract.api import EventsApi
from penstock.extract.cursor import Cursor
from penstock.extract.events import SCHEMA, Page
from penstock.extract.keys import OLDEST, Frontier
from penstock.extract.probe import find_range
from penstock.model.coverage import Position, Span, missing
from penstock.model.errors import Fatal
from penstock.ports.flow import Batch, Refusal
from penstock.ports.source import Partition, Plan, Progress, Scope


class PageOutOfStep(Fatal):
    """The API serves pages that do not follow each other."""

    default_hint = "The page was asked for twice. What was stored stays; once the API is mended, run the same command again."


class TotalShrank(Fatal):
    """The API has fewer events than when the scope was frozen."""

    default_hint = "Events were deleted while they were read: no proof of completeness is possible. What was stored stays."


@dataclass(slots=True)
class EventSource:
    """All events up to the newest one of the moment when the scope was frozen, cut into `partitions` parts.

    `total` is what the API stated with the scope, `latest_total` what its newest answer says.
    """

    api: EventsApi
    epoch: str
    partitions: int = 8
    page_limit: int = 5_000
    total: int | None = None
    latest_total: int | None = None

    @property
    def schema(self) -> pa.Schema:
        """Columns of `ingested_events`."""
        return SCHEMA

    async def plan(self, done: Progress) -> Plan:
        """Freeze the scope, or take the frozen one; cut what is missing at its seams."""
        scope = done.scope or await self._freeze()
        self.total = scope.rows
        cuts = [Frontier(ts).position(self.epoch) for ts in _seams(scope, self.partitions)]
        spans = [piece for span in missing(done.coverage, scope.span) for piece in _cut(span, cuts)]
        return Plan(scope, tuple(Partition(number, span.start, span.end) for number, span in enumerate(spans)))

    async def _freeze(self) -> Scope:
        found = await find_range(self.api)
        span = Span(Frontier(found.newest).position(self.epoch), Frontier(OLDEST).position(self.epoch))
        return Scope(span, found.total, {"newest_ms": found.newest, "oldest_ms": found.oldest})

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """A batch for each page, the last one cut at the partition's end."""
        start, end = Frontier.of(partition.start), Frontier.of(partition.end)
        place, after = start, partition.start
        while after != partition.end:
            page = await self._page(place)
            part = None if page is None else await self._share(page, place, start.ts, end)
            place = end if page is None or part is None or part.ended else stretch.following(page)
            if place.ts > start.ts:
                continue
            upto = place.position(self.epoch)
            yield _nothing(after, upto) if page is None or part is None else _batch(page, part, after, upto)
            after = upto

    async def look(self, cursor: Cursor | None, limit: int) -> Page | None:
        """A small page for comparison, outside of any partition."""
        page = await self.api.page(cursor, limit)
        if page is not None:
            self._note_total(page.paging.total)
        return page

    async def _page(self, place: Frontier) -> Page | None:
        """The page after `place`, asked for a second time when it does not follow."""
        try:
            return await self._checked(place)
        except stretch.OutOfStep:
            self.api.counters.add("requests_retried_total")
        try:
            return await self._checked(place)
        except stretch.OutOfStep as error:
            raise PageOutOfStep(f"after {place.ts} {place.id}: {error.detail}") from error

    async def _checked(self, place: Frontier) -> Page | None:
        page = await self.api.page(place.cursor(), self.page_limit)
        if page is None:
            return None
        stretch.check(page, place)
        self._note_total(page.paging.total)
        if page.paging.has_more and page.paging.cursor is None:
            self.api.counters.add("cursors_missing_total")
        return page

    def _note_total(self, total: int | None) -> None:
        """More events than at the start are newer ones; fewer make every proof void."""
        if total is None or self.total is None:
            return
        if total < self.total:
            raise TotalShrank(f"{total:,}, when the scope was frozen {self.total:,}")
        self.latest_total = max(total, self.latest_total or 0)

    async def _share(self, page: Page, place: Frontier, high: int, end: Frontier) -> stretch.Share:
        """Which events of the page are this partition's; the API itself says it of those whose timestamp cannot be read."""
        part = stretch.share(page, place, high, end)
        if part.doubtful.any():
            beyond = await self.look(Cursor.above(end.ts), int(part.doubtful.sum()) + 1)
            theirs = stretch.leading(beyond, end.ts) if beyond is not None else frozenset()
            for number in np.flatnonzero(part.doubtful).tolist():
                part.mine[number] = bytes(page.raws[number]) not in theirs
        return part


def _batch(page: Page, part: stretch.Share, after: Position, upto: Position) -> Batch:
    """The events of a page that are this partition's."""
    rows = page.rows if part.mine.all() else page.rows.filter(pa.array(part.mine[page.places]))
    numbers = np.cumsum(part.mine) - 1
    refused = [
        Refusal(int(numbers[place]), bytes(page.raws[place]), reason, f"event {place} of the page after {Frontier.of(after)}")
        for place, reason in sorted(page.refused.items())
        if part.mine[place]
    ]
    return Batch(rows, tuple(refused), after, upto)


def _nothing(after: Position, upto: Position) -> Batch:
    return Batch(pa.RecordBatch.from_pylist([], schema=SCHEMA), (), after, upto)


def _seams(scope: Scope, partitions: int) -> Iterator[int]:
    """Milliseconds after which the partitions end, newest first: equal stretches of time."""
    newest, oldest = int(scope.facts["newest_ms"]), int(scope.facts["oldest_ms"])
    for number in range(1, partitions):
        yield newest - (newest - oldest) * number // partitions


def _cut(span: Span, cuts: Sequence[Position]) -> Iterator[Span]:
    """Parts of a stretch between the cuts that lie inside it."""
    inside = [cut for cut in dict.fromkeys(cuts) if span.start.rank < cut.rank < span.end.rank]
    for start, end in pairwise([span.start, *inside, span.end]):
        yield Span(start, end)
