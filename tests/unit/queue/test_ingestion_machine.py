"""The queue against a model of itself, over crashes and power cuts in the middle of everything it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.model.errors import PenstockError
from penstock.queue.ingestion import IngestionQueue, QueueItem, QueuePriority, QueueSettings, StaleLease
from penstock.queue.ingestion.steps import Steps, Waitable
from penstock.queue.log import LogSettings
from tests.unit.queue.paper import PaperLog

SETTINGS = QueueSettings(persist_to_disk=True, max_size=50, lease_timeout_sec=10.0, dedup_window_sec=100.0, max_attempts=3)
priorities = st.sampled_from(QueuePriority)


class Underway:
    """An operation that has begun, and what to do with its result."""

    def __init__(self, steps: Steps[Any], done: Callable[[Any], None], failed: Callable[[], None]) -> None:
        self.steps = steps
        self.done = done
        self.failed = failed
        self.wanted: Waitable | None = None
        self.advance(lambda: next(steps))

    def advance(self, move: Callable[[], Waitable]) -> None:
        """Go on until it waits for the next thing, or is through."""
        try:
            self.wanted = move()
        except StopIteration as end:
            self.wanted = None
            self.done(end.value)
        except PenstockError:
            self.wanted = None
            self.failed()

    def go_on(self) -> None:
        """What it waited for has come."""
        assert self.wanted is not None
        try:
            result = self.wanted.result()
        except PenstockError as error:
            raised = error
            self.advance(lambda: self.steps.throw(raised))
        else:
            self.advance(lambda: self.steps.send(result))


class Queues(RuleBasedStateMachine):
    """Any order of operations, appends that wait, and crashes; what was promised is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 1_800_000_000_000_000
        self.number = 0
        self.data: dict[str, int] = {}
        self.acked: set[str] = set()
        self.perhaps_acked: set[str] = set()
        self.cleared: set[str] = set()
        self.hands: dict[tuple[int, int, int], QueueItem] = {}
        self.keys: dict[str, tuple[str, int]] = {}
        self.underway: list[Underway] = []

    @initialize()
    def begin(self) -> None:
        """An empty queue."""
        self.log = PaperLog(LogSettings(lanes=8), lambda: self.now_us)
        self.open()

    def open(self) -> None:
        """On the log as it is."""
        self.queue = IngestionQueue(SETTINGS, log=self.log, clock_us=lambda: self.now_us, rand=lambda: 0.5)
        self.hands, self.underway = {}, []
        self.log.patient = True

    def start(self, steps: Steps[Any], done: Callable[[Any], None], failed: Callable[[], None] = lambda: None) -> None:
        """Begin an operation."""
        one = Underway(steps, done, failed)
        if one.wanted is not None:
            self.underway.append(one)

    @rule()
    def commit(self) -> None:
        """What waits for the disk is there, and everybody goes on until he waits again."""
        self.log.commit()
        waiting, self.underway = self.underway, []
        for one in waiting:
            one.go_on()
            if one.wanted is not None:
                self.underway.append(one)

    def settle(self) -> None:
        """Everything that is underway comes to its end."""
        while self.underway:
            self.commit()
        self.log.commit()

    @rule(number=st.integers(1, 6), priority=priorities)
    def enqueue(self, number: int, priority: QueuePriority) -> None:
        """A batch."""
        numbers = range(self.number, self.number + number)
        self.number += number

        def done(ids: list[str]) -> None:
            assert len(set(ids) | self.data.keys()) == len(self.data) + number
            self.data.update(zip(ids, numbers, strict=True))

        self.start(self.queue._desk.enqueueing.many([("s", one) for one in numbers], priority.value), done)

    @rule(key=st.sampled_from("abc"))
    def enqueue_once(self, key: str) -> None:
        """One item under a key that may have been there before."""
        number = -ord(key)

        def done(item_id: str) -> None:
            known, until_us = self.keys.get(key, ("", 0))
            if self.now_us < until_us:
                assert item_id == known
            elif item_id != known:
                self.keys[key] = item_id, self.now_us + int(SETTINGS.dedup_window_sec * 1e6)
            self.data.setdefault(item_id, number)

        self.settle()  # two of one key wait for each other, which only a clock would end
        self.start(self.queue._desk.enqueueing.once("s", number, 2, key), done)
        self.settle()

    @rule(limit=st.integers(1, 8))
    def lease(self, limit: int) -> None:
        """Take some."""
        self.start(self.queue._desk.leasing.lease(limit, 0), self.take)

    def take(self, items: list[QueueItem]) -> None:
        """What is handed out was never acked, is in nobody else's hands, and says what was enqueued."""
        for item in items:
            assert item.id not in self.acked, "delivered after its ack had returned"
            assert item.id not in self.cleared, "delivered after it had been cleared"
            assert self.data.get(item.id, item.data) == item.data
            others = [other for other in self.hands.values() if other.id == item.id]
            assert all(self.is_stale(other) for other in others), "in two hands"
            self.hands[item.origin.token, item.origin.lane, item.offset] = item

    def is_stale(self, item: QueueItem) -> bool:
        """Whether its lease has run out, or the queue is another one by now."""
        return item.origin.token not in self.queue._desk.store.state.custody.leases

    def some(self, data: st.DataObject) -> list[QueueItem]:
        """Items in hand."""
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.hands)), unique=True, min_size=1, max_size=5))
        return [self.hands.pop(place) for place in chosen]

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        """Processed."""
        items = self.some(data)
        live = {item.id for item in items if not self.is_stale(item)}
        self.perhaps_acked |= live
        self.start(self.queue._desk.settling.ack(items), lambda _: self.acked.update(item.id for item in items), lambda: None)

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), delay=st.sampled_from([None, 0.0, 5.0]))
    def nack(self, data: st.DataObject, delay: float | None) -> None:
        """Failed."""
        self.start(self.queue._desk.settling.nack(self.some(data), "bad", delay), lambda _: None)

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        """Hopeless."""
        self.start(self.queue._desk.settling.reject(self.some(data), "hopeless"), lambda _: None)

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """Not tried."""
        self.queue.give_back(self.some(data))

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        """More time."""
        items = self.some(data)
        self.hands |= {(item.origin.token, item.origin.lane, item.offset): item for item in items}
        try:
            self.queue.extend(items)
        except StaleLease:
            assert any(self.is_stale(item) for item in items)

    @rule()
    def retry_a_letter(self) -> None:
        """The newest dead letter comes again."""
        for letter in self.queue.get_dead_letter_items(1):
            self.start(self.queue._desk.letters.retry(letter.id), lambda _: None)

    @rule()
    def clear(self) -> None:
        """All dead letters are let go of."""
        self.settle()
        letters = {letter.id for letter in self.queue.get_dead_letter_items(1_000)}
        self.perhaps_acked |= letters
        self.start(self.queue._desk.letters.clear(), lambda _: self.cleared.update(letters))
        self.settle()

    @rule(seconds=st.sampled_from([1, 4, 11]))
    def time_passes(self, seconds: int) -> None:
        """Leases run out, delays are over."""
        self.now_us += seconds * 1_000_000

    @rule(unknown=st.booleans(), there=st.booleans())
    def disk_fails(self, *, unknown: bool, there: bool) -> None:
        """The next append finds no room, or nobody knows what became of it."""
        if unknown:
            self.log.unknown, self.log.there = True, there
        else:
            self.log.full += 1

    @rule(data=st.data(), power_cut=st.booleans())
    def crash(self, data: st.DataObject, *, power_cut: bool) -> None:
        """In the middle of whatever is underway."""
        self.log = self.log.crashed(lambda low, high: data.draw(st.integers(low, high)), power_cut=power_cut)
        self.open()

    @rule()
    def close(self) -> None:
        """In order."""
        self.settle()
        self.log.full, self.log.unknown = 0, False
        self.log.patient = False
        self.queue.close()
        self.log = self.log.crashed(lambda low, _: low, power_cut=True)
        self.open()

    @invariant()
    def everything_adds_up(self) -> None:
        """What was enqueued is processed, failed, or still there."""
        if self.underway:
            return
        stats = self.queue.get_stats()
        into = stats.total_enqueued + stats.total_retried
        assert into == stats.total_processed + stats.total_failed + stats.total_dropped + stats.total_lost + stats.current_size

    def teardown(self) -> None:
        """Everything that was promised comes, and nothing that was done."""
        if not hasattr(self, "log"):
            return
        self.log = self.log.crashed(lambda low, _: low, power_cut=True)
        self.log.full, self.log.unknown = 0, False
        self.open()
        self.log.patient = False
        came = Counter[str]()
        for _ in range(20_000):
            items = self.queue.lease(20)
            if not items and not len(self.queue):
                break
            self.take(items)
            came.update(item.id for item in items)
            self.queue.ack(items)
            self.now_us += 1_000_000
        letters = {letter.id for letter in self.queue.get_dead_letter_items(100_000)}
        missing = self.data.keys() - came.keys() - letters - self.perhaps_acked
        assert not missing
        assert all(number == 1 for number in came.values())
        assert not (came.keys() & letters)


Queues.TestCase.settings = hypothesis.settings(stateful_step_count=50)
TestQueues = Queues.TestCase
