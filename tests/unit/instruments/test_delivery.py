"""Into the queue, and what waits for its time."""

from __future__ import annotations

import logging

import msgspec
import pytest

from penstock.instruments.account import Account
from penstock.instruments.config import CircuitBreakerSettings
from penstock.instruments.delivery import Queueing, Refusal, Sample
from penstock.queue.ingestion import IngestionQueue, QueuePriority
from penstock.reliability.breaker import Breaker
from penstock.reliability.health import HealthSettings
from tests.unit.instruments.hands import Hands


@pytest.fixture
def hands() -> Hands:
    """A clock."""
    return Hands()


@pytest.fixture
def queue() -> IngestionQueue:
    """A queue in memory; its `flush_interval_sec` is 5 s."""
    return IngestionQueue()


@pytest.fixture
def queueing(queue: IngestionQueue, hands: Hands) -> Queueing:
    """On its way into that queue."""
    breaker = Breaker("ecu", CircuitBreakerSettings().core(), lambda: 0.0)
    account = Account("ecu", breaker, HealthSettings(), hands.timing, logging.getLogger("penstock.instruments.ecu"))
    return Queueing(queue, "ecu", QueuePriority.HIGH, account, hands.timing)


def refused(time_ms: int, channel: str = "rpm", reason: str = "the value is NaN") -> Refusal:
    """A sample that was refused."""
    return Refusal(channel, reason, time_ms, float("nan"))


def letters(queue: IngestionQueue) -> list[tuple[str, int]]:
    """Channels and counts of the dead letters, oldest first."""
    return [(letter.data["channel"], letter.data["count"]) for letter in reversed(queue.get_dead_letter_items())]


def test_a_run_is_one_letter_however_it_is_cut(queueing: Queueing, queue: IngestionQueue, hands: Hands) -> None:
    """Samples that come one by one, over four seconds, are one letter; it is written five seconds after the first of them."""
    for number in range(40):
        queueing([refused(number)])
        hands.now += 0.1
    assert letters(queue) == []

    hands.now += 1.1
    queueing([])

    assert letters(queue) == [("rpm", 40)]
    queueing([])
    assert letters(queue) == [("rpm", 40)]


def test_what_ends_a_run(queueing: Queueing, queue: IngestionQueue) -> None:
    """A good sample of the channel, or another reason; not a sample of another channel."""
    good = Sample("rpm", 0.0, msgspec.msgpack.encode({"value": 1.0}))
    queueing([refused(1), refused(2, "afr"), refused(3), good, refused(4), refused(5, reason="there is no value")])
    queueing.flush()

    assert letters(queue) == [("rpm", 2), ("afr", 1), ("rpm", 1), ("rpm", 1)]
