"""The list endpoint of the API: pages of events, and what its other answers mean."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from yarl import URL

from penstock.extract.cursor import LIFETIME_MS, Cursor
from penstock.extract.events import Page, page
from penstock.model.errors import Fatal, Misconfigured
from penstock.model.metrics import Counters
from penstock.reliability.climb import UNBOUNDED, Climb, ClimbSettings
from penstock.stores.http.client import Answer, Client, Request, Stale
from penstock.stores.http.lane import Lane

PATH = "/api/v1"


class KeyRejected(Misconfigured):
    """The API does not accept the key."""

    default_hint = "Check TARGET_API_KEY; it is sent in the header X-API-Key."


class NoSuchApi(Misconfigured):
    """There is no such API at this address."""

    default_hint = "Check API_BASE_URL: the address of the host, or the same ending in /api/v1."


class UnusableKey(Misconfigured):
    """The key holds characters that cannot be sent in a header."""

    default_hint = "Check TARGET_API_KEY for a line break, as a file that it was read from may end with."


class ApiRefuses(Fatal):
    """The API refuses the request."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is, and the key it takes. The key is never shown.

    Raises:
        NoSuchApi: `base_url` is no address of a host.
        UnusableKey: no API can take such a key.
    """

    base_url: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.key.isprintable():
            raise UnusableKey
        try:
            scheme, host = self.events.scheme, (self.events.host or "").encode("idna")
        except ValueError as error:
            raise NoSuchApi(str(error)) from None
        if scheme not in ("http", "https") or not host:
            raise NoSuchApi(f"{scheme or 'nothing'}:// is no way to it" if host else "no host is named")

    @property
    def events(self) -> URL:
        """The list endpoint."""
        root = self.base_url.rstrip("/")
        return URL(root.removesuffix(PATH) + PATH + "/events")


@dataclass(frozen=True, slots=True)
class EventsApi:
    """The list endpoint, for any number of workers at once."""

    address: Address
    client: Client
    lane: Lane = field(default_factory=Lane)

    @classmethod
    @asynccontextmanager
    async def connected(
        cls, address: Address, counters: Counters, connections: int, in_flight: ClimbSettings = UNBOUNDED
    ) -> AsyncIterator[EventsApi]:
        """Keep-alive connections to the API, and as many requests at once as do any good."""
        headers = {"X-API-Key": address.key}
        async with Client.connected(address.events.origin(), counters, connections, headers, "API_BASE_URL") as client:
            client.secrets.update({address.key} - {""})
            yield cls(address, client, Lane(climb=Climb(in_flight)))

    @property
    def counters(self) -> Counters:
        """What is counted of every request."""
        return self.client.counters

    def has_room(self, workers: int, requests: float) -> bool:
        """Whether another worker beside so many would get through, who together have so many requests left to send."""
        return self.lane.has_room(workers, requests)

    async def page(self, cursor: Cursor | None, limit: int) -> Page | None:
        """The page after `cursor`, or the newest one; None where the API says that it has nothing there (418).

        Raises:
            KeyRejected, NoSuchApi, ApiRefuses: trying again would not help.
            Failing, NotReached, Untrusted, UnusableAnswers: as `Client.send`.
        """

        async def ask() -> Request:
            query = {"limit": str(limit)}
            if cursor is not None:
                query["cursor"] = cursor.until(_now_ms() + LIFETIME_MS).encoded()
            return Request(self.address.events, query)

        return await self.client.send(self.lane, ask, self._read, _place(cursor))

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
        raise _refusal(answer.status, said)


def _refusal(status: int, said: str) -> Exception:
    """The error for an answer that trying again would not change."""
    if status in (401, 403):
        return KeyRejected(f"HTTP {status} {said}")
    if status in (301, 302, 303, 307, 308, 404, 405):
        return NoSuchApi(f"HTTP {status} {said}")
    return ApiRefuses(f"HTTP {status} {said}")


def _place(cursor: Cursor | None) -> str:
    return "for the newest page" if cursor is None else f"for the page after {cursor.ts} {cursor.id}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
