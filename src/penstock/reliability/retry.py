"""When to try again, and when to stop: backoff by attempts and deadline, under a retry budget that all workers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock.reliability.settings import Wanted, above, at_least, require, whole


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How one operation is tried again. The defaults are for one request to an HTTP API.

    A run may stand still for 15 minutes, so a shorter outage has to be outlived: `deadline_s` stops a minute before, which leaves time for
    the last request itself. Delays of up to half a minute reach the deadline in about 60 attempts; `attempts` is therefore there for the
    server that fails quickly for ever, for instance with `Retry-After: 0`. Half a second at first, because a keep-alive connection that was
    closed under a request is the commonest failure and is over at once.
    """

    attempts: int = 64
    deadline_s: float = 840.0
    first_delay_s: float = 0.5
    cap_delay_s: float = 30.0
    base: float = 2.0
    cap_retry_after_s: float = 600.0

    def __post_init__(self) -> None:
        require("retry", self, _WANTED, ("first_delay_s", "cap_delay_s"))


_WANTED: Mapping[str, Wanted] = {
    "attempts": whole(),
    **dict.fromkeys(("deadline_s", "cap_retry_after_s"), at_least(0, math.inf)),
    **dict.fromkeys(("first_delay_s", "cap_delay_s"), above(0)),
    "base": at_least(1),
}


@dataclass(frozen=True, slots=True)
class Delay:
    """Try again after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; `reason` is a clause for the error message."""

    reason: str


_WANTED_OF_BUDGET: Mapping[str, Wanted] = {"capacity": at_least(1), "per_success": at_least(0), "per_s": above(0)}


class RetryBudget:
    """A quota of retries that all workers of one server share, so that retrying cannot multiply its load.

    A retry costs one token, a success earns `per_success`, time earns `per_s`; the balance never exceeds `capacity`. When it is empty a
    retry is not refused, it waits until its token has been earned: giving up would end the run, waiting costs seconds. However many workers
    there are, by any moment no more retries have started than `capacity + per_success * successes + per_s * seconds`.

    The quota is botocore's (`botocore/retries/quota.py`), the steady trickle that lets an outage be outlived is Finagle's (`RetryBudget`).
    """

    def __init__(self, now: float, *, capacity: float = 100.0, per_success: float = 0.1, per_s: float = 0.5) -> None:
        self.capacity = capacity
        self.per_success = per_success
        self.per_s = per_s
        require("retry budget", self, _WANTED_OF_BUDGET)
        self._tokens = capacity
        self._counted_at = now

    def wait_s(self, now: float) -> float:
        """Seconds until one more retry would have its token."""
        self._earn(self.per_s * (now - self._counted_at))
        self._counted_at = now
        return max(0.0, 1.0 - self._tokens) / self.per_s

    def spend(self) -> None:
        """A retry was granted; the balance may become negative, which makes the next one wait longer."""
        self._tokens -= 1.0

    def succeeded(self) -> None:
        """An operation succeeded, at whichever attempt."""
        self._earn(self.per_success)

    def _earn(self, tokens: float) -> None:
        self._tokens = min(self.capacity, self._tokens + tokens)


class Retry:
    """The failures of one operation, and what follows from each.

    Delays are drawn with full jitter, uniformly from 0 to `min(cap, first * base ** n)`: https://aws.amazon.com/builders-library/
    timeouts-retries-and-backoff-with-jitter. What the server asks for with `Retry-After` is taken instead, to the second.
    """

    def __init__(self, settings: RetrySettings, budget: RetryBudget) -> None:
        self._settings = settings
        self._budget = budget
        self._failures = 0
        self._failing_since: float | None = None
        self._ceiling_s = settings.first_delay_s

    def on_failure(self, now: float, rand: Callable[[], float], retry_after_s: float | None = None) -> Delay | GiveUp:
        """What to do after an attempt failed at monotonic second `now`; `rand` draws from [0, 1).

        The deadline counts from the first failure, not from the start: an attempt may have waited long for its turn. A delay that would end
        past the deadline is given up at once.
        """
        settings = self._settings
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = now
        if self._failures >= settings.attempts:
            return GiveUp(f"attempt {self._failures} of {settings.attempts} failed")
        if retry_after_s is not None and retry_after_s > settings.cap_retry_after_s:
            return GiveUp(f"the server asks to wait {retry_after_s:.0f} s, more than the {settings.cap_retry_after_s:g} s allowed")
        seconds = max(self._draw_s(rand) if retry_after_s is None else retry_after_s, self._budget.wait_s(now))
        if now + seconds > self._failing_since + settings.deadline_s:
            return GiveUp(f"failing for {now - self._failing_since:.0f} s, and the next try would come after {settings.deadline_s:g} s")
        self._budget.spend()
        return Delay(seconds)

    def _draw_s(self, rand: Callable[[], float]) -> float:
        seconds = rand() * self._ceiling_s
        # Step by step, because `base ** failures` overflows where attempts are unlimited.
        self._ceiling_s = min(self._settings.cap_delay_s, self._ceiling_s * self._settings.base)
        return seconds
