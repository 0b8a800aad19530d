"""Rate windows and the notations of their headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.simulate.limits import Quota, RateWindow, quota_headers, too_many
from penstock.simulate.settings import RateLimit, ResetNotation, RetryAfter


@given(limit=st.integers(1, 5), waits=st.lists(st.floats(0, 8), max_size=60))
def test_never_more_than_the_limit(limit: int, waits: list[float]) -> None:
    """Of the requests between two openings of the window, the first `limit` are admitted and no other."""
    window, now_s, opened_s, admitted = RateWindow(limit, 10.0), 0.0, None, 0

    for wait in waits:
        now_s += wait
        if opened_s is None or now_s >= opened_s + 10.0:
            opened_s, admitted = now_s, 0
        quota = window.take(now_s)
        admitted += quota.admitted

        assert quota == Quota(quota.admitted, limit, limit - admitted, opened_s + 10.0)
        assert quota.admitted or admitted == limit


def test_looking_costs_nothing() -> None:
    """Asking where one stands neither opens a window nor uses it up."""
    window = RateWindow(1, 10.0)

    looks = [window.look(now_s).remaining for now_s in (0.0, 5.0, 9.0)]

    assert looks == [1, 1, 1]
    assert window.take(9.5).reset_at == 19.5


@pytest.mark.parametrize(
    ("notation", "written"),
    [("delta", "29"), ("epoch_s", "1769541613"), ("epoch_ms", "1769541612500"), ("date", "Tue, 27 Jan 2026 19:20:13 GMT")],
)
def test_reset_notations(notation: ResetNotation, written: str) -> None:
    """The end of the window is told in the notation asked for, never too early."""
    headers = quota_headers(Quota(True, 10, 3, 1_769_541_612.5), 1_769_541_584.0, notation)

    assert headers == {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "3", "X-RateLimit-Reset": written}


@pytest.mark.parametrize(("notation", "written"), [("seconds", "29"), ("date", "Tue, 27 Jan 2026 19:20:13 GMT")])
def test_too_many(notation: RetryAfter, written: str) -> None:
    """A refusal says when to come back, in its header as asked and in its body in seconds."""
    answer = too_many(RateLimit(requests=10, retry_after=notation), 1_769_541_612.5, 1_769_541_584.0)

    assert answer.status == 429
    assert answer.headers["Retry-After"] == written
    assert answer.body == (b'{"error":"Too Many Requests","code":"RATE_LIMIT_EXCEEDED","rateLimit":{"limit":10,"remaining":0,"reset":29}}')
