"""Callers that are interrupted, cancelled, stopped or closed in the middle: nothing stays behind in nobody's hands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from penstock.model.errors import PenstockError, Refused
from penstock.model.gaps import Gap
from penstock.queue.ingestion import IngestionQueue, QueueItem, QueuePriority, QueueSettings, leasing
from penstock.queue.ingestion.again import bury
from penstock.queue.ingestion.steps import Certain, Steps, finish
from penstock.queue.log import AppendUnknown, LogClosed, LogFull, Place
from tests.unit.queue.bench import ON_DISK, Bench, data
from tests.unit.queue.test_ingestion_failures import adds_up
from tests.unit.queue.test_processing import until

WAIT_S = 30.0
STRICT = QueueSettings(persist_to_disk=True, max_attempts=2)


@pytest.fixture
def bench() -> Bench:
    """An empty log."""
    return Bench()


def test_one_under_suspicion_has_its_turn_beside_a_backlog(bench: Bench) -> None:
    """And so has what waits behind it: it comes alone, but it does come, however much of a higher priority waits."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(5)], QueuePriority.BATCH)
    queue.lease()
    queue = bench.killed()
    queue.enqueue_batch([("s", number) for number in range(5, 10)], QueuePriority.BATCH)
    queue.enqueue_batch([("s", "fresh")] * 10_000, QueuePriority.HIGH)

    seen = [[item.data for item in queue.lease(20)] for _ in range(12)]

    assert [one for one in seen if "fresh" not in one] == [[number] for number in range(5)]
    assert set(range(5, 10)) & {number for one in seen for number in one}


def test_suspects_leave_the_other_priorities_their_turns(bench: Bench) -> None:
    """A process was killed with many items in hand: as long as they come one by one, others are handed out in between."""
    queue = bench.open()
    queue.enqueue_batch([("s", "suspect")] * 1_000, QueuePriority.CRITICAL)
    queue.lease(1_000)
    queue = bench.killed()
    queue.enqueue_batch([("s", "fresh")] * 100, QueuePriority.BATCH)

    seen = [data(queue.lease()) for _ in range(4)]

    assert ["suspect"] in seen
    assert any("fresh" in one for one in seen)


def test_a_last_chance_that_was_shed_is_over() -> None:
    """Nobody waits for it any more, and it is not handed out."""
    bench = Bench()
    settings = QueueSettings(persist_to_disk=True, overflow="shed_lowest", max_size=3, max_attempts=1)
    queue = bench.open(settings)
    for number in range(3):
        queue.enqueue("s", number, QueuePriority.BATCH)
    queue.give_back(queue.lease()[2:])
    bench.wait(30)
    held = queue.lease(1)
    bench.wait(40)
    assert queue.lease() == []

    queue.enqueue("s", "critical", QueuePriority.CRITICAL)
    queue.enqueue("s", "critical", QueuePriority.CRITICAL)

    queue.ack(held)
    assert "critical" in data(queue.lease(1))
    assert adds_up(queue)


def test_a_last_chance_that_was_given_back_is_nobodys(bench: Bench) -> None:
    """The others are handed out again, and it has its chance later."""
    queue = bench.open(QueueSettings(persist_to_disk=True, max_attempts=1))
    queue.enqueue_batch([("s", 1), ("s", 2)])
    queue.lease()
    bench.wait(61)
    chance = queue.lease()
    assert data(chance) == [1]
    assert queue.lease() == []

    queue.give_back(chance)

    assert data(queue.lease()) == [1]


class Cut(BaseException):
    """Somebody pulls the plug of a thread."""


def interrupted(steps: Steps[Any], at: int, error: BaseException) -> None:
    """Carry an operation out and interrupt it at one of the things that it waits for, if it can be."""
    wanted = next(steps)
    for number in range(100):
        try:
            wanted = steps.throw(error) if number == at and not isinstance(wanted, Certain) else _answered(steps, wanted)
        except StopIteration:
            return


def _answered(steps: Steps[Any], wanted: Any) -> Any:  # noqa: ANN401 - what it waits for
    try:
        result = wanted.result()
    except PenstockError as failed:
        return steps.throw(failed)
    return steps.send(result)


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("full", range(4))
@pytest.mark.parametrize("operation", ["nack", "reject", "retry", "lease", "enqueue"])
def test_an_interruption_on_a_full_disk_leaves_nothing_behind(bench: Bench, operation: str, full: int, at: int) -> None:
    """At whatever is waited for: items and letters can be had again by the same process, and everything adds up."""
    queue = bench.open()
    queue.enqueue_batch([("s", 1), ("s", 2)])
    queue.reject(queue.lease(1))
    items = queue.lease()
    (letter,) = queue.get_dead_letter_items()
    if operation == "lease":
        queue.give_back(items)
    bench.log.full_later = full
    desk = queue._desk
    begin: dict[str, Callable[[], Steps[Any]]] = {
        "nack": lambda: desk.settling.nack(items, "", 0.0),
        "reject": lambda: desk.settling.reject(items, ""),
        "retry": lambda: desk.letters.retry(letter.id),
        "lease": lambda: desk.leasing.lease(1, 0),
        "enqueue": lambda: queue._enqueue("s", 3, QueuePriority.LOW, "key"),
    }
    steps = begin[operation]()
    with suppress(Cut, LogFull):
        interrupted(steps, at, Cut())
    bench.log.full_later = 0
    if operation in ("retry", "enqueue"):
        queue.give_back(items)
    bench.wait(61 if operation == "lease" else 1)

    left = data(queue.lease()) + data(queue.lease()) + data(queue.get_dead_letter_items())

    assert sorted(left)[:2] == [1, 2]
    assert adds_up(queue)
    assert desk.store._marking == {}


