"""Exploring an API: which endpoints it has, what they state and do, in a number of requests that is said beforehand and never exceeded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import numpy as np

from penstock.extract.address import PATH, Address
from penstock.extract.api import refusal
from penstock.extract.cursor import LIFETIME_MS, NO_ID, Cursor
from penstock.extract.events import Page, page
from penstock.extract.findings import CursorFacts, EndpointFacts, Exploration, LatencyFacts, StreamFacts, facts_of, plain
from penstock.extract.inquiry import Inquiry, OutOfRequests
from penstock.extract.stream import StreamAccess, StreamClosed, StreamSettings, Token
from penstock.extract.timestamps import UNKNOWN
from penstock.model.metrics import Counters
from penstock.reliability.climb import UNBOUNDED
from penstock.stores.http.body import UnusableBody
from penstock.stores.http.client import Answer, Client, Request
from penstock.stores.http.lane import Lane

ENOUGH = 40
"""Requests that every probe but one needs at the most; what is allowed beyond that goes into finding the stream's budget."""
EVENTS = f"{PATH}/events"
OPEN = ("/health", "/internal/health")
WITH_KEY = (PATH, f"{PATH}/sessions", f"{PATH}/metrics", "/internal/stats", f"{PATH}/submissions")
SAMPLE, LARGEST, TOO_LARGE = 100, 5_000, 10_000
ROUNDS = (1, 1, 2, 2, 4)
"""Requests in flight together, one round after the other, to see how long each takes."""


