"""The API over HTTP: one request for a page, repeated until it is one, under the gate that all workers share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from penstock import __version__
from penstock.extract.body import MOST_BYTES, UnusableBody, inflated
from penstock.extract.cursor import LIFETIME_MS, Cursor
from penstock.extract.events import Page, page
from penstock.model.errors import Fatal, Misconfigured, Transient, TryLater
from penstock.model.metrics import Counters
from penstock.reliability.gate import Gate, Permit, Verdict, Wait
from penstock.reliability.headers import RateFacts, parse_rate_headers
from penstock.reliability.retry import GiveUp, Retry, RetryBudget, RetrySettings

FIRST_CONTACT = RetrySettings(attempts=5, deadline_s=20.0)
BODY_ATTEMPTS = 5
TIMEOUT = aiohttp.ClientTimeout(total=180.0, connect=15.0, sock_read=90.0)
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


class ApiNotReached(TryLater):
    """The API did not answer at all."""

    default_hint = "Check API_BASE_URL and the network; then run the same command again."


class ApiFailing(Transient):
    """The API keeps failing."""


class ApiRefuses(Fatal):
    """The API refuses the request."""


class UnusableAnswers(Fatal):
    """The API keeps answering what is no page of events."""

    default_hint = "What was stored stays; once the API is mended, run the same command again."


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


class _Failed(Exception):
    """One attempt failed in a way that another may not."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class _Throttled(Exception):
    """The server asks to slow down: the gate knows, the request waits in line again, and no attempt is counted."""


class _Expired(Exception):
    """The server calls the cursor expired: the same place gets a new one."""


