"""The endpoints that serve pages of events, and what their other answers mean."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from penstock.extract.address import Address, NoSuchApi
from penstock.extract.cursor import LIFETIME_MS, Cursor
from penstock.extract.events import Page, page
from penstock.extract.stream import StreamAccess, StreamClosed, StreamSettings, Token
from penstock.model.errors import Fatal, Misconfigured
from penstock.model.metrics import Counters
from penstock.reliability.climb import UNBOUNDED, Climb, ClimbSettings
from penstock.stores.http.client import Answer, Client, Failing, Request, Stale, UnusableAnswers
from penstock.stores.http.lane import Lane

NOWHERE = (301, 302, 303, 307, 308, 404, 405)
"""What is answered where there is no such endpoint."""


class KeyRejected(Misconfigured):
    """The API does not accept the key."""

    default_hint = "Check TARGET_API_KEY; it is sent in the header X-API-Key."


class ApiRefuses(Fatal):
    """The API refuses the request."""


@dataclass(frozen=True, slots=True)
class EventsApi:
    """Pages of events, for any number of workers at once: from the stream as long as that is open to us, else from `/events`."""

    address: Address
    client: Client
    stream: StreamAccess | None = None
    lane: Lane = field(default_factory=Lane)

    @classmethod
    @asynccontextmanager
    async def connected(
        cls,
        address: Address,
        counters: Counters,
        connections: int,
        in_flight: ClimbSettings = UNBOUNDED,
        stream: StreamSettings | None = None,
    ) -> AsyncIterator[EventsApi]:
        """Keep-alive connections to the API, and as many requests at once as do any good; without `stream` only `/events` is read."""
        headers = {"X-API-Key": address.key}
        async with Client.connected(address.origin, counters, connections, headers, "API_BASE_URL") as client:
            client.secrets.update({address.key} - {""})
            access = None if stream is None else StreamAccess.of(stream, address, client, in_flight)
            yield cls(address, client, access, Lane(climb=Climb(in_flight)))

    @property
    def counters(self) -> Counters:
        """What is counted of every request."""
        return self.client.counters

    @property
    def bounded(self) -> bool:
        """Whether pages may end where `since` says; `/events` takes no notice of it."""
        return self.stream is not None and not self.stream.closed

    def has_room(self, workers: int, requests: float) -> bool:
        """Whether another worker beside so many would get through, who together have so many requests left to send."""
        lanes = [ticket.lane for ticket in self.stream.tickets] if self.stream is not None and self.bounded else [self.lane]
        return any(lane.has_room(workers / len(lanes), requests / len(lanes)) for lane in lanes)

    async def page(self, cursor: Cursor | None, limit: int, since: int | None = None) -> Page | None:
        """The page after `cursor`, or the newest one; None where the API says that it has nothing there (418).

        Events older than `since` (Unix milliseconds) may be left out, of which the page then says nothing.

        Raises:
            KeyRejected, NoSuchApi, ApiRefuses: trying again would not help.
            Failing, NotReached, Untrusted, UnusableAnswers: as `Client.send`.
        """
        if self.stream is not None and self.bounded:
            try:
                return await self._from_stream(self.stream, cursor, limit, since)
            except StreamClosed as error:
                self.stream.close(error.detail)
            except (Failing, UnusableAnswers) as error:  # whether that is the stream's trouble alone, `/events` will say
                served = await self._from_events(cursor, limit)
                self.stream.close(error.detail)
                return served
        return await self._from_events(cursor, limit)

    async def _from_events(self, cursor: Cursor | None, limit: int) -> Page | None:
        async def ask() -> Request:
            return Request(self.address.events, _query(cursor, limit))

        return await self.client.send(self.lane, ask, self._read, _place(cursor))

    async def _from_stream(self, stream: StreamAccess, cursor: Cursor | None, limit: int, since: int | None) -> Page | None:
        ticket, used = stream.next(), list[Token]()

        async def ask() -> Request:
            used.append(await ticket.token(stream))
            bounds = {} if since is None else {"since": str(since)}
            return Request(used[-1].endpoint, _query(cursor, limit) | bounds, {used[-1].header: used[-1].text})

        def read(answer: Answer) -> Page | None:
            if answer.status == 403 and "INVALID_STREAM_TOKEN" in self.client.said(answer):
                ticket.refused(used[-1])
                raise Stale("it calls new stream tokens invalid")
            try:
                served = self._read(answer)
            except (KeyRejected, NoSuchApi, ApiRefuses) as error:  # whether the API as a whole refuses us, `/events` will say
                raise StreamClosed(error.detail.rstrip()) from None
            ticket.served()
            return served

        return await self.client.send(ticket.lane, ask, read, _place(cursor))

    def _read(self, answer: Answer) -> Page | None:
        """Make of an answer what its status says it is."""
        if answer.status == 200:
            read = page(answer.body)
            self.counters.add("pages_received_total")
            return read
        if answer.status == 418:
            return None
        said = self.client.said(answer)
        if answer.status == 400 and "CURSOR_EXPIRED" in said:
            self.counters.add("cursors_recovered_total")
            raise Stale("it calls new cursors expired; compare this machine's clock with the API's")
        raise refusal(answer.status, said)


def _query(cursor: Cursor | None, limit: int) -> dict[str, str]:
    place = {} if cursor is None else {"cursor": cursor.until(_now_ms() + LIFETIME_MS).encoded()}
    return {"limit": str(limit), **place}


def refusal(status: int, said: str) -> Exception:
    """The error for an answer that trying again would not change."""
    if status in (401, 403):
        return KeyRejected(f"HTTP {status} {said}")
    if status in NOWHERE:
        return NoSuchApi(f"HTTP {status} {said}")
    return ApiRefuses(f"HTTP {status} {said}")


def _place(cursor: Cursor | None) -> str:
    return "for the newest page" if cursor is None else f"for the page after {cursor.ts} {cursor.id}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
