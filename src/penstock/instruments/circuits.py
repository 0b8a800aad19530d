"""The registry of circuit breakers as users have it."""

from __future__ import annotations

import random
from collections.abc import Callable

from penstock.reliability import breakers
from penstock.reliability.circuit import Transition


class Breakers(breakers.Breakers):
    """The same, with chance of its own: `reliability` knows none."""

    def __init__(self, rand: Callable[[], float] = random.random, tell: Callable[[Transition], None] = lambda _: None) -> None:
        super().__init__(rand, tell)
