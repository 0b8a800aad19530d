"""The stream endpoint's door: tokens for clients that look like the dashboard in a browser, and what they may spend."""

from __future__ import annotations

import hmac
import math
from collections import defaultdict
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from random import Random
from typing import TYPE_CHECKING

from penstock.simulate.http import Answer, ApiError, Request, json_answer
from penstock.simulate.limits import RateWindow

if TYPE_CHECKING:
    from penstock.simulate.listing import Clock
    from penstock.simulate.settings import DataSyncSettings

ACCESS = "/internal/dashboard/stream-access"
FEED = "/api/v1/events/d4ta/x7k9/feed"
HEADER = "X-Stream-Token"
_REFUSALS = {401: ("Unauthorized", "UNAUTHORIZED"), 403: ("Forbidden", "DASHBOARD_REQUIRED"), 404: ("Not Found", "NOT_FOUND")}


class StreamDoor:
    """Gives out tokens, and lets requests in that carry one."""

    def __init__(self, settings: DataSyncSettings, clock: Clock, events: RateWindow) -> None:
        self._stream = settings.stream
        self._key = settings.api_key
        self._clock = clock
        self._drawn = Random(f"{settings.seed} stream tokens")
        self._expires_at: dict[str, float] = {}
        self._events = events
        self._windows: defaultdict[str, RateWindow] = defaultdict(self._window)

    @property
    def tokens(self) -> int:
        """How many were given out."""
        return len(self._expires_at)

    def access(self, request: Request) -> Answer:
        """A token for the dashboard; 403 for everybody else. The key itself has been looked at."""
        if self._stream.refused is not None:
            raise _refused(self._stream.refused)
        if not self._from_dashboard(request):
            raise _refused(403)
        token = f"{self._drawn.getrandbits(256):064x}"
        now_s = self._clock.now()
        self._expires_at[token] = now_s + self._stream.token_ttl_s
        ttl_s = math.floor(self._stream.token_ttl_s)
        access = {"endpoint": FEED, "token": token, "expiresIn": ttl_s, "tokenHeader": HEADER}
        return json_answer(200, {"streamAccess": access, "meta": {"generatedAt": datetime.fromtimestamp(now_s, UTC).isoformat()}})

    def admitted(self, request: Request) -> RateWindow | None:
        """The budget in which a request to the stream counts; None where there is none.

        Raises:
            ApiError: it carries no token, or one that is not or no longer good.
        """
        token = request.headers.get(HEADER.lower(), "")
        if self._clock.now() >= self._expires_at.get(token, -math.inf):
            raise ApiError(403, "Forbidden", "INVALID_STREAM_TOKEN", "The stream token is not valid")
        if self._stream.pool == "events":
            return self._events
        if self._stream.requests is None:
            return None
        return self._windows[token if self._stream.pool == "token" else ""]

    def _from_dashboard(self, request: Request) -> bool:
        """A browser, with the dashboard's cookie or from the API's own pages."""
        cookie = SimpleCookie(request.headers.get("cookie", "")).get("dashboard_api_key")
        by_cookie = cookie is not None and hmac.compare_digest(cookie.value.encode(), self._key.encode())
        host = request.headers.get("host", "")
        by_origin = request.headers.get("origin", "") in {f"http://{host}", f"https://{host}"}
        return request.headers.get("user-agent", "").startswith("Mozilla/") and (by_cookie or by_origin)

    def _window(self) -> RateWindow:
        assert self._stream.requests is not None
        return RateWindow(self._stream.requests, self._stream.window_s)


def _refused(status: int) -> ApiError:
    error, code = _REFUSALS[status]
    return ApiError(status, error, code, "Stream access is for the dashboard")
