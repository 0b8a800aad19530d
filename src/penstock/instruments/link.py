"""The connection of a client to its source: every attempt goes through the circuit breaker, and is tried again as the settings say."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, RLock
from typing import TypeVar

from penstock.instruments.account import Account, IngestionState
from penstock.instruments.config import RetrySettings
from penstock.instruments.hooks import text_of
from penstock.instruments.timing import Timing
from penstock.model.errors import Fatal, Throttled, Transient
from penstock.reliability.breaker import Breaker
from penstock.reliability.circuit import Outcome, outcome_of
from penstock.reliability.gate import Wait
from penstock.reliability.retry import Delay, GiveUp, Retry, RetryBudget
from penstock.reliability.settings import is_number

T = TypeVar("T")

ASK_AGAIN_S = 1.0
"""How often a breaker that holds calls back is asked again: somebody may have reset it by hand."""


LONGEST_ASKED_S = 600.0
"""For which a source is left alone because it asks for that."""


class NotConnected(Transient):
    """The source cannot be connected."""

    default_hint = "See that it is switched on and reachable. `start_reading` keeps trying by itself."


class CircuitOpen(Transient):
    """Calls are held back, because too many have failed."""

    default_hint = "The next one is let through by itself. `reset_circuit_breaker()` of the client does it at once."

    def __init__(self, detail: str, wait_s: float | None) -> None:
        super().__init__(f"{detail}, for another {wait_s:.0f} s" if wait_s is not None else f"{detail}, until it is reset")
        self.wait_s = wait_s


@dataclass(slots=True)
class Link:
    """Connects, disconnects, and makes calls; any thread may use it."""

    name: str
    make: Callable[[], bool]
    unmake: Callable[[], None]
    breaker: Breaker
    settings: RetrySettings
    account: Account
    timing: Timing
    connected: bool = field(default=False, init=False)
    _budget: RetryBudget = field(init=False)
    _lock: RLock = field(default_factory=RLock, init=False)

    def __post_init__(self) -> None:
        self._budget = RetryBudget(self.timing.clock())

    def backoff(self) -> Callable[[Exception], float]:
        """How many seconds to wait after a failure, each time it is asked; there is no last one."""
        again = self._again(sys.maxsize, LONGEST_ASKED_S)

        def next_s(error: Exception) -> float:
            answer = again(error)
            assert isinstance(answer, Delay)
            return answer.seconds

        return next_s

    def connect(self, stop: Event) -> None:
        """Connect in as many attempts as the settings allow.

        Raises:
            CircuitOpen: an attempt is held back.
            NotConnected: the last attempt failed as well, or `stop` was set.
            Fatal: an attempt failed in a way that another one does not mend.
        """
        again = self._again(self.settings.max_attempts)
        while (failure := self._attempt(IngestionState.CONNECTING)) is not None:
            if isinstance(failure, Fatal):
                raise failure
            answer = again(failure)
            if isinstance(answer, GiveUp) or self.timing.wait(stop, answer.seconds):
                reason = answer.reason if isinstance(answer, GiveUp) else "it was stopped"
                failed = f"{text_of(failure)}; {reason}"
                self.account.enter(IngestionState.ERROR, failed)
                raise NotConnected(f"{self.name}: {failed}") from failure

    def connect_patiently(self, stop: Event) -> bool:
        """Connect, however long it takes; False where `stop` was set before it was done."""
        next_s = self.backoff()
        while not stop.is_set():
            self.account.beat()
            try:
                failure = self._attempt(IngestionState.RECONNECTING)
            except CircuitOpen as held:
                pause_s = min(ASK_AGAIN_S, held.wait_s or ASK_AGAIN_S)
            else:
                if failure is None:
                    return True
                pause_s = next_s(failure)
            self.pause(stop, pause_s)
        return False

    def call(self, work: Callable[[], T]) -> T:
        """The result of `work`, which goes through the breaker. None of it is no news of the source. Raises `CircuitOpen`."""
        now = self.timing.clock()
        call = self.breaker.ask(now)
        if isinstance(call, Wait):
            status = self.breaker.status(now)
            self.account.enter(IngestionState.CIRCUIT_OPEN, status.reason)
            raise CircuitOpen(f"{self.name}: {status.reason}", call.seconds)
        outcome = Outcome.NEITHER
        try:
            result = work()
            outcome = Outcome.NEITHER if result is None else Outcome.SUCCEEDED
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            self.breaker.finish(call, self.timing.clock(), outcome)
        self._budget.succeeded()
        return result

    def disconnect(self, state: IngestionState, reason: str = "") -> None:
        """Disconnect; what goes wrong with that is told and changes nothing."""
        with self._lock:
            if self.connected:
                self.connected = False
                try:
                    self.unmake()
                except Exception as error:  # noqa: BLE001 - a hook may raise whatever it likes, and it is over anyway
                    self.account.went_wrong("disconnecting failed", error, reading=False)
            self.account.enter(state, reason)

    def pause(self, stop: Event, seconds: float) -> None:
        """Wait on purpose."""
        self.account.beat(seconds)
        self.timing.wait(stop, seconds)

    def _again(self, attempts: int, longest_asked_s: float = math.inf) -> Callable[[Exception], Delay | GiveUp]:
        """What follows from a failure of an operation, each time it is asked."""
        retry = Retry(self.settings.attempts(attempts), self._budget)
        chance = self.settings.chance(self.timing.rand)
        return lambda error: retry.on_failure(self.timing.clock(), chance, _asked_s(error, longest_asked_s))

    def _attempt(self, state: IngestionState) -> Exception | None:
        """Connect, unless it is connected; what went wrong, if anything did. Raises `CircuitOpen`."""
        with self._lock:
            if self.connected:
                return None
            try:
                self.call(lambda: self._connected_or_raise(state))
            except CircuitOpen:
                raise
            except Exception as error:  # noqa: BLE001 - a hook may raise whatever it likes
                self.account.went_wrong("connecting failed", error, reading=False)
                return error
            self.connected = True
            self.account.went_well()
            self.account.enter(IngestionState.CONNECTED)
            return None

    def _connected_or_raise(self, state: IngestionState) -> bool:
        self.account.enter(state)
        if not self.make():
            raise ConnectionError("_connect_impl returned False")
        return True


def _asked_s(error: Exception, longest_s: float) -> float | None:
    """How long an error asks to wait, and no longer than that; None where it does not."""
    if not isinstance(error, Throttled) or not is_number(error.delay_s) or error.delay_s < 0:
        return None
    return min(error.delay_s, longest_s)
