"""How fast it goes: a moving average of a growing total, and when it will be done."""

from __future__ import annotations

import math


class RateMeter:
    """An exponential moving average of units per second, the same however its observations are spaced.

    The weight of what happened `t` seconds ago is `exp(-t / time_constant_s)`, normalised over the time seen so far, so that the first
    seconds are not pulled towards zero: the continuous form of the bias correction of Kingma and Ba, arXiv 1412.6980 §3.
    """

    def __init__(self, time_constant_s: float = 30.0) -> None:
        self._time_constant_s = time_constant_s
        self._observed: tuple[float, float] | None = None
        self._seen_s = 0.0
        self._average = 0.0

    def observe(self, now: float, total: float) -> None:
        """At monotonic second `now` the total is `total` units; growth seen at the same moment twice counts in the next interval."""
        if self._observed is None:
            self._observed = now, total
            return
        then, before = self._observed
        if now <= then:
            return
        interval_s = now - then
        self._average += self._weight(interval_s) * ((total - before) / interval_s - self._average)
        self._seen_s += interval_s
        self._observed = now, total

    @property
    def per_s(self) -> float:
        """Units per second; 0 before the second observation."""
        return self._average / self._weight(self._seen_s) if self._seen_s else 0.0

    def eta_s(self, remaining: float) -> float | None:
        """Seconds until `remaining` more units are done at this rate; None while nothing moves."""
        return remaining / self.per_s if self.per_s > 0 else None

    def _weight(self, interval_s: float) -> float:
        return -math.expm1(-interval_s / self._time_constant_s)