def test_a_lease_that_sleeps_too_long_over_a_dead_letter_leaves_it_to_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine slept between handing out and burying: somebody else has buried it by now, and it is buried once."""
    queue = bench.open(STRICT)
    queue.enqueue("s", "poison")
    for _ in range(2):
        assert data(queue.lease()) == ["poison"]
        queue = bench.killed(STRICT)

    def late(*args: Any) -> Steps[None]:  # noqa: ANN401 - those of bury
        monkeypatch.undo()
        bench.wait(61)
        assert queue.lease() == []
        yield from bury(*args)

    monkeypatch.setattr(leasing, "bury", late)

    assert queue.lease() == []

    assert data(queue.get_dead_letter_items()) == ["poison"]
    assert adds_up(queue)


@pytest.mark.parametrize("number", [0, 2])
async def test_a_lease_that_is_cancelled_while_a_gap_is_recorded_gives_all_back(bench: Bench, number: int) -> None:
    """What is damaged is told by whoever comes next, and the items beside it were not tried."""
    queue = bench.open()
    queue.enqueue_batch([("s", one) for one in range(number)])
    bench.log._lanes[QueuePriority.BATCH].append(_gap(queue, 5), 0)
    queue._desk.store._heard()

    steps = queue._desk.leasing.lease(10, 0)
    next(steps)
    with pytest.raises(asyncio.CancelledError):
        steps.throw(asyncio.CancelledError())

    assert queue.get_stats().leased == 0
    assert [(item.data, item.attempts) for item in queue.lease()] == [(one, 0) for one in range(number)]
    assert queue.get_stats().total_lost == 5
    assert adds_up(queue)


def _gap(queue: IngestionQueue, count: int) -> Any:  # noqa: ANN401 - entries of the log
    from penstock.queue.log import Entries  # noqa: PLC0415

    end = queue._desk.store.log.kept()[QueuePriority.BATCH].end._replace(epoch=(1).to_bytes(10, "big"))
    return Entries(end, count, 1, gap=Gap("damaged", count))


def test_an_abandoned_retry_comes_once(bench: Bench) -> None:
    """Whoever waited for it is gone, and it is not known what is on disk: it is an item, or a letter, after a crash."""
    queue = bench.open()
    queue.enqueue("s", 1)
    queue.reject(queue.lease())
    (letter,) = queue.get_dead_letter_items()
    bench.log.patient = True
    steps = queue._desk.letters.retry(letter.id)
    next(steps)
    steps.close()
    bench.log.patient = False
    bench.log.commit()

    queue = bench.killed()

    assert (data(queue.lease()), queue.get_dead_letter_items()) == ([1], [])


@pytest.mark.parametrize("stop", [SystemExit(1), TimeoutError(), Cut()])
def test_whatever_a_signal_raises_waits_for_what_is_certain(stop: BaseException) -> None:
    """Handlers of signals exit, or raise that time is over; an append that is on its way is not forgotten for it."""
    done: list[object] = []

    class Interrupted(Certain):
        """An append during which a signal comes, once."""

        def __init__(self) -> None:
            self.come = False

        def result(self) -> Place:
            """As of the append."""
            if not self.come:
                self.come = True
                raise stop
            return Place(0, bytes(10), 7)

    def steps() -> Steps[None]:
        done.append((yield Interrupted()))

    with pytest.raises(type(stop)):
        finish(steps())
    assert done == [Place(0, bytes(10), 7)]


def test_a_gap_record_that_fails_is_written_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The enqueue that should have written it took no room for itself, and what was shed is not forgotten."""
    queue = bench.open(QueueSettings(persist_to_disk=True, overflow="shed_lowest", max_size=2, flush_interval_sec=0.0))
    queue.enqueue_batch([("s", 1), ("s", 2)])
    queue.enqueue("s", 3)

    def fail(*_: object) -> None:
        raise AppendUnknown("sabotage")

    with monkeypatch.context() as patch:
        patch.setattr(bench.log, "append_gap", fail)
        for _ in range(5):
            with pytest.raises(AppendUnknown):
                queue.enqueue("s", 4)
    queue.ack(queue.lease())
    queue.enqueue("s", 5)
    queue.enqueue("s", 6)

    assert data(queue.lease()) == [5, 6]
    assert [gap.count for gap in queue.gaps()] == [1]
    assert adds_up(queue)


