"""The client of a server: a request, sent again until its answer is one, under the gate that all workers share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
from yarl import URL

from penstock import __version__
from penstock.model.errors import Fatal, Misconfigured, Transient, TryLater
from penstock.model.metrics import Counters
from penstock.reliability.gate import Verdict
from penstock.reliability.headers import RateFacts, parse_rate_headers
from penstock.reliability.retry import GiveUp, Retry, RetryBudget, RetrySettings
from penstock.stores.http.body import UnusableBody, inflated, received
from penstock.stores.http.lane import Lane

FIRST_CONTACT = RetrySettings(attempts=5, deadline_s=20.0)
BODY_ATTEMPTS = 5
TIMEOUT = aiohttp.ClientTimeout(total=180.0, connect=15.0, sock_read=90.0)

UPLOAD_TIMEOUT = aiohttp.ClientTimeout(connect=15.0, sock_read=600.0)
"""An upload takes as long as it takes, and its answer comes after the server has worked through it."""

T = TypeVar("T")


class NotReached(TryLater):
    """The API did not answer at all."""


class Untrusted(Misconfigured):
    """The API's certificate is not trusted."""


class Failing(Transient):
    """The API keeps failing."""


class UnusableAnswers(Fatal):
    """The API keeps answering what is not what was asked for."""

    default_hint = "What was stored stays; once the API is mended, run the same command again."


@dataclass(slots=True)
class Upload:
    """A body of so many bytes, as it is made; each try makes it anew.

    `handed_over` says whether the server may have received all of it: true from before its last byte is sent. `status` is what it was
    answered with, also where the rest of the answer never came.
    """

    parts: Callable[[], AsyncIterator[bytes]]
    size: int
    content_type: str
    handed_over: bool = False
    status: int | None = None

    async def stream(self) -> AsyncIterator[bytes]:
        """The parts, which must be as long as they were said to be."""
        sent = 0
        async for part in self.parts():
            sent += len(part)
            self.handed_over = sent >= self.size
            yield part


@dataclass(frozen=True, slots=True)
class Request:
    """One request; its headers join those of the connection."""

    url: URL
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "GET"
    upload: Upload | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the body as it came over the wire, what the headers state about limits, and the seconds it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    facts: RateFacts
    seconds: float = 0.0


