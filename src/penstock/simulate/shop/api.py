"""The shop's API as an ASGI application: strict about keys and parameters, and troubled as its settings say."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from random import Random
from typing import TYPE_CHECKING

from penstock.simulate.faults import Fault, Faults
from penstock.simulate.http import JSON, Answer, ApiError, Ending, Request, Unfinished, deliver, json_answer
from penstock.simulate.limits import RateWindow, quota_headers
from penstock.simulate.listing import Clock
from penstock.simulate.shop.listing import Listing
from penstock.simulate.shop.orders import updated_s, written
from penstock.simulate.shop.schemes import SCHEMES, Asked, Place, Scheme
from penstock.simulate.shop.settings import ShopSettings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

FILTERS = frozenset({"updated_since", "updated_until", "api_key"})
INSTEAD: Mapping[Fault, Answer] = {
    "error_5xx": json_answer(503, {"error": "Service Unavailable"}),
    "burst_429": json_answer(429, {"error": "Too Many Requests"}),
    "missing_data": json_answer(200, {"error": None}),
    "bad_json": Answer(200, b"<html>just a moment</html>", {"Content-Type": "text/html"}),
}
ENDINGS: Mapping[Fault, Ending] = {"reset": "reset", "reset_mid_body": "cut"}


@dataclass(slots=True)
class Shop:
    """Answers every request; expects its connection's transport in the scope's state."""

    settings: ShopSettings
    clock: Clock
    requests: int = 0
    came_in: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    _faults: Faults = field(init=False)
    _window: RateWindow | None = field(init=False)

    def __post_init__(self) -> None:
        self._faults = Faults(self.settings.faults, self.settings.seed)
        self._window = None if self.settings.budget is None else RateWindow(*self.settings.budget)

    @property
    def orders(self) -> int:
        """How many orders there are by now."""
        return self.settings.orders + self.came_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        try:
            request = await Request.of(scope, receive)
        except Unfinished:
            return
        self.requests += 1
        try:
            answer = await self._answer(request)
        except ApiError as error:
            answer = error.answer()
        await deliver(replace(answer, headers={"Date": self._date(), **answer.headers}), scope, receive, send)

    def _date(self) -> str:
        """The shop's clock is that of its orders: the next one is about to come in."""
        return formatdate(updated_s(self.orders), usegmt=True)

    async def _answer(self, request: Request) -> Answer:
        scheme = SCHEMES.get(request.path)
        if scheme is None:
            raise ApiError(404, "Not Found", "NOT_FOUND", f"There is nothing at {request.path}; there are {', '.join(SCHEMES)}")
        if request.method != "GET":
            raise ApiError(405, "Method Not Allowed", "METHOD_NOT_ALLOWED", f"{request.method} is not supported here")
        self._authorise(request)
        if unknown := request.query.keys() - scheme.parameters - FILTERS:
            raise ApiError(400, "Bad Request", "UNKNOWN_PARAMETER", f"There is no parameter {min(unknown)}")
        if self._window is None:
            return await self._page(request, scheme)
        quota = self._window.take(self.clock.now())
        stated = {} if self.settings.silent else quota_headers(quota, self.clock.now(), "delta")
        if not quota.admitted:
            return json_answer(429, {"error": "Too Many Requests"}, stated)
        answer = await self._page(request, scheme)
        return replace(answer, headers={**stated, **answer.headers})

    def _authorise(self, request: Request) -> None:
        """The key as a bearer, in X-API-Key, in the query, or as the password of the user `shop`."""
        basic = base64.b64encode(f"shop:{self.settings.key}".encode()).decode()
        authorization = request.headers.get("authorization", "")
        given = request.headers.get("x-api-key") or request.query.get("api_key") or authorization.removeprefix("Bearer ")
        if authorization != f"Basic {basic}" and not hmac.compare_digest(given.encode(), self.settings.key.encode()):
            raise ApiError(401, "Unauthorized", "INVALID_API_KEY", f"The key {given} is not valid")

    async def _page(self, request: Request, scheme: Scheme) -> Answer:
        listing = Listing(0, self.orders, rising=self.settings.first == "oldest").within(request.query)
        url = f"http://{request.headers.get('host', 'shop')}{request.path}"
        query = {name: value for name, value in request.query.items() if name != "api_key"}
        asked = Asked(url, query, listing, self.clock.now(), self.settings.cursor_ttl_s)
        place = scheme.place(asked)
        self.came_in += self.came_in < self.settings.live
        numbers = [] if self._skips(scheme, place) else listing.numbers(place.first, place.limit)
        fault = self._faults.draw(place.first)
        if fault is None:
            return self._written(asked, scheme, place, numbers, request)
        self.troubles[fault] += 1
        return await self._troubled(fault, asked, scheme, place, request)

    def _skips(self, scheme: Scheme, place: Place) -> bool:
        """Whether a page with a cursor is an empty one."""
        drawn = Random(f"{self.settings.seed}:{place.first}:{place.turn}:empty").random()
        return "cursor" in scheme.parameters and drawn < self.settings.empty_pages

    def _written(self, asked: Asked, scheme: Scheme, place: Place, numbers: Sequence[int], request: Request) -> Answer:
        around = scheme.around(asked, place, numbers, max(0, len(asked.listing) + self.settings.total_off))
        orders = b"[" + b",".join(written(number, self.settings) for number in numbers) + b"]"
        body = _enveloped(scheme.path, orders, around.members)
        headers = {"Content-Type": JSON, **around.headers}
        if request.takes_gzip:
            body, headers["Content-Encoding"] = gzip.compress(body, 1, mtime=0), "gzip"
        return Answer(200, body, headers)

    async def _troubled(self, fault: Fault, asked: Asked, scheme: Scheme, place: Place, request: Request) -> Answer:
        """The page, or what comes in its place."""
        if fault in INSTEAD:
            return INSTEAD[fault]
        numbers = asked.listing.numbers(place.first, place.limit)
        if fault == "same_page" and place.first:
            numbers = asked.listing.numbers(max(0, place.first - place.limit), place.limit)
        if fault == "out_of_order":
            self._faults.details(place.first).shuffle(numbers)
        if fault == "slow":
            await self.clock.sleep(self.settings.faults.slow_s)
        good = self._written(asked, scheme, place, numbers, request)
        if fault == "truncated_gzip":
            return replace(good, body=good.body[: len(good.body) // 2])
        return replace(good, ending=ENDINGS.get(fault, "whole"))


def _enveloped(path: Sequence[str], orders: bytes, members: Mapping[str, object]) -> bytes:
    """A body that holds the orders at `path`, beside other members."""
    if not path:
        return orders
    inner = b"{" + json.dumps(path[-1]).encode() + b":" + orders + b"}"
    for name in reversed(path[:-1]):
        inner = b"{" + json.dumps(name).encode() + b":" + inner + b"}"
    beside = json.dumps(members).encode()[1:-1]
    return inner[:-1] + (b"," + beside if beside else b"") + b"}"
