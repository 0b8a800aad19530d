"""The API as a source: partitions of time, each read newest first by its own chain of cursors.

A partition holds the events with `low < ts <= high`, in whole milliseconds: seams lie between two milliseconds. Ids are never compared
here; inside a millisecond only the server's own last (ts, id) says where to go on, so that neither thousands of events in one millisecond
nor the server's order among them can lose or double one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from penstock.extract import head, stretch
from penstock.extract.api import EventsApi
from penstock.extract.cursor import LAST_ID
from penstock.extract.events import SCHEMA, Page
from penstock.extract.keys import BOTTOM, NEWEST, Frontier
from penstock.extract.shares import Shares
from penstock.model.coverage import Position, Span, missing
from penstock.model.errors import Fatal
from penstock.ports.flow import Batch, Refusal
from penstock.ports.source import Partition, Plan, Progress, Scope, Splittable

LOOKS = 2
"""How often a run looks at the newest page to set its bound: when it begins, and when what there was then is stored."""


MARGIN_EVENTS = 100
"""So many events below the end of a partition are asked for, too: one of them on a page shows that nothing above the end is missing."""


class PageOutOfStep(Fatal):
    """The API serves pages that do not follow each other."""

    default_hint = "The page was asked for twice. What was stored stays; once the API is mended, run the same command again."


class TotalShrank(Fatal):
    """The API has fewer events than it had before."""

    default_hint = "Events were deleted while they were read: no proof of completeness is possible. What was stored stays."


@dataclass(slots=True)
class EventSource:
    """All events up to a bound that is frozen with the scope, cut into `partitions` parts.

    `schema` are the columns of the rows. `total` is how many events the API stated when the bound was frozen, those above it included,
    `latest_total` how many its newest answer says.
    """

    api: EventsApi
    epoch: str
    partitions: int = 8
    page_limit: int = 5_000
    stealing: bool = True
    schema: pa.Schema = SCHEMA
    total: int | None = None
    latest_total: int | None = None
    _looks: dict[Position, int] = field(default_factory=dict, init=False)
    _shares: Shares = field(default_factory=Shares, init=False, repr=False)
    releasing = growing = None

    @property
    def splitting(self) -> Splittable | None:
        """Itself, where `stealing` is allowed."""
        return self if self.stealing else None

    async def plan(self, done: Progress) -> Plan:
        """Freeze the scope, widen the one that is stored, or take it as it is; cut what is missing at its seams.

        What is left of a scope is cut into no more parts than it has pages.
        """
        scope = await self._scope(done)
        self.total = _total(scope)
        left = (scope.rows or 0) - sum(interval.counts.received for interval in done.coverage)
        parts = min(self.partitions, max(1, -(-left // self.page_limit))) if scope.rows and done.coverage else self.partitions
        cuts = [Frontier(ts).position(self.epoch) for ts in _seams(scope, parts)]
        spans = [piece for span in missing(done.coverage, scope.span) for piece in _cut(span, cuts)]
        partitions = tuple(Partition(number, span.start, span.end) for number, span in enumerate(spans))
        self._shares = Shares.of(scope, partitions, left)
        return Plan(scope, partitions)

    async def _scope(self, done: Progress) -> Scope:
        """The scope to be read; see `head` for how far it reaches."""
        before = done.scope
        if before is None:
            scope = await head.frozen(self)
            self._looks[scope.span.start] = 1
            return scope
        self.total, looks = _total(before), self._looks.get(before.span.start, 0)
        if looks == LOOKS or next(missing(done.coverage, before.span), None) is not None:
            return before
        scope = await head.widened(self, before)
        if scope.rows is not None and before.rows is not None and scope.rows < before.rows:
            raise TotalShrank(f"{scope.rows:,} where it had {before.rows:,}")
        if scope.span != before.span:
            self._looks[scope.span.start] = looks + 1
        return scope

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """A batch for each page, the last one cut at the partition's end as it is by then."""
        start, after = Frontier.of(partition.start), partition.start
        reading, ahead = self._shares.begin(partition)
        beyond = await self.look(reading.end, 1) if reading.end.id else None
        place = start
        while after != reading.end.position(self.epoch):
            place, page = ahead or (place, await self.page_after(place, self.page_limit, self._down_to(reading.end)))
            ahead, end = None, reading.claim(place, page)
            part = None if page is None else await self.share(page, place, start.ts, end, beyond if end.id else None)
            if page is not None and part is not None and part.ended:
                self._shares.keep(end.position(self.epoch), (place, page))
            place = end if page is None or part is None or part.ended else stretch.following(page)
            if place.ts > start.ts:
                continue
            upto = place.position(self.epoch)
            batch = self._nothing(after, upto) if page is None or part is None else self._batch(page, part, after, upto)
            page = part = None  # while the batch waits to be written, its page need not be held, and afterwards nor need the batch
            yield batch
            del batch
            after = upto

    def split(self, running: Sequence[Partition]) -> Partition | None:
        """Half of the longest partition, where enough of it is left and more requests at once may help."""
        pages = self._shares.left(running) / self.page_limit
        return self._shares.split(running, self.page_limit) if self.api.has_room(len(running), pages) else None

    def _down_to(self, end: Frontier) -> int | None:
        """How far a page has to reach for a partition with this end, where nobody has use for what lies behind that."""
        wanted = end.id or end == BOTTOM or self._shares.is_awaited(end.position(self.epoch))
        return None if wanted else end.ts

    async def look(self, place: Frontier | None, limit: int, since: int | None = None) -> Page | None:
        """The page after `place`, or the newest one, asked for a second time when it does not follow; see `EventsApi.page` for `since`.

        Raises:
            PageOutOfStep: it does not follow the second time either.
        """
        try:
            return await self._checked(place, limit, since)
        except stretch.OutOfStep:
            self.api.counters.add("requests_retried_total")
        try:
            return await self._checked(place, limit, since)
        except stretch.OutOfStep as error:
            raise PageOutOfStep(f"{_name(place)}: {error.detail}") from error

    async def page_after(self, place: Frontier | None, limit: int, down_to: int | None = None) -> Page | None:
        """The page after `place`, or the newest one, to be gone on from; little below `down_to` (Unix milliseconds) needs to be on it.

        One without a cursor is asked for again up to its last event that can be read, or longer where it has none.
        """
        page = await self._shortened(place, limit, down_to)
        if page is None:
            page = await self.look(place, limit)
        elif not page.paging.has_more:
            return page
        if page is not None and page.paging.has_more and page.paging.cursor is None:
            self.api.counters.add("cursors_missing_total")
            if (readable := stretch.readable(page)) < len(page):
                return await self.look(place, readable or self.page_limit)
        return await self._really_last(page, place, limit)

    async def _shortened(self, place: Frontier | None, limit: int, down_to: int | None) -> Page | None:
        """The page after `place` without what is much older than `down_to`, if an event at or below that shows that no other is missing."""
        if down_to is None or not self.api.bounded:
            return None
        page = await self.look(place, limit, down_to - self._shares.lasting_ms(MARGIN_EVENTS))
        return page if page is not None and (page.paging.has_more or stretch.reaches(page, down_to)) else None

    async def _really_last(self, page: Page | None, place: Frontier | None, limit: int) -> Page | None:
        """A page that says it is the last one is believed when nothing follows its last event; else it is asked for again.

        Raises:
            PageOutOfStep: it says so twice, and something follows.
        """
        if page is None or page.paging.has_more or not await self._goes_on(page):
            return page
        again = await self.look(place, limit)
        if again is None or not again.paging.has_more:
            raise PageOutOfStep(f"{_name(place)}: it says that it is the last one, and others follow it")
        return again

    async def _goes_on(self, page: Page) -> bool:
        try:
            following = await self.look(stretch.following(page), 1) if len(page) else None
        except stretch.OutOfStep:
            return False
        return following is not None and len(following) > 0

    async def _checked(self, place: Frontier | None, limit: int, since: int | None) -> Page | None:
        page = await self.api.page(None if place is None else place.cursor(), limit, since)
        if page is not None:
            stretch.check(page, place or NEWEST)
            self._note_total(page.paging.total if since is None else None)
        return page

    def _note_total(self, total: int | None) -> None:
        """More events than before are newer ones; fewer make every proof void."""
        if total is None or self.total is None:
            return
        if total < self.total:
            raise TotalShrank(f"{total:,} where it had {self.total:,}")
        self.latest_total = max(total, self.latest_total or 0)

    async def share(self, page: Page, place: Frontier, high: int, end: Frontier, beyond: Page | None) -> stretch.Share:
        """Which events of the page are this partition's; `beyond` starts behind an end inside a millisecond.

        Raises:
            PageOutOfStep: the pages run past that end without holding what comes behind it.
        """
        part, numbers = stretch.share(page, place, high, end), np.arange(len(page))
        if part.early.any():
            part.mine[part.early & (numbers < await self._seam(page, high))] = False
        if not end.id and part.late.any():
            part.mine[part.late & (numbers >= await self._seam(page, end.ts))] = False
        if beyond is None or not len(beyond):
            return part
        number = stretch.number_of_first(page, beyond)
        if number is not None:
            part.mine[number:] = False
            return replace(part, ended=True)
        if part.ended:
            raise PageOutOfStep(f"the page after {place} does not hold what comes after {end}")
        return part

    def _batch(self, page: Page, part: stretch.Share, after: Position, upto: Position) -> Batch:
        """The events of a page that are this partition's."""
        rows = page.rows if part.mine.all() else page.rows.filter(pa.array(part.mine[page.places]))
        numbers = np.cumsum(part.mine) - 1
        refused = [
            Refusal(int(numbers[place]), bytes(page.raws[place]), reason, f"event {place} of the page after {Frontier.of(after)}")
            for place, reason in sorted(page.refused.items())
            if part.mine[place]
        ]
        return Batch(pa.RecordBatch.from_arrays(rows.columns, schema=self.schema), tuple(refused), after, upto)

    def _nothing(self, after: Position, upto: Position) -> Batch:
        return Batch(pa.RecordBatch.from_pylist([], schema=self.schema), (), after, upto)

    async def _seam(self, page: Page, ts: int) -> int:
        """Where on the page the events at or below `ts` begin; of the two cursors that stand there one is exact, under either tie rule."""
        return stretch.seam(page, [await self.look(Frontier(ts), 1), await self.look(Frontier(ts + 1, LAST_ID), 1)])


def _name(place: Frontier | None) -> str:
    return "the newest page" if place is None else f"the page after {place}"


def _total(scope: Scope) -> int | None:
    """How many events the API had in all when the scope was frozen."""
    return int(scope.facts["total"]) if "total" in scope.facts else None


def _seams(scope: Scope, partitions: int) -> Iterator[int]:
    """Milliseconds after which the partitions end, newest first: equal stretches of time."""
    newest, oldest = Frontier.of(scope.span.start).ts, int(scope.facts["oldest_ms"])
    for number in range(1, partitions):
        yield newest - (newest - oldest) * number // partitions


def _cut(span: Span, cuts: Sequence[Position]) -> Iterator[Span]:
    """Parts of a stretch between the cuts that lie inside it."""
    inside = [cut for cut in dict.fromkeys(cuts) if span.start.rank < cut.rank < span.end.rank]
    for start, end in pairwise([span.start, *inside, span.end]):
        yield Span(start, end)
