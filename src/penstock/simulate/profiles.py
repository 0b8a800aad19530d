"""Limits and pace of the real API, as its clients measured them; they disagree, so each measurement is a profile."""

from __future__ import annotations

from penstock.simulate.settings import RateLimit, Stream

LIMITS: dict[str, tuple[RateLimit, Stream]] = {
    "none": (RateLimit(), Stream()),
    "10-per-60s": (RateLimit(requests=10, window_s=60), Stream()),
    "10-per-30s": (RateLimit(requests=10, window_s=30), Stream()),
    "10-per-20s": (RateLimit(requests=10, window_s=20), Stream()),
    "hidden-budget": (RateLimit(requests=10, window_s=60), Stream(requests=200)),
    "shared-pool": (RateLimit(requests=10, window_s=60), Stream(pool="events")),
    "per-token": (RateLimit(requests=10, window_s=60), Stream(requests=200, pool="token")),
}
"""Limits of `/events` and of the stream, as different clients of the real API report them."""

PUBLISHED_LATENCY_S = 5.0
PUBLISHED_LATENCY_PER_INFLIGHT_S = 0.95
"""5 + 0.95 n seconds for a page of 5,000 with n in flight: fits all four published measurements (1: 6 s, 5: 10 s, 10: 16 s, 20: 24 s)."""
