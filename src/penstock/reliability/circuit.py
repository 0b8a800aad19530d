"""The words of circuit breakers: settings, states, calls and what became of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from penstock.model.errors import PenstockError, Throttled, Transient
from penstock.reliability.settings import Wanted, above, at_least, require, whole


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a breaker opens, for how long, and when it closes.

    It opens after `failures` in a row; or when, of the calls that ended in the last `window_s` seconds, the last `window_calls` at the most
    and `minimum_calls` at the least, a share of `failure_rate` failed or a share of `slow_rate` took longer than `slow_s`.

    It stays open for `open_s`, each time it opens again without having closed `growth` times as long, up to `cap_open_s`; to that comes a
    random part of up to `jitter`, so that many do not come back at the same moment. Then at most `probes` calls at once may go; `successes`
    of them close it, one failure or slow answer opens it again.

    5, 60 s and 2 are the numbers of document 001. The window is long and its minimum low, because a source that is slow, or waited for
    between calls, has few calls in an hour; a quick call among the slow ones, as one that connects, does not keep it closed.
    """

    failures: int = 5
    successes: int = 2
    open_s: float = 60.0
    growth: float = 2.0
    cap_open_s: float = 600.0
    jitter: float = 0.1
    probes: int = 3
    window_calls: int = 100
    window_s: float = 3_600.0
    minimum_calls: int = 20
    failure_rate: float = 0.5
    slow_rate: float = 0.9
    slow_s: float = 60.0

    def __post_init__(self) -> None:
        require("breaker", self, _WANTED, ("open_s", "cap_open_s"), ("minimum_calls", "window_calls"))


_WANTED: Mapping[str, Wanted] = {
    **dict.fromkeys(("failures", "successes", "probes", "window_calls", "minimum_calls"), whole()),
    **dict.fromkeys(("open_s", "cap_open_s"), above(0)),
    "growth": at_least(1),
    "jitter": at_least(0),
    **dict.fromkeys(("failure_rate", "slow_rate"), above(0, 1)),
    **dict.fromkeys(("window_s", "slow_s"), above(0, math.inf)),
}


class BreakerState(Enum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    """They go."""
    OPEN = "open"
    """None goes until the interval is over."""
    HALF_OPEN = "half_open"
    """A few go, to find out."""
    ISOLATED = "isolated"
    """None goes until somebody resets it."""


class Outcome(Enum):
    """What a call says about whom it was made to."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NEITHER = "neither"
    """Nothing: he asked to slow down, the record was bad, or we broke off."""


@dataclass(frozen=True, slots=True)
class Call:
    """The right to make one call now; it is given back with `Breaker.finish`, whatever became of the call."""

    era: int
    number: int
    started_at: float


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """A breaker at one moment: why it is in its state (empty at the beginning), and in how many seconds it lets a call through.

    `lets_in_s` is 0 where calls go, None where somebody has to reset it. `opened` and `blocked` count since the breaker was made.
    """

    name: str
    state: BreakerState
    reason: str
    in_a_row: int
    lets_in_s: float | None
    opened: int
    blocked: int


@dataclass(frozen=True, slots=True)
class Transition:
    """A breaker went from one state to another at monotonic second `at`."""

    name: str
    before: BreakerState
    after: BreakerState
    at: float
    reason: str


def outcome_of(error: BaseException | None) -> Outcome:
    """What the end of a call says: throttling, refused records, our own mistakes and being broken off never count against anybody."""
    if error is None:
        return Outcome.SUCCEEDED
    if isinstance(error, Throttled) or not isinstance(error, Exception):
        return Outcome.NEITHER
    return Outcome.NEITHER if isinstance(error, PenstockError) and not isinstance(error, Transient) else Outcome.FAILED