@dataclass(slots=True)
class Explorer:
    """Asks an API; `keyless` is a client that sends no key."""

    address: Address
    client: Client
    keyless: Client
    inquiry: Inquiry = field(default_factory=lambda: Inquiry(ENOUGH))
    _key_lane: Lane = field(default_factory=Lane)
    _other_lane: Lane = field(default_factory=Lane)
    _endpoints: list[EndpointFacts] = field(default_factory=list)
    _cursor: CursorFacts = field(default_factory=CursorFacts)
    _stream: StreamFacts = field(default_factory=StreamFacts)
    _latency: LatencyFacts = field(default_factory=LatencyFacts)

    async def explore(self) -> Exploration:
        """Probe everything, as far as the requests go.

        Raises:
            NotReached: the API does not answer at all.
            KeyRejected, NoSuchApi, ApiRefuses: it serves no events to us.
        """
        began = _now()
        with suppress(OutOfRequests):
            await self._probe()
        if self.inquiry.sent >= self.inquiry.most:
            self._note(f"all {self.inquiry.most} requests were used; what is missing was not asked")
        effort = self.inquiry.sent, self.inquiry.most, round(_now() - began, 1)
        endpoints, notes = tuple(self._endpoints), tuple(self.inquiry.notes)
        return Exploration(str(self.address.origin), *effort, endpoints, self._cursor, self._stream, self._latency, notes)

    async def _probe(self) -> None:
        for path in OPEN:
            await self._told(self._get(path), self.keyless)
        for path in WITH_KEY:
            await self._told(self._get(path), self.client)
        sample, remaining = await self._sample()
        if sample is None:
            return
        await self._look_at_cursors(sample)
        await self._put_key_in_query(remaining)
        access = StreamAccess.of(StreamSettings(), self.address, self.client, UNBOUNDED)
        token = await self._open_stream(access)
        await self._measure(sample, token)
        if token is not None and self.inquiry.most > ENOUGH:
            await self._spend_stream_budget(access, token)

    async def _sample(self) -> tuple[Page | None, int | None]:
        """A page of events, as large as they come, and what is said to be left of the limit."""
        answer = await self._told(self._get(EVENTS, limit=SAMPLE), self.client)
        if answer is not None and answer.status != 200:
            raise refusal(answer.status, self.client.said(answer))
        if answer is None or (sample := _page(answer)) is None:
            return None, None
        large = await self._events(limit=TOO_LARGE)
        if (largest := _page(large)) is not None:
            self._endpoints[-1] = replace(self._endpoints[-1], largest_page=len(largest))
        remaining = answer.facts.remaining if large is None else large.facts.remaining
        if len(sample) and sample.ids[0]:
            await self._told(self._get(f"{EVENTS}/{sample.ids[0]}"), self.client, f"{EVENTS}/:id")
            remaining = self._endpoints[-1].remaining
        return largest or sample, remaining

    async def _look_at_cursors(self, sample: Page) -> None:
        """What the cursor of a page says, and what the server makes of cursors that it has not given."""
        given = sample.paging.cursor
        if given is None:
            return
        self._cursor = CursorFacts(("id", "ts", "v", "exp"), given.v, round((given.exp - _epoch_ms()) / 1000))
        expired = await self._after(given.until(_epoch_ms() - 60_000))
        if expired is not None:
            checked = expired.status == 400 and b"CURSOR_EXPIRED" in plain(expired)
            self._cursor = replace(self._cursor, expiry_checked=checked)
        made = _page(await self._after(Cursor.above(given.ts - 1)))
        self._cursor = replace(self._cursor, can_be_made=made is not None and len(made) > 0 and int(made.ts[0]) <= given.ts)
        await self._look_at_ties(sample)

    async def _look_at_ties(self, sample: Page) -> None:
        """How ids run within a millisecond of the sample, and what a cursor there with the smallest id does to its events."""
        same = np.flatnonzero((np.diff(sample.ts) == 0) & (sample.ts[1:] != UNKNOWN))
        if not len(same):
            return
        at = int(same[0])
        found = _page(await self._after(Cursor(NO_ID, int(sample.ts[at]))))
        inside = found is not None and len(found) > 0 and found.ts[0] == sample.ts[at]
        order = "rising" if sample.ids[at] < sample.ids[at + 1] else "falling"
        self._cursor = replace(self._cursor, tie_order=order, smallest_id="before them" if inside else "behind them")

    async def _put_key_in_query(self, remaining: int | None) -> None:
        """Whether the key may stand in the query, and whether that has a limit of its own."""
        answer = await self.inquiry.ask(self._get(EVENTS, limit=1, api_key=self.address.key), self.keyless, self._other_lane)
        if answer is None or answer.status != 200:
            self._note("the key is taken in the header only")
            return
        left, limit = answer.facts.remaining, answer.facts.limit
        stated = next(one.limit for one in self._endpoints if one.path.endswith(EVENTS))
        if left is None or remaining is None:
            self._note("the key is taken in the query, too; no limit is stated for it")
        elif limit != stated or left >= remaining:
            self._note(f"the key is taken in the query, too, with a limit of its own: {limit} requests")
        else:
            self._note("the key is taken in the query, too, and counts in the same limit")

    async def _open_stream(self, access: StreamAccess) -> Token | None:
        """Whether the stream is open, what it states, and whether it honours `since`."""
        try:
            token = await self._token(access)
        except (StreamClosed, UnusableBody) as error:
            self._stream = StreamFacts(False, str(error.detail))
            return None
        answer = await self._told(Request(token.endpoint, {"limit": str(SAMPLE)}, {token.header: token.text}), self.client)
        if answer is None or (read := _page(answer)) is None or not len(read):
            self._stream = StreamFacts(False, "it serves no events for its token")
            return None
        self._stream = StreamFacts(True, "", token.endpoint.path, round(token.life_s), answer.facts.limit)
        since = int(read.ts[len(read) // 2])
        bounded = _page(await self._from_stream(token, limit=SAMPLE, since=since))
        honoured = bounded is not None and 0 < len(bounded) < len(read) and int(bounded.ts[-1]) >= since
        self._stream = replace(self._stream, honours_since=honoured)
        self._stream = replace(self._stream, shares_events_limit=await self._shares_limit(token))
        return token

    async def _shares_limit(self, token: Token) -> bool | None:
        """Whether a request to the stream counts in the limit of `/events`: what is left there, before and after one."""
        first = await self._events(limit=2)
        await self._from_stream(token, limit=1)
        second = await self._events(limit=3)
        before, after = (None if answer is None else answer.facts.remaining for answer in (first, second))
        return None if before is None or after is None or after > before else before - after > 1

    async def _spend_stream_budget(self, access: StreamAccess, token: Token) -> None:
        """Ask the stream until it refuses, then once with another token: how many it admits, and whether they count by token."""
        other, admitted = await self._token(access), 0
        while self.inquiry.sent + 1 < self.inquiry.most:
            answer = await self._from_stream(token, again=False, limit=1)
            if answer is None or answer.status != 429:
                admitted += 1
                continue
            second = await self._from_stream(other, again=False, limit=1)
            by_token = second is not None and second.status == 200
            self._stream = replace(self._stream, refused_after=admitted, pause_s=answer.facts.retry_after_s, by_token=by_token)
            return
        self._note(f"the stream refused none of {admitted} requests in a row")

    async def _measure(self, sample: Page, token: Token | None) -> None:
        """How long a full page takes with one, two and four requests in flight, and the line through that.

        A round in which some had to wait for a limit says nothing.
        """
        newest, step = int(sample.ts[0]), max(1, int(sample.ts[0] - sample.ts[-1]))
        places, measured = iter(range(newest, newest - 100 * step, -step)), list[tuple[int, float]]()
        for together in ROUNDS:
            began = _now()
            pages = (self._full_page(next(places), token) for _ in range(together))
            answers = await asyncio.gather(*pages, return_exceptions=True)
            if failure := next((answer for answer in answers if isinstance(answer, BaseException)), None):
                raise failure
            seconds = [answer.seconds for answer in answers if isinstance(answer, Answer) and answer.status == 200]
            if len(seconds) == together and _now() - began < 1.2 * max(seconds) + 0.1:
                measured += [(together, round(second, 3)) for second in seconds]
            self._latency = _fitted(measured)

    async def _full_page(self, ts: int, token: Token | None) -> Answer | None:
        cursor = Cursor.above(ts).until(_epoch_ms() + LIFETIME_MS).encoded()
        if token is not None:
            return await self._from_stream(token, limit=LARGEST, cursor=cursor)
        return await self._events(limit=LARGEST, cursor=cursor)

    async def _after(self, cursor: Cursor) -> Answer | None:
        made = cursor if cursor.exp else cursor.until(_epoch_ms() + LIFETIME_MS)
        return await self._events(limit=1, cursor=made.encoded())

    async def _events(self, **query: object) -> Answer | None:
        return await self.inquiry.ask(self._get(EVENTS, **query), self.client, self._key_lane)

    async def _from_stream(self, token: Token, *, again: bool = True, **query: object) -> Answer | None:
        request = Request(token.endpoint, {name: str(value) for name, value in query.items()}, {token.header: token.text})
        return await self.inquiry.ask(request, self.client, self._other_lane if again else Lane(), again=again)

    async def _token(self, access: StreamAccess) -> Token:
        asked_at, answer = _now(), await self.inquiry.ask(await access.request(), self.client, self._other_lane)
        if answer is None:
            raise StreamClosed("no answer came")
        return access.granted(answer, asked_at)

    async def _told(self, request: Request, client: Client, shown: str = "") -> Answer | None:
        """Ask an endpoint, and keep what it states."""
        lane = self._key_lane if EVENTS in request.url.path and not request.headers else self._other_lane
        answer = await self.inquiry.ask(request, client, lane)
        if answer is not None:
            self._endpoints.append(facts_of(shown or request.url.path, answer))
        return answer

    def _get(self, path: str, **query: object) -> Request:
        return Request(self.address.at(path), {name: str(value) for name, value in query.items()})

    def _note(self, remark: str) -> None:
        self.inquiry.notes.append(remark)


@asynccontextmanager
async def exploring(address: Address, most: int) -> AsyncIterator[Explorer]:
    """An explorer of the API at an address, and its connections."""
    counters, origin = Counters.zero(), address.origin
    async with (
        Client.connected(origin, counters, max(ROUNDS), {"X-API-Key": address.key}, "API_BASE_URL") as client,
        Client.connected(origin, counters, 1, {}, "API_BASE_URL") as keyless,
    ):
        for one in (client, keyless):
            one.secrets.update({address.key} - {""})
        yield Explorer(address, client, keyless, Inquiry(most))


def _fitted(measured: list[tuple[int, float]]) -> LatencyFacts:
    """The line of least squares, where there are two points of it."""
    if len({together for together, _ in measured}) < 2:
        return LatencyFacts(tuple(measured))
    slope, base = np.polyfit([together for together, _ in measured], [second for _, second in measured], 1)
    return LatencyFacts(tuple(measured), round(float(base), 3), round(float(slope), 3))


def _page(answer: Answer | None) -> Page | None:
    """The page that an answer is, if it is one."""
    if answer is None or answer.status != 200:
        return None
    try:
        return page(answer.body)
    except UnusableBody:
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _epoch_ms() -> int:
    return time.time_ns() // 1_000_000