def test_closing_wakes_whoever_waits() -> None:
    """A lease that waits for items, and an enqueue that waits for room, are told at once."""
    queue = IngestionQueue(QueueSettings(overflow="block", max_size=1, block_timeout_sec=3_600.0))
    queue.enqueue("s", 1)
    queue.lease()
    told: list[str] = []

    def wait(ask: Callable[[], object]) -> None:
        try:
            ask()
        except LogClosed:
            told.append("closed")

    threads = [
        threading.Thread(target=wait, args=(ask,), daemon=True)
        for ask in (lambda: queue.lease(wait_sec=3_600.0), lambda: queue.enqueue("s", 2), lambda: queue.lease(wait_sec=float("inf")))
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(queue._desk.store.changed._waiting) == 3)

    queue.close()

    for thread in threads:
        thread.join(WAIT_S)
    assert told == ["closed"] * 3


def test_a_queue_closes_whatever_stopped_its_workers_and_its_disk(bench: Bench) -> None:
    """What went wrong is raised, and the log is let go of all the same."""
    queue = bench.open()
    queue.enqueue("s", 1)

    def processor(_: QueueItem) -> bool:
        raise Cut

    queue.start_processing(processor)
    until(lambda: not queue.processing)
    bench.log.unknown = True
    with pytest.raises((Cut, AppendUnknown)):
        queue.close()
    assert bench.log._closed
    queue.close()


def test_a_queue_may_be_closed_by_two(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is at it when the first one has done it."""
    queue = bench.open()
    real = queue._desk.room.tell_shed

    def tell(**_: bool) -> Steps[None]:
        monkeypatch.undo()
        queue.close()
        return real(now=True)

    monkeypatch.setattr(type(queue._desk.room), "tell_shed", lambda _, **now: tell(**now))
    queue.close()
    assert bench.log._closed


def test_leases_end_with_a_queue_that_has_no_room_for_gap_records(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not count as tried for that."""
    queue = bench.open(QueueSettings(persist_to_disk=True, overflow="shed_lowest", max_size=1))
    queue.enqueue("s", 1)
    queue.enqueue("s", 2)
    queue.lease()

    def fail(*_: object) -> None:
        raise LogFull("sabotage")

    with monkeypatch.context() as patch:
        patch.setattr(bench.log, "append_gap", fail)
        queue.close()
    bench.log._closed = False

    assert [(item.data, item.attempts) for item in bench.open(ON_DISK).lease()] == [(2, 0)]


def test_a_processor_may_stop_the_processing(bench: Bench) -> None:
    """The item it is at is processed, and no other one."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(3)])

    def processor(_: QueueItem) -> bool:
        queue.stop_processing()
        return True

    queue.start_processing(processor)
    until(lambda: not queue.processing)
    queue.stop_processing()
    assert (queue.get_stats().total_processed, len(queue)) == (1, 2)


def test_an_item_that_ends_its_worker_has_used_up_an_attempt(bench: Bench) -> None:
    """So that it is a dead letter at last, however often the processing is started again."""
    queue = bench.open(STRICT)
    queue.enqueue("s", "exits")

    def processor(_: QueueItem) -> bool:
        raise SystemExit(3)

    for _ in range(2):
        queue.start_processing(processor)
        with pytest.raises(SystemExit):
            queue.join_processing(WAIT_S)
        bench.wait(1)

    assert [(letter.data, letter.error) for letter in queue.get_dead_letter_items()] == [("exits", "SystemExit: 3")]


def test_workers_are_at_least_one(bench: Bench) -> None:
    """None would process nothing and say nothing."""
    queue = bench.open()
    with pytest.raises(ValueError, match="0 workers"):
        queue.start_processing(lambda _: True, workers=0)
    assert not queue.processing


def test_workers_with_nothing_to_do_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes wakes them: without an interval they do not look all the time."""
    looked = 0
    real = leasing.Leasing._hand_out

    def hand_out(self: leasing.Leasing, limit: int) -> Any:  # noqa: ANN401
        nonlocal looked
        looked += 1
        return real(self, limit)

    monkeypatch.setattr(leasing.Leasing, "_hand_out", hand_out)
    with IngestionQueue() as queue:
        queue.start_processing(lambda _: True, interval=0.0)
        threading.Event().wait(0.1)
    assert looked <= 100


def test_a_letter_refused_with_halves_of_characters_is_kept(bench: Bench) -> None:
    """An error of the operating system, as a processor raises it."""
    queue = bench.open()
    queue.enqueue("s", 1)

    def processor(_: QueueItem) -> bool:
        raise Refused("no such file: \udcff")

    queue.start_processing(processor)
    until(lambda: queue.get_stats().dead_letters == 1)
    queue.stop_processing()
    assert "\\udcff" in queue.get_dead_letter_items()[0].error
