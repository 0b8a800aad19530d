"""Time for a client in a test: nobody waits, the clock is put forward instead."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from penstock.instruments.timing import Timing


class Hands:
    """The hands of a clock. Whoever waits moves them on; `waits` is what was waited for, and `at` what happens at a time."""

    def __init__(self, rand: float = 0.0) -> None:
        self.now = 1_000.0
        self.rand = rand
        self.waits = list[float]()
        self.at = list[tuple[float, Callable[[], object]]]()

    @property
    def timing(self) -> Timing:
        """As a client wants it."""
        return Timing(lambda: self.now, lambda: int(self.now * 1e6), lambda: self.rand, self.wait)

    def wait(self, event: Event, seconds: float) -> bool:
        """At once."""
        self.waits.append(seconds)
        self.now += seconds
        for due, act in [one for one in self.at if one[0] <= self.now]:
            self.at.remove((due, act))
            act()
        return event.is_set()
