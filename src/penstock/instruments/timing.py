"""What a client knows of time and chance, so that tests can be in charge of both."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event


@dataclass(frozen=True, slots=True)
class Timing:
    """`clock` is monotonic, in seconds; `clock_us` is the time of day, in microseconds since 1970; `rand` draws from [0, 1).

    `wait` waits for an event for so many seconds, and says whether it is set.
    """

    clock: Callable[[], float] = time.monotonic
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000
    rand: Callable[[], float] = random.random
    wait: Callable[[Event, float], bool] = Event.wait