@dataclass(slots=True)
class EventsApi:
    """The list endpoint, for any number of workers at once."""

    address: Address
    session: aiohttp.ClientSession
    counters: Counters
    retries: RetrySettings = field(default_factory=RetrySettings)
    gate: Gate = field(default_factory=Gate)
    _budget: RetryBudget = field(default_factory=lambda: RetryBudget(time.monotonic()))
    _line: asyncio.Lock = field(default_factory=asyncio.Lock)
    _returned: asyncio.Event = field(default_factory=asyncio.Event)
    _answered: bool = False

    @classmethod
    @asynccontextmanager
    async def connected(cls, address: Address, counters: Counters, connections: int) -> AsyncIterator[EventsApi]:
        """Keep-alive connections to the API, bodies left as they come over the wire."""
        headers = {"X-API-Key": address.key, "Accept-Encoding": "gzip", "User-Agent": f"penstock/{__version__}"}
        connector = aiohttp.TCPConnector(limit=connections)
        async with aiohttp.ClientSession(headers=headers, auto_decompress=False, timeout=TIMEOUT, connector=connector) as session:
            yield cls(address, session, counters)

    async def page(self, cursor: Cursor | None, limit: int) -> Page | None:
        """The page after `cursor`, or the newest one; None where the API says that it has nothing there (418).

        Raises:
            ApiFailing: it fails for longer than retrying makes sense.
            ApiNotReached: it has not answered once.
            UnusableAnswers: what comes is no page, again and again.
            KeyRejected, NoSuchApi, ApiRefuses: trying again would not help.
        """
        retry = Retry(self.retries if self._answered else FIRST_CONTACT, self._budget)
        unusable = expired = 0
        while True:
            try:
                return await self._attempt(cursor, limit)
            except _Throttled:
                self.counters.add("responses_throttled_total")
            except _Expired:
                self.counters.add("cursors_recovered_total")
                expired += 1
                if expired > 1:
                    await self._again(retry, "it calls new cursors expired; compare this machine's clock with the API's", None)
            except UnusableBody as error:
                unusable += 1
                if unusable >= BODY_ATTEMPTS:
                    raise UnusableAnswers(f"{error}; {unusable} times, {_place(cursor)}") from error
                await self._again(retry, str(error), None)
            except _Failed as error:
                await self._again(retry, str(error), error.retry_after_s)

    async def _again(self, retry: Retry, reason: str, retry_after_s: float | None) -> None:
        """Wait for the next attempt, or give up."""
        answer = retry.on_failure(time.monotonic(), random.random, retry_after_s)
        if isinstance(answer, GiveUp):
            detail = f"{self.address.events.origin()}: {reason}; {answer.reason}"
            raise ApiFailing(detail) if self._answered else ApiNotReached(detail)
        self.counters.add("requests_retried_total")
        await asyncio.sleep(answer.seconds)

    async def _attempt(self, cursor: Cursor | None, limit: int) -> Page | None:
        query = {"limit": str(limit)}
        if cursor is not None:
            query["cursor"] = cursor.until(_now_ms() + LIFETIME_MS).encoded()
        permit, verdict, facts = await self._permit(), Verdict.FAILED, RateFacts()
        try:
            self.counters.add("requests_total")
            async with self.session.get(self.address.events, params=query, allow_redirects=False) as response:
                facts = parse_rate_headers(response.headers, time.time())
                verdict = _verdict(response.status, facts)
                raw = await _body(response)
        except aiohttp.ClientConnectorCertificateError as error:
            raise NoSuchApi(
                f"its certificate is not trusted: {error}", hint="Check the host name of API_BASE_URL, and the machine's clock."
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            verdict = Verdict.THROTTLED if verdict is Verdict.THROTTLED else Verdict.FAILED
            raise _Failed(str(error) or type(error).__name__) from error
        finally:
            self.gate.finish(permit, time.monotonic(), verdict, facts)
            self._returned.set()
        return self._read(response.status, raw, facts)

    def _read(self, status: int, raw: bytes, facts: RateFacts) -> Page | None:
        """Make of an answer what its status says it is."""
        self.counters.add("bytes_received_total", len(raw))
        self._answered = self._answered or status < 500
        if status == 200:
            self._budget.succeeded()
            read = page(raw)
            self.counters.add("pages_received_total")
            return read
        if status == 418:
            return None
        if status == 429:
            raise _Throttled
        if status >= 500 or status == 408:
            raise _Failed(f"HTTP {status}", facts.retry_after_s)
        raise _refusal(status, self._said(raw))

    def _said(self, raw: bytes) -> str:
        """How an error's body begins, without the key, which some servers quote."""
        try:
            body = inflated(raw)
        except UnusableBody:
            body = raw
        text = body[:10_000].decode(errors="replace").strip()
        return (text.replace(self.address.key, "(the key)") if self.address.key else text)[:300]

    async def _permit(self) -> Permit:
        """Wait in line; only the first asks the gate."""
        async with self._line:
            while isinstance(answer := self.gate.ask(time.monotonic()), Wait):
                self._returned.clear()
                try:
                    await asyncio.wait_for(self._returned.wait(), answer.seconds)
                except TimeoutError:
                    continue
            return answer


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """All of a body.

    Raises:
        UnusableBody: it is longer than any page may be; the rest is not read.
    """
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MOST_BYTES:
            raise UnusableBody(f"it is longer than {MOST_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _verdict(status: int, facts: RateFacts) -> Verdict:
    if status == 429 or (status == 503 and facts.retry_after_s is not None):
        return Verdict.THROTTLED
    return Verdict.FAILED if status >= 500 else Verdict.SERVED


def _refusal(status: int, said: str) -> Exception:
    """The error for an answer that trying again would not change."""
    if status == 400 and "CURSOR_EXPIRED" in said:
        return _Expired()
    if status in (401, 403):
        return KeyRejected(f"HTTP {status} {said}")
    if status in (301, 302, 303, 307, 308, 404, 405):
        return NoSuchApi(f"HTTP {status} {said}")
    return ApiRefuses(f"HTTP {status} {said}")


def _place(cursor: Cursor | None) -> str:
    return "for the newest page" if cursor is None else f"for the page after {cursor.ts} {cursor.id}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
