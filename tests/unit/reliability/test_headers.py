"""Notations of headers: what servers send, and what nobody should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.reliability.headers import RateFacts, parse_rate_headers, parse_reset, parse_retry_after

NOW_S = datetime(2026, 1, 27, 19, 20, 12, tzinfo=UTC).timestamp()

waits = st.integers(0, 10**8)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def notations(wait_s: int, zone: timezone) -> dict[str, str]:
    """The moment `wait_s` after NOW_S as servers write it."""
    moment = datetime.fromtimestamp(NOW_S + wait_s, UTC)
    return {
        "epoch seconds": str(int(NOW_S) + wait_s),
        "epoch seconds with a fraction": f"{int(NOW_S) + wait_s}.0",
        "epoch milliseconds": str((int(NOW_S) + wait_s) * 1000),
        "IMF-fixdate": format_datetime(moment, usegmt=True),
        "RFC 850": f"{moment:%A, %d-%b-%y %H:%M:%S} GMT",
        "asctime": f"{moment:%a %b %e %H:%M:%S %Y}",
        "ISO 8601": moment.astimezone(zone).isoformat(),
        "ISO 8601, Z": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "ISO 8601 without a zone": f"{moment:%Y-%m-%dT%H:%M:%S}",
    }


@given(wait_s=waits, zone=zones)
def test_a_reset_is_the_same_in_every_notation(wait_s: int, zone: timezone) -> None:
    """Seconds from now, epoch seconds, epoch milliseconds and dates say the same."""
    read = {name: parse_reset(value, NOW_S) for name, value in notations(wait_s, zone).items()}

    assert read == dict.fromkeys(read, wait_s)
    assert parse_reset(f" {wait_s} ", NOW_S) == wait_s


@given(wait_s=waits, zone=zones)
def test_retry_after_is_seconds_or_a_date(wait_s: int, zone: timezone) -> None:
    """RFC 9110 knows seconds and three forms of dates."""
    read = [parse_retry_after(notations(wait_s, zone)[name], NOW_S) for name in ("IMF-fixdate", "RFC 850", "asctime")]

    assert [*read, parse_retry_after(str(wait_s), NOW_S)] == [wait_s] * 4


@given(ago_s=st.integers(1, 10**8), zone=zones)
def test_what_is_past_is_now(ago_s: int, zone: timezone) -> None:
    """A moment that is over asks for no wait, never for a negative one."""
    texts = [f"-{ago_s}", *notations(-ago_s, zone).values()]

    assert [parse_reset(text, NOW_S) for text in texts] == [0.0] * len(texts)
    assert [parse_retry_after(text, NOW_S) for text in texts if "T" in text] == [0.0] * sum("T" in text for text in texts)


@pytest.mark.parametrize(("value", "wait_s"), [("28", 28.0), ("28.5", 28.5), ("+3", 3.0), ("0", 0.0), ("999999999", 999_999_999.0)])
def test_small_numbers_are_seconds_from_now(value: str, wait_s: float) -> None:
    """A relative reset of 28 is half a minute, not the year 1970."""
    assert parse_reset(value, NOW_S) == parse_retry_after(value, NOW_S) == wait_s


@pytest.mark.parametrize("value", ["", " ", "soon", "nan", "inf", "1e9", "1_0", "0x1c", "٢٨", "28s", "--1", "12:00", "Tue", "9" * 400])
def test_garbage_states_nothing(value: str) -> None:
    """What is no notation of a time is None, not a guess."""
    assert parse_reset(value, NOW_S) is None
    assert parse_retry_after(value, NOW_S) is None


@given(value=st.text() | st.text("0123456789:-+,. TZGMTWonJanFeb"))
@example("Mon, 01 Jan 2026 10:00:00 +999999999999")
@example("1 Jan 0001 00:00:00 +2300")
@example("0001-01-01T00:00:00+14:00")
def test_no_header_breaks_the_parser(value: str) -> None:
    """Whatever a server sends is a wait that is not negative, or nothing."""
    for read in (parse_reset(value, NOW_S), parse_retry_after(value, NOW_S)):
        assert read is None or 0.0 <= read < float("inf")


@pytest.mark.parametrize(
    ("headers", "facts"),
    [
        ({}, RateFacts()),
        ({"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9", "X-RateLimit-Reset": "28"}, RateFacts(10, 9, 28.0)),
        ({"x-ratelimit-remaining": "0", "RETRY-AFTER": "7"}, RateFacts(remaining=0, retry_after_s=7.0)),
        ({"RateLimit-Limit": "10, 10;w=60", "RateLimit-Remaining": "3", "RateLimit-Reset": "5"}, RateFacts(10, 3, 5.0)),
        ({"RateLimit-Remaining": "3", "X-RateLimit-Remaining": "2"}, RateFacts(remaining=2)),
        ({"X-RateLimit-Limit": "unlimited", "X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "?"}, RateFacts(remaining=0)),
        ({"X-RateLimit-Reset": str(int(NOW_S) + 30)}, RateFacts(reset_s=30.0)),
    ],
)
def test_rate_headers(headers: dict[str, str], facts: RateFacts) -> None:
    """Both families, in any case; what is absent or garbage is None."""
    assert parse_rate_headers(headers, NOW_S) == facts
