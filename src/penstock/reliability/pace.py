"""A pause between requests to an endpoint that states no limits, which every failure lengthens and every success shortens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.reliability.settings import Wanted, above, between, require


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """What a failure and a success multiply the pause with, and its bounds in seconds: the numbers of 004."""

    longer: float = 1.3
    shorter: float = 0.5
    least_s: float = 0.1
    most_s: float = 30.0

    def __post_init__(self) -> None:
        require("pace", self, _WANTED, ("least_s", "most_s"))


_WANTED: Mapping[str, Wanted] = {
    "longer": above(1),
    "shorter": between(0, 1),
    **dict.fromkeys(("least_s", "most_s"), above(0)),
}


class Pace:
    """The shortest time between the starts of two requests, of whichever workers; sans-I/O: `now` is a monotonic clock in seconds.

    There is none until the first failure, and from then on always one between `least_s` and `most_s`. Requests are numbered as they start:
    one that started before the pause was last made longer is old news, its answer changes nothing. Without that, twenty requests that one
    overload refuses at once would make the pause 1.3 ** 20 = 190 times as long.
    """

    def __init__(self, settings: PaceSettings | None = None) -> None:
        self._settings = settings or PaceSettings()
        self._started = 0
        self._started_at = -math.inf
        self._news_from = 1
        self.pause_s = 0.0

    def wait_s(self, now: float) -> float:
        """Seconds until the next request may start."""
        return max(0.0, self._started_at + self.pause_s - now)

    def start(self, number: int, now: float) -> None:
        """The request `number` starts; numbers grow."""
        self._started, self._started_at = number, now

    def failed(self, number: int) -> None:
        """That request was refused, or the server failed."""
        if number >= self._news_from:
            self.pause_s = self._bounded(self.pause_s * self._settings.longer)
            self._news_from = self._started + 1

    def succeeded(self, number: int) -> None:
        """That request was served."""
        if number >= self._news_from and self.pause_s:
            self.pause_s = self._bounded(self.pause_s * self._settings.shorter)

    def _bounded(self, pause_s: float) -> float:
        return min(self._settings.most_s, max(self._settings.least_s, pause_s))
