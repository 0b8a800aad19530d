"""What HTTP headers say about waiting: `Retry-After` and the rate-limit family, in every notation met so far."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_EPOCH_S = 1e9
"""Below it a number is seconds from now (32 years is no window), from it on a moment: September 2001 is over."""
FIRST_EPOCH_MS = 1e11
"""From here on a moment is in milliseconds: as seconds it would lie in the year 5138."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_FAMILIES = ("x-ratelimit-", "ratelimit-")


@dataclass(frozen=True, slots=True)
class RateFacts:
    """What one answer states about the rate; None where it is silent.

    `limit` and `remaining` are requests per window, `remaining` after this one; `reset_s` and `retry_after_s` are seconds from now.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None
    retry_after_s: float | None = None


def parse_rate_headers(headers: Mapping[str, str], now_epoch_s: float) -> RateFacts:
    """Read `X-RateLimit-Limit|Remaining|Reset`, else the same without `X-`, and `Retry-After`; names in any case.

    The names without `X-` are those of draft-ietf-httpapi-ratelimit-headers up to 06, whose limit may be a list (`10, 10;w=60`): its first
    item counts. `now_epoch_s` is the time of the answer; its own `Date` is the better clock where reset is a moment.
    """
    stated = {name.lower(): value for name, value in headers.items()}

    def read(name: str) -> str:
        return next((stated[family + name] for family in _FAMILIES if family + name in stated), "")

    return RateFacts(
        limit=_count(read("limit")),
        remaining=_count(read("remaining")),
        reset_s=parse_reset(read("reset"), now_epoch_s),
        retry_after_s=parse_retry_after(stated.get("retry-after", ""), now_epoch_s),
    )


def parse_retry_after(value: str, now_epoch_s: float) -> float | None:
    """Seconds to wait by a `Retry-After` (RFC 9110 §10.2.3: seconds or an HTTP date), never negative; None for what is neither."""
    wait_s = _number(value)
    if wait_s is None:
        moment = _moment(value)
        wait_s = None if moment is None else moment - now_epoch_s
    return None if wait_s is None else max(0.0, wait_s)


def parse_reset(value: str, now_epoch_s: float) -> float | None:
    """Seconds until a rate window resets, never negative; None for garbage.

    Servers disagree about the notation: seconds from now, epoch seconds, epoch milliseconds, an HTTP or an ISO 8601 date. Taking seconds
    from now for an epoch puts the reset into 1970 and the gate never closes.
    """
    number = _number(value)
    if number is None:
        moment = _moment(value)
        return None if moment is None else max(0.0, moment - now_epoch_s)
    if number < FIRST_EPOCH_S:
        return max(0.0, number)
    return max(0.0, (number if number < FIRST_EPOCH_MS else number / 1000) - now_epoch_s)


def _number(value: str) -> float | None:
    # A pattern, because float() also reads "nan", "1e9" and "1_0".
    if not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _count(value: str) -> int | None:
    number = _number(re.split("[,;]", value, maxsplit=1)[0])
    return None if number is None else max(0, int(number))


def _moment(value: str) -> float | None:
    """Epoch seconds of an ISO 8601 or HTTP date; without a zone it is UTC."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError, OverflowError):
            moment = read(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None
