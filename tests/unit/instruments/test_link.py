"""Connecting: tried again as document 001 says, and held back by the circuit breaker."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from penstock.instruments.account import Account, IngestionState
from penstock.instruments.config import CircuitBreakerSettings, RetrySettings
from penstock.instruments.link import LONGEST_ASKED_S, CircuitOpen, Link, NotConnected
from penstock.model.errors import Fatal, Misconfigured, Throttled
from penstock.reliability.breaker import Breaker
from penstock.reliability.circuit import BreakerState
from penstock.reliability.health import HealthSettings
from tests.unit.instruments.hands import Hands

EXACT = RetrySettings(jitter=False)


class Bench:
    """A link to something that answers as it is told."""

    def __init__(self, answer: Callable[[], Any], retry: RetrySettings = EXACT, *, hands: Hands | None = None, **breaker: Any) -> None:  # noqa: ANN401 - settings
        self.hands = hands or Hands()
        self.answer = answer
        self.attempts = list[float]()
        self.disconnected = 0
        self.stop = Event()
        timing = self.hands.timing
        self.breaker = Breaker("ecu", CircuitBreakerSettings(**breaker).core(), timing.rand)
        self.account = Account("ecu", self.breaker, HealthSettings(), timing, logging.getLogger("penstock.instruments.ecu"))
        self.link = Link("ecu", self._connect, self._disconnect, self.breaker, retry, self.account, timing)

    def _connect(self) -> bool:
        self.attempts.append(round(self.hands.now - 1_000.0, 3))
        answer: bool = self.answer()
        return answer

    def _disconnect(self) -> None:
        self.disconnected += 1

    def fails_to_let_go(self) -> None:
        """A hook that disconnects, and cannot."""
        raise ConnectionRefusedError("nobody listens")

    def gives_up(self) -> None:
        """Connecting is tried, and fails."""
        with pytest.raises(NotConnected):
            self.link.connect(self.stop)


def refused() -> bool:
    """Nobody is there."""
    raise ConnectionRefusedError("nobody listens")


def test_attempts_are_made_when_document_001_says() -> None:
    """The first at once, the second after 0.1 s, the third after 0.2 s more; then it says that it has given up, and why."""
    bench = Bench(refused)

    with pytest.raises(NotConnected, match=r"ecu: nobody listens; attempt 3 of 3 failed"):
        bench.link.connect(bench.stop)

    assert bench.attempts == [0.0, 0.1, 0.3]
    assert bench.account.stats().state is IngestionState.ERROR


@pytest.mark.parametrize(("drawn", "at"), [(0.0, [0.0, 0.05, 0.15]), (0.5, [0.0, 0.075, 0.225]), (0.999999, [0.0, 0.1, 0.3])])
def test_jitter_shortens_a_wait_to_no_less_than_half(drawn: float, at: list[float]) -> None:
    """No wait is longer than it is said to be, so that the slowest client is as slow as without jitter."""
    bench = Bench(refused, RetrySettings(), hands=Hands(drawn))

    bench.gives_up()

    assert bench.attempts == at


def test_every_key_of_the_retry_settings_counts() -> None:
    """Attempts, the first delay, the base and the cap are the ones that were set."""
    bench = Bench(refused, RetrySettings(max_attempts=5, initial_delay_sec=0.5, max_delay_sec=4, exponential_base=3, jitter=False))

    bench.gives_up()

    assert bench.attempts == [0.0, 0.5, 2.0, 6.0, 10.0]


def test_false_is_a_failure() -> None:
    """A hook that returns False has not connected."""
    bench = Bench(lambda: len(bench.attempts) == 2)

    bench.link.connect(bench.stop)

    assert (bench.attempts, bench.account.stats().state) == ([0.0, 0.1], IngestionState.CONNECTED)
    bench.link.connect(bench.stop)
    assert len(bench.attempts) == 2


def test_every_attempt_counts_for_the_breaker() -> None:
    """Five attempts open it, whichever call of `connect` they belong to; the next is held back and says for how long."""
    bench = Bench(refused)

    bench.gives_up()
    with pytest.raises(CircuitOpen, match=r"ecu: 5 calls in a row failed, for another 60 s"):
        bench.link.connect(bench.stop)

    assert len(bench.attempts) == 5
    assert bench.account.stats().state is IngestionState.CIRCUIT_OPEN
    assert bench.account.report().ready.reason == "the circuit is open for another 60 s: 5 calls in a row failed"


def test_what_another_attempt_does_not_mend_is_not_tried_again() -> None:
    """A fatal error of the hook comes out as it is, and is no failure of the other side."""

    def misconfigured() -> bool:
        raise Misconfigured("there is no port of that name")

    bench = Bench(misconfigured)

    with pytest.raises(Fatal, match="there is no port of that name"):
        bench.link.connect(bench.stop)

    assert (len(bench.attempts), bench.breaker.status(0.0).in_a_row) == (1, 0)


def test_it_can_be_stopped_between_two_attempts() -> None:
    """Who stops does not wait for the last attempt."""
    bench = Bench(refused)
    bench.hands.at.append((1_000.1, bench.stop.set))

    with pytest.raises(NotConnected, match="it was stopped"):
        bench.link.connect(bench.stop)

    assert len(bench.attempts) == 1


def test_patience_outlives_an_outage() -> None:
    """Delays grow, the circuit opens and is tried again; after an hour somebody is there, and it is connected."""
    bench = Bench(lambda: bench.hands.now > 4_600.0 or refused())

    assert bench.link.connect_patiently(bench.stop)

    assert (bench.account.stats().state, bench.breaker.state) == (IngestionState.CONNECTED, BreakerState.HALF_OPEN)
    assert len(bench.attempts) < 30
    assert bench.attempts[:5] == [0.0, 0.1, 0.3, 0.7, 1.5]
    assert bench.account.report().live.well


def test_a_breaker_that_is_reset_by_hand_is_noticed() -> None:
    """Nobody who repaired it has to wait for the rest of the minute."""
    bench = Bench(lambda: bench.hands.now > 1_020.0 or refused())
    bench.hands.at.append((1_030.0, lambda: bench.breaker.reset(bench.hands.now)))

    assert bench.link.connect_patiently(bench.stop)

    assert bench.hands.now < 1_032.0


def test_patience_ends_when_it_is_stopped() -> None:
    """Also while the circuit is isolated."""
    bench = Bench(refused)
    bench.breaker.isolate(1_000.0, "being serviced")
    bench.hands.at.append((1_100.0, bench.stop.set))

    assert not bench.link.connect_patiently(bench.stop)

    assert bench.attempts == []


def test_disconnecting_that_fails_changes_nothing() -> None:
    """It is over anyway: the state is right, the error is told, and the hook is called once."""
    bench = Bench(lambda: True)
    bench.link.connect(bench.stop)
    bench.link.unmake = bench.fails_to_let_go

    bench.link.disconnect(IngestionState.DISCONNECTED)
    bench.link.disconnect(IngestionState.DISCONNECTED)

    stats = bench.account.stats()
    assert (stats.state, stats.last_error) == (
        IngestionState.DISCONNECTED,
        "disconnecting failed: ConnectionRefusedError: nobody listens",
    )
    assert stats.consecutive_errors == 1


def test_a_call_that_is_broken_off_gives_its_place_back() -> None:
    """Ctrl-C in the middle of a probe does not leave the breaker short of one."""
    bench = Bench(refused, half_open_max_calls=1)
    bench.gives_up()
    with pytest.raises(CircuitOpen):
        bench.link.connect(bench.stop)
    bench.hands.now += 100

    def interrupted() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.link.call(interrupted)

    assert bench.link.call(lambda: 1) == 1


def test_retries_of_a_source_that_mostly_answers_do_not_wait_for_a_budget() -> None:
    """Thousands of failures with good calls between them are each tried again after the first delay."""
    bench = Bench(lambda: True)

    for _ in range(1_000):
        for _ in range(10):
            bench.link.call(lambda: 1)
        assert bench.link.backoff()(OSError()) == 0.1


@pytest.mark.parametrize(("asked", "waits"), [(7.5, 7.5), (0.0, 0.0), (math.nan, 0.1), (-1.0, 0.1), ("soon", 0.1), (True, 0.1)])
def test_who_asks_to_slow_down_is_listened_to(asked: Any, waits: float) -> None:  # noqa: ANN401 - whatever a hook may say
    """As long as he asks for; what is no time is like any failure."""
    answers = [Throttled("busy", delay_s=asked)]

    def answer() -> bool:
        if answers:
            raise answers.pop()
        return True

    bench = Bench(answer)
    bench.link.connect(bench.stop)

    assert bench.attempts == [0.0, waits]


def test_who_asks_for_too_long_ends_connecting_and_not_the_reader() -> None:
    """`connect` gives up and says why; who keeps trying waits ten minutes, and asks again."""
    bench = Bench(lambda: (_ for _ in ()).throw(Throttled(delay_s=math.inf)))

    with pytest.raises(NotConnected, match="the server asks to wait inf s"):
        bench.link.connect(bench.stop)

    assert bench.attempts == [0.0]
    assert bench.link.backoff()(Throttled(delay_s=math.inf)) == LONGEST_ASKED_S
