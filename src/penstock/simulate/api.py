"""The simulated DataSync API as an ASGI application: who may ask for what."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from penstock.simulate.audit import Audit
from penstock.simulate.http import Answer, ApiError, Request, deliver, json_answer
from penstock.simulate.limits import RateWindow
from penstock.simulate.listing import Clock, Listing

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from penstock.simulate.dataset import Dataset
    from penstock.simulate.settings import DataSyncSettings

ROOT = "/api/v1"
EVENTS = f"{ROOT}/events"


class DataSyncApi:
    """Answers every request; expects its connection's transport in the scope's state."""

    def __init__(self, settings: DataSyncSettings, dataset: Dataset, clock: Clock) -> None:
        self._key = settings.api_key.encode()
        limit = settings.rate_limit
        self._by_header = RateWindow(limit.requests, limit.window_s)
        self._by_query = self._by_header if limit.query_requests is None else RateWindow(limit.query_requests, limit.window_s)
        self.audit = Audit(len(dataset.keys))
        self.listing = Listing(settings, dataset, self.audit, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        request = Request.of(scope)
        try:
            answer = await self._answer(request)
        except ApiError as error:
            answer = error.answer()
        arrived = await deliver(answer, scope, receive, send)
        if not request.path.startswith(ROOT):
            return
        self.audit.requests += 1
        if answer.ending != "reset":
            self.audit.statuses[answer.status] += 1
        if arrived and answer.served is not None:
            self.audit.served(answer.served)

    async def _answer(self, request: Request) -> Answer:
        if request.method != "GET":
            raise ApiError(405, "Method Not Allowed", "METHOD_NOT_ALLOWED", f"{request.method} is not supported here")
        match request.path.rstrip("/"):
            case "/health":
                return Answer(200, b"OK", {"Content-Type": "text/plain"})
            case "/_audit":
                return json_answer(200, self.audit.facts())
            case path if path == ROOT:
                self._authorise(request)
                return json_answer(200, {"endpoints": {name: f"{ROOT}/{name}" for name in ("events", "sessions", "metrics")}})
            case path if path == EVENTS:
                return await self.listing.many(request, self._authorise(request))
            case path if path.startswith(EVENTS + "/"):
                return await self.listing.one(path.removeprefix(EVENTS + "/"), self._authorise(request))
        raise ApiError(404, "Not Found", "NOT_FOUND", f"There is nothing at {request.path}")

    def _authorise(self, request: Request) -> RateWindow:
        """The rate limit of the client that sends the right key."""
        by_header = request.headers.get("x-api-key")
        given = request.query.get("api_key", "") if by_header is None else by_header
        if not hmac.compare_digest(given.encode(), self._key):
            raise ApiError(401, "Unauthorized", "INVALID_API_KEY" if given else "MISSING_API_KEY", "A valid API key is required")
        return self._by_query if by_header is None else self._by_header
