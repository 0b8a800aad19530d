"""An event loop whose clock jumps to the next thing to do, for tests and benchmarks in which nothing may wait."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

MOST_ROUNDS = 100_000
"""Of the event loop, at one moment."""


class Deadlock(AssertionError):
    """Everybody waits, and nobody for a time."""


class Treadmill(AssertionError):
    """Somebody runs and runs, and time does not pass."""


class _Jump(selectors.SelectSelector):
    """Instead of waiting, puts the clock forward."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        self.rounds = self.rounds + 1 if timeout <= 0 else 0
        if self.rounds > MOST_ROUNDS:
            raise Treadmill
        self.now += max(0.0, timeout)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Time passes only when everybody waits for it, and then at once."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jump.now


def simulated(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of `work` in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(work())


def in_simulated_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that runs in simulated time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        simulated(lambda: test(*args, **kwargs))

    return run


def clock() -> float:
    """The simulated time, 0 before it has begun."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0
