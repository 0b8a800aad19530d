"""One gate per host and credential, which every request of every worker passes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from penstock.reliability.headers import RateFacts
from penstock.reliability.settings import Wanted, above, at_least, require


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Pauses of the gate, in seconds.

    `slack_s` is added to what servers state, because they round: a request that comes a moment early is refused. `window_s` is assumed
    where an answer states `remaining` and no reset, so that such a gate opens again.
    """

    first_pause_s: float = 1.0
    cap_pause_s: float = 60.0
    slack_s: float = 1.0
    window_s: float = 60.0

    def __post_init__(self) -> None:
        require("gate", self, _WANTED, ("first_pause_s", "cap_pause_s"))


_WANTED: Mapping[str, Wanted] = {
    **dict.fromkeys(("first_pause_s", "cap_pause_s", "window_s"), above(0)),
    "slack_s": at_least(0),
}


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to start one request now; it is given back with `Gate.finish`, whatever became of the request."""

    number: int
    finished_before: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again after `seconds` or when a permit was given back, whichever is first; None: only then."""

    seconds: float | None


class Verdict(Enum):
    """What became of a request, as far as rates are concerned."""

    SERVED = "served"
    """The server worked on it, be the answer good or bad for us."""
    THROTTLED = "throttled"
    """The server asked to slow down."""
    FAILED = "failed"
    """No answer, or one that tells of trouble (5xx): it counts against the budget and does not help the ramp."""


_NOTHING_STATED = RateFacts()


class Gate:
    """Who may start a request when; sans-I/O: `now` is a monotonic clock in seconds.

    It learns from the answers how many requests may start:

    * Nothing known (at the beginning, and whenever a window has reset): one request goes alone, its answer tells.
    * No limits stated: everybody goes.
    * `remaining` stated: only as many start as the lowest `remaining` of the window leaves, less those that it may not count yet: the ones
      in flight and the ones that ended without saying. Then the gate is closed for everybody until the reset.
    * Throttled (429, or 503 with `Retry-After`): closed for everybody until the server's moment, then a ramp: one alone, and for every
      answer to a request started since, one more at a time: 1, 2, 4, 8. Each further throttling doubles the shortest pause, each answer
      halves it.

    Requests are numbered as they start, and that is all the gate needs to tell old news: an answer to a request from before the last reset
    or closing neither opens the gate nor raises the budget. With truthful headers, and no other client on the credential, no request is
    refused, except where the one that went alone to ask took the last place and its answer was lost; `test_gate_traffic.py` checks it
    against fixed and sliding windows.

    Workers are to ask one at a time, in the order in which they came (in asyncio: under one `Lock`, which is fair and survives cancelled
    waiters), so that only the first in line holds a timer and nobody is woken in vain.
    """

    def __init__(self, settings: GateSettings | None = None) -> None:
        self._settings = settings or GateSettings()
        self._started = 0
        self._finished = 0
        self._in_flight: set[int] = set()
        # The window: what requests numbered `_window_from` and later were told.
        self._window_from = 1
        self._remaining: int | None = None
        self._unsure = 0
        self._reset_at = 0.0
        # While nothing is known: the last number that may start, and what an answer without statement adds to it.
        self._ceiling = 1.0
        self._gain = math.inf
        # The ramp: how many numbered `_closing_from` and later may be in flight.
        self._closing_from = 1
        self._ramp = math.inf
        self._pause_s = self._settings.first_pause_s
        self._closed_until = -math.inf
        self._refused_at = -math.inf

    @property
    def in_flight(self) -> int:
        """Permits that are out."""
        return len(self._in_flight)

    def ask(self, now: float) -> Permit | Wait:
        """A permit, or how long to wait before asking again."""
        if self._remaining is not None:
            left = self._left()
            if now >= self._reset_at:
                self._turn_over(left)
            elif left <= 0:
                return Wait(self._reset_at - now)
        if self._crowded():
            return Wait(None)
        self._started += 1
        self._in_flight.add(self._started)
        return Permit(self._started, self._finished)

    def binds(self, now: float, requests: float) -> bool:
        """Whether so many more requests meet its limit: something was refused not long ago, or fewer are left of the window."""
        if now < self._refused_at + self._settings.window_s:
            return True
        known = self._remaining is not None and now < self._reset_at
        return known and self._left() < requests

    def finish(self, permit: Permit, now: float, verdict: Verdict, facts: RateFacts = _NOTHING_STATED) -> None:
        """Give a permit back, with what the answer stated.

        Raises `KeyError` for a permit that is not out.
        """
        self._in_flight.remove(permit.number)
        self._finished += 1
        if verdict is Verdict.THROTTLED:
            self._close(permit, now, facts)
            return
        self._account(permit, now, verdict, facts)
        if verdict is Verdict.SERVED and permit.number >= self._closing_from:
            self._ramp += 1
            self._pause_s = max(self._settings.first_pause_s, self._pause_s / 2)

    def _left(self) -> int:
        """How many requests the window allows still, all of them being counted that may not have been yet."""
        return (self._remaining or 0) - self._unsure - len(self._in_flight)

    def _crowded(self) -> bool:
        """Whether one more would be too many as long as nobody has answered; never where it would be alone."""
        if self._started >= self._ceiling and self._out_since(self._window_from):
            return True
        return self._out_since(self._closing_from) >= self._ramp

    def _out_since(self, number: int) -> int:
        return sum(out >= number for out in self._in_flight)

    def _turn_over(self, left: int) -> None:
        """The window has reset: what was left is safe still, the rest depends on what the next answers state."""
        self._ceiling = self._started + max(1, left)
        self._window_from = self._started + 1
        self._remaining = None

    def _account(self, permit: Permit, now: float, verdict: Verdict, facts: RateFacts) -> None:
        fresh = permit.number >= self._window_from
        if fresh and facts.remaining is not None:
            self._bind(permit, now, facts.remaining, facts.reset_s)
            return
        self._unsure += 1
        if fresh and verdict is Verdict.SERVED:
            self._ceiling += self._gain

    def _bind(self, permit: Permit, now: float, remaining: int, reset_s: float | None) -> None:
        reset_at = now + (self._settings.window_s if reset_s is None else reset_s + self._settings.slack_s)
        # Whoever finished before this request started was counted before it; the others may not have been.
        overlapping = self._finished - permit.finished_before - 1
        if self._remaining is None:
            self._unsure, self._ceiling, self._gain = overlapping, math.inf, 2
        if self._remaining is None or remaining < self._remaining:
            self._remaining, self._reset_at, self._unsure = remaining, reset_at, min(self._unsure, overlapping)
        elif remaining == self._remaining:
            # A sliding window frees one place while it gives one away: the later moment is the one that counts.
            self._reset_at = max(self._reset_at, reset_at)

    def _close(self, permit: Permit, now: float, facts: RateFacts) -> None:
        stated_s = facts.reset_s if facts.retry_after_s is None else facts.retry_after_s
        first_news = permit.number >= self._closing_from
        self._refused_at = now
        if stated_s is None and not first_news:
            return
        pause_s = 0.0 if stated_s is None else stated_s + self._settings.slack_s
        if first_news:
            pause_s = max(pause_s, self._pause_s)
            self._pause_s = min(self._settings.cap_pause_s, self._pause_s * 2)
        self._closed_until = max(self._closed_until, now + pause_s)
        # A closed gate is a window with nothing left that resets when it opens.
        self._remaining, self._reset_at = 0, self._closed_until
        self._window_from = self._closing_from = self._started + 1
        self._ramp = 1
