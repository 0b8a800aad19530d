"""The stream endpoint: the same pages as `/events` for whoever holds a token of the dashboard.

Tokens live a few minutes. One is fetched by the first worker that needs it, all others wait for that one request; it is fetched anew before
its time is over, and when the API calls it invalid. Format: docs/formats/datasync.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from yarl import URL

from penstock.extract.address import Address
from penstock.model.errors import PenstockError
from penstock.reliability.climb import Climb, ClimbSettings
from penstock.reliability.pace import Pace
from penstock.stores.http.body import UnusableBody, inflated
from penstock.stores.http.client import Answer, Client, NotReached, Request, UnusableAnswers
from penstock.stores.http.lane import Lane

ACCESS_PATH = "/internal/dashboard/stream-access"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
RENEW_AFTER = 0.8
"""Share of a token's life after which it is fetched anew: a request may be on its way for half a minute."""
REFUSALS = 3
"""So many fresh tokens in a row the stream may call invalid before it is left alone."""


class StreamClosed(PenstockError):
    """The stream endpoint is not open to us."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How many tokens are used in turn, and who is told when the stream is not open."""

    tokens: int = 1
    tell: Callable[[str], None] = lambda _: None


class _Grant(msgspec.Struct, rename="camel"):
    endpoint: str
    token: str
    expires_in: float
    token_header: str = "X-Stream-Token"  # noqa: S105 - the name of a header


class _Access(msgspec.Struct, rename="camel"):
    stream_access: _Grant


_access = msgspec.json.Decoder(_Access)


@dataclass(frozen=True, slots=True)
class Token:
    """A token, where it is taken, how long it lives, and until when (monotonic seconds) it is used."""

    endpoint: URL
    header: str
    life_s: float
    renew_at: float
    text: str = field(repr=False)


@dataclass(slots=True)
class Ticket:
    """One token at a time, shared by all workers, and the lane of the requests that carry it.

    `refusals` counts how often in a row the stream called a token invalid.
    """

    lane: Lane
    refusals: int = 0
    _token: Token | None = None
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self, access: StreamAccess) -> Token:
        """The token; the first who finds it missing or old fetches it, the others wait for that."""
        async with self._fetching:
            if self._token is None or _now() >= self._token.renew_at:
                self._token = await access.fetch()
            return self._token

    def refused(self, token: Token) -> None:
        """The stream called it invalid; who says so of a token that has been replaced meanwhile brings no news.

        Raises:
            StreamClosed: the fresh ones before it were called invalid, too.
        """
        if self._token is not token:
            return
        self._token, self.refusals = None, self.refusals + 1
        if self.refusals >= REFUSALS:
            raise StreamClosed(f"it calls {REFUSALS} fresh tokens invalid")

    def served(self) -> None:
        """The stream took a token."""
        self.refusals = 0


@dataclass(slots=True)
class StreamAccess:
    """Where tokens come from, and the tickets that are used in turn.

    `closed` says why the stream is not used (any more), and is empty as long as it is.
    """

    address: Address
    client: Client
    tickets: Sequence[Ticket]
    tell: Callable[[str], None]
    closed: str = ""
    _lane: Lane = field(default_factory=Lane)
    _turn: int = 0

    @classmethod
    def of(cls, settings: StreamSettings, address: Address, client: Client, in_flight: ClimbSettings) -> StreamAccess:
        """Each token has a gate and a pace of its own, and finds out how many requests `in_flight` do good, beginning with its share."""
        share = in_flight.shared_by(settings.tokens)
        tickets = [Ticket(Lane(climb=Climb(share), pace=Pace())) for _ in range(settings.tokens)]
        return cls(address, client, tickets, settings.tell)

    def close(self, reason: str) -> None:
        """Leave the stream alone from here on, and say so once."""
        if not self.closed:
            self.closed = reason
            self.tell(f"the stream endpoint is not open ({reason}): reading /events instead")

    def next(self) -> Ticket:
        """Tickets in turn."""
        self._turn += 1
        return self.tickets[self._turn % len(self.tickets)]

    async def fetch(self) -> Token:
        """A new token.

        Raises:
            StreamClosed: the API gives none.
            Failing: as `Client.send`, once a token was given before.
        """
        if self.closed:
            raise StreamClosed(self.closed)
        asked_at = _now()
        try:
            return await self.client.send(self._lane, self.request, lambda answer: self.granted(answer, asked_at), "for a stream token")
        except (StreamClosed, NotReached, UnusableAnswers) as error:
            self.close(error.detail)
            raise StreamClosed(self.closed) from error

    async def request(self) -> Request:
        """The request for a token, as the dashboard sends it in a browser."""
        origin = str(self.address.origin)
        headers = {"User-Agent": BROWSER, "Origin": origin, "Referer": f"{origin}/", "Cookie": f"dashboard_api_key={self.address.key}"}
        return Request(self.address.at(ACCESS_PATH), headers=headers, method="POST")

    def granted(self, answer: Answer, asked_at: float) -> Token:
        """The token of an answer.

        Raises:
            StreamClosed: it is refused.
            UnusableBody: what came is no token for this host.
        """
        if answer.status != 200:
            raise StreamClosed(f"HTTP {answer.status} {self.client.said(answer)}".rstrip())
        try:
            grant = _access.decode(inflated(answer.body)).stream_access
            endpoint = self.address.origin.join(URL(grant.endpoint))
        except (msgspec.MsgspecError, ValueError) as error:
            raise UnusableBody(f"it is no grant of a stream token: {error}") from None
        self.client.secrets.add(grant.token)
        sound = grant.token and grant.token.isprintable() and grant.token_header.isascii() and grant.expires_in > 0
        if endpoint.origin() != self.address.origin or not sound:
            raise UnusableBody("it is no grant of a stream token for this host")
        return Token(endpoint, grant.token_header, grant.expires_in, asked_at + RENEW_AFTER * grant.expires_in, grant.token)


def _now() -> float:
    return asyncio.get_running_loop().time()
