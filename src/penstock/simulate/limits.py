"""Rate limits as the API keeps them: a fixed window that its first request opens, told in headers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from penstock.simulate.http import Answer, json_answer

if TYPE_CHECKING:
    from penstock.simulate.settings import RateLimit, ResetNotation


@dataclass(frozen=True, slots=True)
class Quota:
    """Where a client stands after asking; `reset_at` is the epoch second at which the window ends."""

    admitted: bool
    limit: int
    remaining: int
    reset_at: float


class RateWindow:
    """Admits `limit` requests in `window_s` seconds."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._reset_at = -math.inf
        self._used = 0

    def look(self, now_s: float) -> Quota:
        """Where a client stands without asking for anything."""
        if now_s >= self._reset_at:
            return Quota(True, self._limit, self._limit, now_s + self._window_s)
        return Quota(self._used < self._limit, self._limit, self._limit - self._used, self._reset_at)

    def take(self, now_s: float) -> Quota:
        """Ask for one request."""
        if now_s >= self._reset_at:
            self._reset_at, self._used = now_s + self._window_s, 0
        admitted = self._used < self._limit
        self._used += admitted
        return replace(self.look(now_s), admitted=admitted)


def quota_headers(quota: Quota, now_s: float, notation: ResetNotation) -> dict[str, str]:
    """The `X-RateLimit-*` headers, reset in one of the four notations in use."""
    reset = _moment(quota.reset_at, now_s, notation)
    return {"X-RateLimit-Limit": str(quota.limit), "X-RateLimit-Remaining": str(quota.remaining), "X-RateLimit-Reset": reset}


def too_many(limit: RateLimit, reset_at: float, now_s: float) -> Answer:
    """429, with `Retry-After` in seconds or as a date (RFC 9110, 10.2.3)."""
    state = {"limit": limit.requests, "remaining": 0, "reset": _seconds_until(reset_at, now_s)}
    answer = json_answer(429, {"error": "Too Many Requests", "code": "RATE_LIMIT_EXCEEDED", "rateLimit": state})
    retry_after = _moment(reset_at, now_s, "delta" if limit.retry_after == "seconds" else "date")
    return replace(answer, headers={**answer.headers, "Retry-After": retry_after})


def budget_spent(reset_at: float, now_s: float) -> Answer:
    """429 of the stream: its headers tell nothing of a limit, only when to come back."""
    wait_s = _seconds_until(reset_at, now_s)
    answer = json_answer(429, {"error": "Too Many Requests", "code": "RATE_LIMIT_EXCEEDED", "rateLimit": {"retryAfter": wait_s}})
    return replace(answer, headers={**answer.headers, "Retry-After": str(wait_s)})


def _seconds_until(reset_at: float, now_s: float) -> int:
    return max(0, math.ceil(reset_at - now_s))


def _moment(reset_at: float, now_s: float, notation: ResetNotation) -> str:
    match notation:
        case "delta":
            return str(_seconds_until(reset_at, now_s))
        case "epoch_s":
            return str(math.ceil(reset_at))
        case "epoch_ms":
            return str(math.ceil(reset_at * 1000))
        case "date":
            return formatdate(math.ceil(reset_at), usegmt=True)
