"""What the simulated DataSync API can be told to be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal, get_args

from penstock.model.errors import Misconfigured
from penstock.simulate.faults import FaultProfile

TieRule = Literal["desc", "asc"]
Timestamps = Literal["mixed", "all"]
PageShape = Literal["nested", "flat"]
ResetNotation = Literal["delta", "epoch_s", "epoch_ms", "date"]
RetryAfter = Literal["seconds", "date"]
StreamPool = Literal["own", "events", "token"]
Undecodable = Literal["infinity", "surrogate", "timestamp_type", "id_type", "id_text", "utf8"]
UNDECODABLE: tuple[Undecodable, ...] = get_args(Undecodable)

MAX_LIMIT = 5_000
"""Rows of the largest page; a larger `limit` is capped without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests a window of `window_s` seconds admits; the window starts with its first request.

    `query_requests` gives keys in the query string a pool of their own; None lets them share the pool of the header.
    `reset_notation` is how `X-RateLimit-Reset` says when the window ends, `retry_after` how `Retry-After` does.
    """

    requests: int = 1_000_000
    window_s: float = 60.0
    query_requests: int | None = None
    reset_notation: ResetNotation = "delta"
    retry_after: RetryAfter = "seconds"

    def __post_init__(self) -> None:
        if self.requests < 1 or self.window_s <= 0 or (self.query_requests is not None and self.query_requests < 1):
            raise Misconfigured("a rate limit admits at least 1 request in a window of more than 0 seconds")
        _one_of("reset_notation", self.reset_notation, get_args(ResetNotation))
        _one_of("retry_after", self.retry_after, get_args(RetryAfter))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The stream endpoint: whether a dashboard's client gets a token for it, and what it admits without saying so.

    refused: the status with which tokens are refused, 401, 403 or 404; None gives them out.
    token_ttl_s: seconds until a token expires; a later one does not end it.
    requests: the budget of a window of `window_s` seconds, which no header tells; None admits everything.
    pool: what counts as one budget: `own` (all requests to it), `token` (those with one token), or `events`: it has none of its own, its
        requests count in the limit of `/events`.
    """

    refused: int | None = None
    token_ttl_s: float = 300.0
    requests: int | None = None
    window_s: float = 300.0
    pool: StreamPool = "own"

    def __post_init__(self) -> None:
        if self.refused not in {None, 401, 403, 404}:
            raise Misconfigured("stream tokens are refused with 401, 403 or 404")
        if self.token_ttl_s <= 0 or self.window_s <= 0 or (self.requests is not None and self.requests < 1):
            raise Misconfigured("a stream's tokens and windows last longer than 0 seconds, its budget is at least 1 request")
        _one_of("pool", self.pool, get_args(StreamPool))
        if self.pool == "events" and self.requests is not None:
            raise Misconfigured("a stream in the pool of /events has no budget of its own")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSyncSettings:
    """One simulated API: its data, its answers, its pace and its troubles. The same settings give the same data everywhere.

    The data:
        events: how many there are.
        seed: everything random follows from it.
        days: the time they span, ending at 2026-01-27T19:20:12.369Z.
        ties: share of events that share their millisecond with another one, 0 to 0.99, on top of chance.
        tie_burst: events that one single millisecond holds.
        skew: sigma of the lognormal daily volume; 0 is the same volume every day.
        tie_rule: how ids run within a millisecond: `desc` (the cursor goes on with smaller ids) or `asc` (with larger ones).
        timestamps: `mixed` (epoch ms and ISO 8601 with Z, as observed) or `all` (every notation seen anywhere).
        undecodable: share of events whose text a strict reader has to refuse, always the same ones.
        undecodable_kinds: in which ways.

    The answers:
        key: the API key; None derives one from the data, see `api_key`.
        page_shape: `nested` (pagination and meta objects) or `flat`.
        omit_cursor: share of pages that say there is more and give no cursor.
        cursor_ttl_s: seconds until a cursor expires.
        rate_limit: how many requests are admitted.
        stream: the stream endpoint.
        submissions: how often ids may be submitted, failed attempts included, and how many of the first are answered with 500.
        latency_s: seconds every list answer takes, and `latency_per_inflight_s` for each list request in flight, itself included.
        faults: what goes wrong.

    What changes while it runs:
        live_per_s: new events per second at the newest end, `live_limit` of them at most.
        shrink_after_requests: the oldest `shrink_by` events disappear after so many list requests.

    Its speed:
        cache_bytes: compressed rows kept, least recently used go first; about 100 bytes an event.
        warm: compress everything before the first answer; then the cache is as large as it has to be.
    """

    events: int = 3_000_000
    seed: int = 1
    days: float = 30.0
    ties: float = 0.0
    tie_burst: int = 0
    skew: float = 0.0
    tie_rule: TieRule = "desc"
    timestamps: Timestamps = "mixed"
    undecodable: float = 0.0
    undecodable_kinds: tuple[Undecodable, ...] = UNDECODABLE
    key: str | None = None
    page_shape: PageShape = "nested"
    omit_cursor: float = 0.0
    cursor_ttl_s: float = 116.0
    rate_limit: RateLimit = field(default_factory=RateLimit)
    stream: Stream = field(default_factory=Stream)
    submissions: int = 5
    submissions_failing: int = 0
    latency_s: float = 0.0
    latency_per_inflight_s: float = 0.0
    faults: FaultProfile = field(default_factory=FaultProfile)
    live_per_s: float = 0.0
    live_limit: int = 100_000
    shrink_after_requests: int | None = None
    shrink_by: int = 1
    cache_bytes: int = 64 * 1024 * 1024
    warm: bool = False

    def __post_init__(self) -> None:
        _at_least(1, events=self.events, cursor_ttl_s=self.cursor_ttl_s, shrink_by=self.shrink_by)
        _at_least(0, seed=self.seed, tie_burst=self.tie_burst, skew=self.skew, live_per_s=self.live_per_s)
        _at_least(0, submissions=self.submissions, submissions_failing=self.submissions_failing)
        _at_least(0, live_limit=self.live_limit, latency_s=self.latency_s, latency_per_inflight_s=self.latency_per_inflight_s)
        _at_least(0, cache_bytes=self.cache_bytes, shrink_after_requests=self.shrink_after_requests or 0)
        _share(ties=self.ties, undecodable=self.undecodable, omit_cursor=self.omit_cursor)
        _one_of("tie_rule", self.tie_rule, get_args(TieRule))
        _one_of("timestamps", self.timestamps, get_args(Timestamps))
        _one_of("page_shape", self.page_shape, get_args(PageShape))
        for kind in self.undecodable_kinds:
            _one_of("undecodable_kinds", kind, UNDECODABLE)
        if self.days <= 0 or self.ties > 0.99 or self.tie_burst > self.events or not self.undecodable_kinds:
            raise Misconfigured("days is more than 0, ties at most 0.99, tie_burst at most events, undecodable_kinds at least one")

    @property
    def api_key(self) -> str:
        """The key clients send: unless given, it names the data, so that other data is another source."""
        if self.key is not None:
            return self.key
        shape = [self.days, self.ties, self.tie_burst, self.skew, self.timestamps, self.undecodable, self.undecodable_kinds]
        digest = hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:8]
        return f"sim-{self.seed}-{self.events}-{digest}"

    @property
    def reserve(self) -> int:
        """Events that may still be inserted while the API runs."""
        return self.live_limit if self.live_per_s > 0 else 0


def _at_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if value < least:
            raise Misconfigured(f"{name} is {value:g}, it has to be at least {least:g}")


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise Misconfigured(f"{name} is {value:g}, a share lies between 0 and 1")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise Misconfigured(f"{name} is {value!r}, it has to be one of {', '.join(known)}")
