"""What exploring an API finds out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from penstock.extract.timestamps import SECONDS_BELOW
from penstock.stores.http.body import UnusableBody, inflated
from penstock.stores.http.client import Answer

T = TypeVar("T")

_DIGITS = re.compile(r"^-?\d+(\.\d+)?$")
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(?P<zone>Z|[+-]\d{2}:?\d{2})?$")


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """An endpoint: its status, what it states of its limit (requests, seconds), its own headers, how it writes times, how much it has."""

    path: str
    status: int
    limit: int | None
    remaining: int | None
    reset_s: float | None
    headers: tuple[str, ...]
    timestamps: tuple[str, ...]
    total: int | None
    largest_page: int | None = None


@dataclass(frozen=True, slots=True)
class CursorFacts:
    """The cursor: its members, its life in seconds, and what the server does with cursors that it has not made.

    `tie_order` is how ids run within a millisecond, `smallest_id` what a cursor with the smallest one does to the events there; empty
    where the sample had no millisecond with two events.
    """

    members: tuple[str, ...] = ()
    version: int | None = None
    ttl_s: int | None = None
    expiry_checked: bool | None = None
    can_be_made: bool | None = None
    tie_order: str = ""
    smallest_id: str = ""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """The stream: whether it is open, or why not; what it honours, and which budget it keeps. None is what was not found out."""

    open: bool | None = None
    closed_because: str = ""
    path: str = ""
    token_life_s: int | None = None
    limit: int | None = None
    honours_since: bool | None = None
    shares_events_limit: bool | None = None
    refused_after: int | None = None
    pause_s: float | None = None
    by_token: bool | None = None


@dataclass(frozen=True, slots=True)
class LatencyFacts:
    """Seconds that a full page took with so many requests in flight, and the line through that: `base_s + per_request_s * n`."""

    measured: tuple[tuple[int, float], ...] = ()
    base_s: float | None = None
    per_request_s: float | None = None


@dataclass(frozen=True, slots=True)
class Exploration:
    """Everything that was found, with `requests` of at most `most` requests in `seconds`."""

    origin: str
    requests: int
    most: int
    seconds: float
    endpoints: tuple[EndpointFacts, ...]
    cursor: CursorFacts
    stream: StreamFacts
    latency: LatencyFacts
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The documented object of --json."""
        return asdict(self)


def facts_of(path: str, answer: Answer) -> EndpointFacts:
    """What an answer of an endpoint states."""
    headers, stated = tuple(sorted(name for name in answer.headers if name.lower().startswith("x-"))), answer.facts
    stamps = [row["timestamp"] for row in _within(answer, "data", list) or [] if isinstance(row, dict) and "timestamp" in row]
    total = (_within(answer, "meta", dict) or {}).get("total")
    known = total if isinstance(total, int) else None
    return EndpointFacts(path, answer.status, stated.limit, stated.remaining, stated.reset_s, headers, tuple(notations(stamps)), known)


def plain(answer: Answer) -> bytes:
    """The body, as far as it can be inflated."""
    try:
        return inflated(answer.body)
    except UnusableBody:
        return b""


def _within(answer: Answer, member: str, kind: type[T]) -> T | None:
    """A member of a JSON object, if the body is one and has it, of that kind."""
    try:
        decoded = json.loads(plain(answer))
    except ValueError:
        return None
    found = decoded.get(member) if isinstance(decoded, dict) else None
    return found if isinstance(found, kind) else None


def notations(stamps: Iterable[object]) -> Sequence[str]:
    """The notations of these timestamps, each once, in alphabetical order."""
    return sorted({_notation(stamp) for stamp in stamps})


def _notation(stamp: object) -> str:
    if isinstance(stamp, (int, float)) and not isinstance(stamp, bool):
        return "epoch s" if abs(stamp) < SECONDS_BELOW else "epoch ms"
    if isinstance(stamp, str) and _DIGITS.match(stamp):
        return ("epoch s" if abs(float(stamp)) < SECONDS_BELOW else "epoch ms") + " as text"
    if isinstance(stamp, str) and (iso := _ISO.match(stamp)):
        zone = iso["zone"]
        return "ISO 8601 UTC" if zone == "Z" else "ISO 8601 without zone" if zone is None else "ISO 8601 with offset"
    return "unknown"
