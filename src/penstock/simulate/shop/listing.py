"""The listing of a shop's orders: which of them a query asks for, and which of those are on a page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from penstock.simulate.http import ApiError
from penstock.simulate.shop.orders import first_since

DEFAULT_LIMIT, MAX_LIMIT = 50, 500


@dataclass(frozen=True, slots=True)
class Listing:
    """Orders `low` up to but without `high`, in rising or falling order of their numbers."""

    low: int
    high: int
    rising: bool

    def __len__(self) -> int:
        return max(0, self.high - self.low)

    def within(self, query: Mapping[str, str]) -> Listing:
        """Only what was changed at or after `updated_since`, and before `updated_until`."""
        low = max(self.low, first_since(_moment_s(query["updated_since"]))) if "updated_since" in query else self.low
        high = min(self.high, first_since(_moment_s(query["updated_until"]))) if "updated_until" in query else self.high
        return replace(self, low=low, high=high)

    def behind(self, number: int) -> int:
        """How many orders of the listing come before and up to order `number`."""
        return min(max(0, number + 1 - self.low if self.rising else self.high - number), len(self))

    def numbers(self, first: int, limit: int) -> list[int]:
        """Up to `limit` orders of the listing from place `first` on."""
        places = range(min(first, len(self)), min(first + limit, len(self)))
        return [self.low + place if self.rising else self.high - 1 - place for place in places]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The page behind order `number` (None: the first one), good until `expires_s`; `turn` tells cursors of one place apart."""

    number: int | None
    expires_s: float
    turn: int = 0

    def encoded(self) -> str:
        """As clients get it."""
        return base64.urlsafe_b64encode(json.dumps([self.number, self.expires_s, self.turn]).encode()).decode()

    @classmethod
    def decoded(cls, text: str, now_s: float) -> Cursor:
        """The cursor that a client sent."""
        try:
            cursor = cls(*json.loads(base64.urlsafe_b64decode(text)))
        except (binascii.Error, ValueError, TypeError) as error:
            raise ApiError(400, "Bad Request", "INVALID_CURSOR", "The cursor is not valid") from error
        if now_s > cursor.expires_s:
            raise ApiError(410, "Gone", "CURSOR_EXPIRED", "The cursor has expired")
        return cursor


def whole(query: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    """A parameter that is a whole number."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and least <= int(text) < 2**53):
        raise ApiError(400, "Bad Request", "INVALID_PARAMETER", f"{name} has to be a whole number of at least {least}")
    return int(text)


def page_size(query: Mapping[str, str], name: str) -> int:
    """How many orders a page may hold; more than `MAX_LIMIT` are never given, whatever is asked for."""
    return min(whole(query, name, DEFAULT_LIMIT, least=1), MAX_LIMIT)


def _moment_s(text: str) -> float:
    """Epoch seconds, epoch milliseconds or ISO 8601."""
    if text.isascii() and text.isdecimal():
        return int(text) / (1000 if len(text) > 11 else 1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ApiError(400, "Bad Request", "INVALID_PARAMETER", f"{text!r} is no moment") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