class Failed(Exception):
    """One attempt failed in a way that another may not."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Stale(Exception):
    """What the request carried has expired: made anew it is sent again at once, and only when that is stale, too, after a delay."""


class _Throttled(Exception):
    """The server asks to slow down: the gate knows, the request waits in line again, and no attempt is counted."""


@dataclass(slots=True)
class Client:
    """A server at `origin`, for any number of workers at once; `setting` is what a person would mend when that is wrong.

    What is among `secrets` is never quoted, also where the server does.
    """

    origin: URL
    session: aiohttp.ClientSession
    counters: Counters
    setting: str = "the address"
    secrets: set[str] = field(default_factory=set, repr=False)
    retries: RetrySettings = field(default_factory=RetrySettings)
    _budget: RetryBudget = field(default_factory=lambda: RetryBudget(asyncio.get_running_loop().time()))
    _answered: bool = False

    @classmethod
    @asynccontextmanager
    async def connected(
        cls, origin: URL, counters: Counters, connections: int, headers: Mapping[str, str], setting: str = "the address"
    ) -> AsyncIterator[Client]:
        """Keep-alive connections to a server, bodies left as they come over the wire; `headers` go with every request."""
        ours = {"Accept-Encoding": "gzip", "User-Agent": f"penstock/{__version__}", **headers}
        connector = aiohttp.TCPConnector(limit=connections)
        async with aiohttp.ClientSession(headers=ours, auto_decompress=False, timeout=TIMEOUT, connector=connector) as session:
            yield cls(origin, session, counters, setting)

    async def send(self, lane: Lane, make: Callable[[], Awaitable[Request]], read: Callable[[Answer], T], what: str) -> T:
        """What `read` makes of the answer to the request, which `make` makes anew each time it is its turn in the lane.

        `read` gets every answer but 408, 429 and 5xx. It may raise `UnusableBody`, `Stale` or `Failed` to have the request sent again; any
        other error ends it. `what` says in errors what was asked for.

        Raises:
            Failing: the server fails for longer than retrying makes sense.
            NotReached: it has not answered once.
            Untrusted: it is not the server that it claims to be.
            UnusableAnswers: `read` found the body unusable, again and again.
        """
        retry = Retry(self.retries if self._answered else FIRST_CONTACT, self._budget)
        unusable = stale = 0
        while True:
            try:
                return read(await self._attempt(lane, make))
            except _Throttled:
                self.counters.add("responses_throttled_total")
            except Stale as error:
                stale += 1
                if stale > 1:
                    await self._again(retry, str(error), None)
            except UnusableBody as error:
                unusable += 1
                if unusable >= BODY_ATTEMPTS:
                    raise UnusableAnswers(f"{error.detail}; {unusable} times, {what}") from error
                await self._again(retry, str(error), None)
            except Failed as error:
                await self._again(retry, str(error), error.retry_after_s)

    async def _again(self, retry: Retry, reason: str, retry_after_s: float | None) -> None:
        """Wait for the next attempt, or give up."""
        answer = retry.on_failure(asyncio.get_running_loop().time(), random.random, retry_after_s)
        if isinstance(answer, GiveUp):
            detail = f"{self.origin}: {reason}; {answer.reason}"
            if self._answered:
                raise Failing(detail)
            raise NotReached(detail, hint=f"Check {self.setting} and the network; then run the same command again.")
        self.counters.add("requests_retried_total")
        await asyncio.sleep(answer.seconds)

    async def once(self, lane: Lane, request: Request) -> Answer:
        """The answer to a request that is sent one time, whatever its status.

        Raises:
            Failed: none came.
            Untrusted: it is not the server that it claims to be.
        """

        async def make() -> Request:
            return request

        answer = await self._exchange(lane, make)
        self.counters.add("bytes_received_total", len(answer.body))
        return answer

    async def _attempt(self, lane: Lane, make: Callable[[], Awaitable[Request]]) -> Answer:
        """The answer to one request that reached the server and was not put off."""
        return self._received(await self._exchange(lane, make))

    async def _exchange(self, lane: Lane, make: Callable[[], Awaitable[Request]]) -> Answer:
        permit, verdict, facts, served_bytes = await lane.permit(), Verdict.FAILED, RateFacts(), 0
        try:
            request = await make()
            self.counters.add("requests_total")
            began = asyncio.get_running_loop().time()
            async with self._sending(request) as response:
                facts = parse_rate_headers(response.headers, time.time())
                verdict = _verdict(response.status, facts)
                if request.upload is not None:
                    request.upload.status = response.status
                body = await received(response)
                answer = Answer(response.status, response.headers, body, facts, asyncio.get_running_loop().time() - began)
                served_bytes = len(answer.body) if answer.status < 300 else 0
        except aiohttp.ClientConnectorCertificateError as error:
            raise Untrusted(str(error), hint=f"Check the host name of {self.setting}, and the machine's clock.") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            verdict = Verdict.THROTTLED if verdict is Verdict.THROTTLED else Verdict.FAILED
            raise Failed(_reason(error)) from error
        finally:
            lane.finish(permit, verdict, facts, served_bytes)
        return answer

    def _sending(self, request: Request) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        url, query, upload = request.url, request.query, request.upload
        if upload is None:
            return self.session.request(request.method, url, params=query, headers=request.headers, allow_redirects=False)
        headers = {**request.headers, "Content-Type": upload.content_type, "Content-Length": str(upload.size)}
        return self.session.request(
            request.method, url, params=query, headers=headers, data=upload.stream(), timeout=UPLOAD_TIMEOUT, allow_redirects=False
        )

    def _received(self, answer: Answer) -> Answer:
        """Count an answer; the same one, unless its status says to try again."""
        self.counters.add("bytes_received_total", len(answer.body))
        self._answered = self._answered or answer.status < 500
        if answer.status == 429:
            raise _Throttled
        if answer.status >= 500 or answer.status == 408:
            raise Failed(f"HTTP {answer.status}", answer.facts.retry_after_s)
        if answer.status < 300:
            self._budget.succeeded()
        return answer

    def said(self, answer: Answer) -> str:
        """How an error's body begins, without the secrets, which some servers quote."""
        try:
            body = inflated(answer.body)
        except UnusableBody:
            body = answer.body
        text = body[:10_000].decode(errors="replace").strip()
        for secret in self.secrets:
            text = text.replace(secret, "(secret)")
        return text[:300]


def _verdict(status: int, facts: RateFacts) -> Verdict:
    if status == 429 or (status == 503 and facts.retry_after_s is not None):
        return Verdict.THROTTLED
    return Verdict.FAILED if status >= 500 else Verdict.SERVED


def _reason(error: Exception) -> str:
    """What went wrong, without the address, the query of which may hold a key."""
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return " ".join(said.split()) or type(error).__name__
