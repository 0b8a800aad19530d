"""The endpoints of events: from a cursor and a limit to a page, under limits, latency and faults."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from penstock.simulate.cursor import BadCursor, decode
from penstock.simulate.dataset import Dataset
from penstock.simulate.faults import Faults
from penstock.simulate.http import JSON, Answer, ApiError, Request
from penstock.simulate.keys import Span
from penstock.simulate.limits import RateWindow, budget_spent, quota_headers, too_many
from penstock.simulate.settings import MAX_LIMIT
from penstock.simulate.writing import Page, Writer

if TYPE_CHECKING:
    from penstock.simulate.audit import Audit
    from penstock.simulate.settings import DataSyncSettings

DEFAULT_LIMIT = 100
CACHE_TTL_S = 30
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Epoch seconds and waiting, to be replaced by tests."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Listing:
    """Answers `GET /api/v1/events`, `GET /api/v1/events/{id}`, and the stream."""

    def __init__(self, settings: DataSyncSettings, dataset: Dataset, audit: Audit, clock: Clock) -> None:
        self._settings = settings
        self._dataset = dataset
        self._audit = audit
        self._clock = clock
        self._faults = Faults(settings.faults, settings.seed)
        self._recent: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._opened_at = clock.now()
        self._requests = 0
        self._in_flight = 0
        self.writer = Writer(settings, dataset)
        self.stream_dataset = Dataset(settings, like=dataset)
        self.stream_writer = Writer(settings, self.stream_dataset)

    def warm(self) -> None:
        """Compress everything that can be asked for before it is."""
        self.writer.pages.warm()
        if self._settings.stream.refused is None:
            self.stream_writer.pages.warm()

    @property
    def visible(self) -> Span:
        """The rows that exist now: live ones come in front, those that shrink away leave at the end."""
        settings, total = self._settings, len(self._dataset.keys)
        inserted = min(self._dataset.reserve, int((self._clock.now() - self._opened_at) * settings.live_per_s))
        shrunk = settings.shrink_after_requests is not None and self._requests > settings.shrink_after_requests
        return Span(self._dataset.reserve - inserted, max(0, total - settings.shrink_by) if shrunk else total)

    async def many(self, request: Request, window: RateWindow) -> Answer:
        """The answer to one list request of a client whose rate limit is `window`.

        A repeated request within `CACHE_TTL_S` is a cache hit, which costs nothing of the limit; its answer is made anew all the same.
        """
        self._requests += 1
        target = request.query.get("cursor", ""), request.query.get("limit", "")
        hit = self._recent.get(target, -math.inf) > self._clock.now()
        answer = await self._within(window, free=hit, otherwise=lambda: self._page(request, self.writer, self.visible))
        if answer.served is not None and not hit:
            self._remember(target)
        return replace(answer, headers={**answer.headers, "X-Cache": "HIT" if hit else "MISS", "X-Cache-TTL": str(CACHE_TTL_S)})

    async def stream(self, request: Request, window: RateWindow | None) -> Answer:
        """The answer to one request to the stream, which honours `since` and `until` and tells nothing of its budget, the `window`."""
        self._requests += 1
        quota = None if window is None else window.take(self._clock.now())
        if quota is not None and not quota.admitted:
            return budget_spent(quota.reset_at, self._clock.now())
        return await self._page(request, self.stream_writer, self._between(request))

    async def one(self, text: str, window: RateWindow) -> Answer:
        """The answer to a request for the event whose id is `text`."""

        async def event() -> Answer:
            return self._event(text)

        return await self._within(window, free=False, otherwise=event)

    async def _within(self, window: RateWindow, *, free: bool, otherwise: Callable[[], Awaitable[Answer]]) -> Answer:
        """429 where `window` is used up, what `otherwise` answers elsewhere; both with the limit's headers."""
        quota = window.look(self._clock.now()) if free else window.take(self._clock.now())
        if not (quota.admitted or free):
            answer = self._too_many(quota.reset_at)
        else:
            try:
                answer = await otherwise()
            except ApiError as error:
                answer = error.answer()
        headers = quota_headers(quota, self._clock.now(), self._settings.rate_limit.reset_notation)
        return replace(answer, headers={**headers, **answer.headers})

    def _event(self, text: str) -> Answer:
        try:
            row = self._dataset.keys.find(UUID(text).bytes)
        except ValueError:
            row = None
        if row is None or not self.visible.first <= row < self.visible.last:
            raise ApiError(404, "Not Found", "EVENT_NOT_FOUND", f"There is no event {text}")
        event = bytes(self._dataset.text(Span(row, row + 1)).rows(0, 1))
        return Answer(200, b'{"data":' + event + b"}", {"Content-Type": JSON})

    def _between(self, request: Request) -> Span:
        """The rows of the time from `since` to `until` (epoch ms, both included) that exist now."""
        visible, keys = self.visible, self._dataset.keys
        until, since = _moment(request.query.get("until")), _moment(request.query.get("since"))
        first = visible.first if until is None else keys.since(until)
        last = visible.last if since is None else keys.since(since - 1)
        asked = Span(max(first, visible.first), min(last, visible.last))
        if first >= visible.last or last <= visible.first:
            raise _teapot()
        return asked

    async def _page(self, request: Request, writer: Writer, asked: Span) -> Answer:
        if refusing_s := self._faults.refusing_for(self._clock.now()):
            return self._too_many(self._clock.now() + refusing_s)
        first = self._first(request.query.get("cursor"), asked)
        page = Page.behind(first, asked, _limit(request.query.get("limit")), request)
        self._in_flight += 1
        try:
            await self._take_time()
            return await self._written(page, writer)
        finally:
            self._in_flight -= 1

    def _first(self, text: str | None, asked: Span) -> int:
        """The first of the rows `asked` for behind a cursor; without one, and with one newer than all of them, the first of all."""
        if not text:
            return asked.first
        try:
            cursor = decode(text)
        except BadCursor as error:
            raise ApiError(400, "Bad Request", "INVALID_CURSOR", "The cursor is not valid") from error
        late_s = self._clock.now() - cursor.exp / 1000
        if late_s > 0:
            raise ApiError(400, "Bad Request", "CURSOR_EXPIRED", f"Cursor expired {int(late_s // 60)} minute(s) ago")
        visible = self.visible
        if not len(visible) or cursor.key.ts < self._dataset[visible.last - 1].ts:
            raise _teapot()
        return min(max(self._dataset.keys.after(cursor.key), asked.first), asked.last)

    async def _take_time(self) -> None:
        seconds = self._settings.latency_s + self._settings.latency_per_inflight_s * self._in_flight
        if seconds > 0:
            await self._clock.sleep(seconds)

    async def _written(self, page: Page, writer: Writer) -> Answer:
        fault = self._faults.draw(page.rows.first, writer.pointless(page))
        if fault is None:
            return writer.good(page, self._clock.now())
        self._audit.faults[fault] += 1
        if fault == "burst_429":
            self._faults.refuse_all(self._clock.now())
            return self._too_many(self._clock.now() + self._settings.faults.burst_s)
        if fault == "slow":
            await self._clock.sleep(self._settings.faults.slow_s)
            return writer.good(page, self._clock.now())
        return writer.faulty(fault, page, self._clock.now(), self._faults.details(page.rows.first))

    def _too_many(self, reset_at: float) -> Answer:
        return too_many(self._settings.rate_limit, reset_at, self._clock.now())

    def _remember(self, target: tuple[str, str]) -> None:
        self._recent[target] = self._clock.now() + CACHE_TTL_S
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)


def _teapot() -> ApiError:
    return ApiError(418, "I'm a teapot", "OUT_OF_RANGE", "There is nothing that old, or that new")


def _moment(text: str | None) -> int | None:
    """Epoch milliseconds; what is no number is ignored, as the API does with whatever it does not know."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    limit = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
    if limit < 1:
        raise ApiError(400, "Bad Request", "INVALID_LIMIT", "limit has to be a whole number of at least 1")
    return min(limit, MAX_LIMIT)
