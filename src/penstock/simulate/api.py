"""The simulated DataSync API as an ASGI application: who may ask for what."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

from penstock.simulate.audit import Audit
from penstock.simulate.catalogue import METRICS_PER_MINUTE, SESSIONS_PER_MINUTE, Catalogue
from penstock.simulate.http import Answer, ApiError, Request, Unfinished, deliver, json_answer
from penstock.simulate.limits import RateWindow, quota_headers, too_many
from penstock.simulate.listing import Clock, Listing
from penstock.simulate.settings import RateLimit
from penstock.simulate.stream import ACCESS, FEED, StreamDoor
from penstock.simulate.submissions import PATH as SUBMISSIONS
from penstock.simulate.submissions import Submissions

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from penstock.simulate.dataset import Dataset
    from penstock.simulate.settings import DataSyncSettings

ROOT = "/api/v1"
EVENTS, SESSIONS, METRICS = f"{ROOT}/events", f"{ROOT}/sessions", f"{ROOT}/metrics"
STATS = "/internal/stats"


class DataSyncApi:
    """Answers every request; expects its connection's transport in the scope's state."""

    def __init__(self, settings: DataSyncSettings, dataset: Dataset, clock: Clock) -> None:
        self._key = settings.api_key.encode()
        self._clock = clock
        limit = settings.rate_limit
        self._by_header = RateWindow(limit.requests, limit.window_s)
        self._by_query = self._by_header if limit.query_requests is None else RateWindow(limit.query_requests, limit.window_s)
        self._small = {SESSIONS: RateWindow(SESSIONS_PER_MINUTE, 60), METRICS: RateWindow(METRICS_PER_MINUTE, 60)}
        self._catalogue = Catalogue(dataset)
        self.audit = Audit(len(dataset.keys))
        self.listing = Listing(settings, dataset, self.audit, clock)
        self.stream = StreamDoor(settings, clock, self._by_header)
        self.submissions = Submissions(settings, clock)
        self._single: dict[str, Callable[[Request], Answer]] = {
            ROOT: lambda _: json_answer(200, {"endpoints": {name: f"{ROOT}/{name}" for name in ("events", "sessions", "metrics")}}),
            SUBMISSIONS: self._submissions,
            ACCESS: self.stream.access,
            STATS: lambda _: self._catalogue.stats(self.listing.visible),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        try:
            request = await Request.of(scope, receive)
        except Unfinished:
            return
        try:
            answer = await self._answer(request)
        except ApiError as error:
            answer = error.answer()
        arrived = await deliver(answer, scope, receive, send)
        if not request.path.startswith((ROOT, "/internal")):
            return
        self.audit.requests += 1
        self.audit.paths[_pattern(request.path)] += 1
        if answer.ending != "reset":
            self.audit.statuses[answer.status] += 1
        if arrived and answer.served is not None:
            self.audit.served(answer.served)

    async def _answer(self, request: Request) -> Answer:
        path = request.path.rstrip("/")
        allowed = {"GET", "POST"} if path == SUBMISSIONS else {"POST"} if path == ACCESS else {"GET"}
        if path in {"/health", "/internal/health"}:
            return Answer(200, b"OK", {"Content-Type": "text/plain"})
        if path == "/_audit":
            return json_answer(200, self.audit.facts() | {"stream_tokens": self.stream.tokens, "submissions": len(self.submissions.kept)})
        if request.method not in allowed:
            raise ApiError(405, "Method Not Allowed", "METHOD_NOT_ALLOWED", f"{request.method} is not supported here")
        if path.startswith((ROOT, "/internal")):
            return await self._authorised(request, path, self._authorise(request))
        raise _nothing_at(path)

    async def _authorised(self, request: Request, path: str, window: RateWindow) -> Answer:
        """The answer to a client with the right key, whose limit of events is `window`."""
        collection, _, name = path.removeprefix(ROOT + "/").partition("/")
        if path == EVENTS:
            return await self.listing.many(request, window)
        if path == FEED:
            return await self.listing.stream(request, self.stream.admitted(request))
        if collection == "events" and name:
            return await self.listing.one(name, window)
        if path in self._single:
            return self._single[path](request)
        if f"{ROOT}/{collection}" in self._small:
            return self._counted(request, f"{ROOT}/{collection}", name)
        raise _nothing_at(path)

    def _submissions(self, request: Request) -> Answer:
        return self.submissions.submit(request) if request.method == "POST" else self.submissions.all()

    def _counted(self, request: Request, collection: str, name: str) -> Answer:
        """Sessions and metrics, each under a limit of its own."""
        quota = self._small[collection].take(self._clock.now())
        headers = quota_headers(quota, self._clock.now(), "delta")
        if not quota.admitted:
            answer = too_many(RateLimit(requests=quota.limit), quota.reset_at, self._clock.now())
        elif collection == METRICS:
            answer = self._catalogue.metrics()
        elif name:
            answer = self._catalogue.session(name, self.listing.visible)
        else:
            answer = self._catalogue.sessions(request, self.listing.visible)
        return replace(answer, headers={**headers, **answer.headers})

    def _authorise(self, request: Request) -> RateWindow:
        """The rate limit of the client that sends the right key: in a header, in the query, or, to the dashboard, in its cookie."""
        given, window = request.query.get("api_key", ""), self._by_query
        if (by_header := request.headers.get("x-api-key")) is not None:
            given, window = by_header, self._by_header
        elif request.path == ACCESS and (cookie := SimpleCookie(request.headers.get("cookie", "")).get("dashboard_api_key")):
            given, window = cookie.value, self._by_header
        if not hmac.compare_digest(given.encode(), self._key):
            raise ApiError(401, "Unauthorized", "INVALID_API_KEY" if given else "MISSING_API_KEY", "A valid API key is required")
        self.submissions.key_used_at = self.submissions.key_used_at or self._clock.now()
        return window


def _nothing_at(path: str) -> ApiError:
    return ApiError(404, "Not Found", "NOT_FOUND", f"There is nothing at {path}")


def _pattern(path: str) -> str:
    """The endpoint of a path, without what it names."""
    if path == FEED:
        return path
    collection, _, name = path.removeprefix(ROOT + "/").partition("/")
    return f"{ROOT}/{collection}/:id" if path.startswith(ROOT + "/") and name else path
