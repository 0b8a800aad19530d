"""When to stop asking somebody who keeps failing, and how to find out that he is well again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import RLock

from penstock.reliability.circuit import BreakerSettings, BreakerState, BreakerStatus, Call, Outcome, Transition
from penstock.reliability.gate import Wait


class _Window:
    """The calls that ended last, and how many of them failed or were slow."""

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._calls = deque[tuple[float, bool, bool]]()
        self._failed = 0
        self._slow = 0

    def add(self, now: float, *, failed: bool, slow: bool) -> str:
        """Take a call in; why the breaker has to open, empty where it has not."""
        self._calls.append((now, failed, slow))
        self._failed += failed
        self._slow += slow
        while len(self._calls) > self._settings.window_calls or self._calls[0][0] < now - self._settings.window_s:
            _, was_failed, was_slow = self._calls.popleft()
            self._failed -= was_failed
            self._slow -= was_slow
        return self._verdict()

    def _verdict(self) -> str:
        settings, calls = self._settings, len(self._calls)
        if calls < settings.minimum_calls:
            return ""
        if self._failed >= settings.failure_rate * calls:
            return f"{self._failed} of the last {calls} calls failed"
        if self._slow >= settings.slow_rate * calls:
            return f"{self._slow} of the last {calls} calls took longer than {settings.slow_s:g} s"
        return ""


class Breaker:
    """Whether a call may go; sans-I/O: `now` is a monotonic clock in seconds, `rand` draws from [0, 1).

    What a call came to is news only within the state in which it began: an answer to an old call neither opens the breaker nor closes it. A
    probe that is never given back does not hold the breaker half open for ever: once all places are taken and `open_s` is over, it counts
    as failed. Any thread may use it; `tell` hears of every transition, in the thread that made it, and must not wait for anything.
    """

    def __init__(
        self, name: str, settings: BreakerSettings, rand: Callable[[], float], tell: Callable[[Transition], None] = lambda _: None
    ) -> None:
        self.name = name
        self.settings = settings
        self._rand = rand
        self._tell = tell
        self._lock = RLock()
        self._state = BreakerState.CLOSED
        self._reason = ""
        self._era = 0
        self._until = 0.0
        self._next_open_s = settings.open_s
        self._started = 0
        self._out = set[int]()
        self._window = _Window(settings)
        self._in_a_row = 0
        self._succeeded = 0
        self._opened = 0
        self._blocked = 0

    @property
    def state(self) -> BreakerState:
        """It is open until somebody asks after the interval, not until the interval is over."""
        return self._state

    def ask(self, now: float) -> Call | Wait:
        """The right to make one call, or how long to wait before asking again."""
        with self._lock:
            if self._state is BreakerState.OPEN and now >= self._until:
                self._until = now + self.settings.open_s
                self._enter(BreakerState.HALF_OPEN, now, "the interval is over")
            elif self._full() and now >= self._until:
                self._open(now, f"{len(self._out)} calls were not answered in {self.settings.open_s:g} s")
            if self._state is BreakerState.CLOSED or (self._state is BreakerState.HALF_OPEN and not self._full()):
                self._started += 1
                self._out.add(self._started)
                return Call(self._era, self._started, now)
            self._blocked += 1
            return Wait(self._lets_in_s(now))

    def finish(self, call: Call, now: float, outcome: Outcome) -> None:
        """Give a call back, with what it came to.

        Raises `KeyError` for a call that was given back already.
        """
        with self._lock:
            if call.era != self._era:
                return
            self._out.remove(call.number)
            slow = now - call.started_at > self.settings.slow_s
            if outcome is Outcome.NEITHER:
                return
            if self._state is BreakerState.HALF_OPEN:
                self._probed(now, failed=outcome is Outcome.FAILED, slow=slow)
            else:
                self._counted(now, failed=outcome is Outcome.FAILED, slow=slow)

    def isolate(self, now: float, reason: str) -> None:
        """Let no call through until `reset`; those that are on their way count for nothing."""
        with self._lock:
            self._enter(BreakerState.ISOLATED, now, reason)

    def reset(self, now: float) -> None:
        """Let calls through again, as if nothing had happened before."""
        with self._lock:
            self._close(now, "it was reset")

    def status(self, now: float) -> BreakerStatus:
        """How it stands at this moment."""
        with self._lock:
            return BreakerStatus(self.name, self._state, self._reason, self._in_a_row, self._lets_in_s(now), self._opened, self._blocked)

    def _full(self) -> bool:
        return self._state is BreakerState.HALF_OPEN and len(self._out) >= self.settings.probes

    def _lets_in_s(self, now: float) -> float | None:
        if self._state is BreakerState.ISOLATED:
            return None
        return max(0.0, self._until - now) if self._state is BreakerState.OPEN or self._full() else 0.0

    def _probed(self, now: float, *, failed: bool, slow: bool) -> None:
        if failed or slow:
            self._open(now, "it failed again" if failed else f"it still takes longer than {self.settings.slow_s:g} s")
            return
        self._succeeded += 1
        if self._succeeded >= self.settings.successes:
            self._close(now, f"{self._succeeded} calls succeeded")

    def _counted(self, now: float, *, failed: bool, slow: bool) -> None:
        self._in_a_row = self._in_a_row + 1 if failed else 0
        reason = self._window.add(now, failed=failed, slow=slow)
        if self._in_a_row >= self.settings.failures:
            reason = f"{self._in_a_row} calls in a row failed"
        if reason:
            self._open(now, reason)

    def _open(self, now: float, reason: str) -> None:
        settings = self.settings
        self._opened += 1
        self._until = now + self._next_open_s * (1 + settings.jitter * self._rand())
        # Step by step, because `growth ** opened` overflows where nobody ever gets well.
        self._next_open_s = min(settings.cap_open_s, self._next_open_s * settings.growth)
        self._enter(BreakerState.OPEN, now, reason)

    def _close(self, now: float, reason: str) -> None:
        self._next_open_s = self.settings.open_s
        self._in_a_row = 0
        self._window = _Window(self.settings)
        self._enter(BreakerState.CLOSED, now, reason)

    def _enter(self, state: BreakerState, now: float, reason: str) -> None:
        before, self._state, self._reason = self._state, state, reason
        self._era += 1
        self._out.clear()
        self._succeeded = 0
        self._tell(Transition(self.name, before, state, now, reason))
