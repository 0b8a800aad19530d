"""Processing a queue in threads: continuously, in parallel, and not for ever when everything fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from penstock.model.errors import Refused
from penstock.queue.ingestion import AlreadyProcessing, IngestionQueue, QueueItem, QueueSettings, TooManyFailures
from penstock.queue.ingestion.processing import IN_A_ROW, OF_THE_LAST, Failures
from penstock.queue.log import LogSettings
from tests.unit.queue.paper import PaperLog

WAIT_S = 30.0
AT_ONCE = QueueSettings(max_size=20_000, retry_delay_sec=0.0)


@pytest.fixture
def queue() -> Iterator[IngestionQueue]:
    """One in memory, which tries again at once."""
    with IngestionQueue(AT_ONCE) as queue:
        yield queue


def until(condition: Callable[[], bool]) -> None:
    """Let other threads work until it holds."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_everything_that_waits_is_processed_at_once(queue: IngestionQueue) -> None:
    """5,000 items in one go, where 001 did 300 in 12 s: the interval is a longest wait, no rate."""
    queue.enqueue_batch([("s", number) for number in range(5_000)])
    seen: list[int] = []

    def processor(item: QueueItem) -> bool:
        seen.append(item.data)
        return True

    queue.start_processing(processor, interval=3_600.0)
    until(lambda: queue.get_stats().total_processed == 5_000)
    queue.stop_processing()

    assert seen == list(range(5_000))
    assert not queue.processing


def test_workers_that_stop_each_other(queue: IngestionQueue, caplog: pytest.LogCaptureFixture) -> None:
    """None waits for another one; what stopped them is logged as well as told."""
    both = threading.Barrier(2)

    def processor(_: QueueItem) -> bool:
        both.wait(WAIT_S)
        queue.stop_processing()
        raise SystemExit("enough")

    queue.enqueue("s", 1)
    queue.start_processing(processor, workers=2)
    until(lambda: queue.get_stats().leased == 1)
    queue.enqueue("s", 2)

    with pytest.raises(SystemExit):
        queue.join_processing(WAIT_S)
    assert not queue.processing
    assert "processing stopped: enough" in caplog.text


def test_what_comes_later_is_processed_when_it_comes(queue: IngestionQueue) -> None:
    """A worker that waits is woken by it."""
    seen = threading.Event()

    def processor(_: QueueItem) -> bool:
        seen.set()
        return True

    queue.start_processing(processor, interval=3_600.0)
    time.sleep(0.01)

    queue.enqueue("s", 1)

    assert seen.wait(WAIT_S)


def test_workers_work_beside_each_other() -> None:
    """Each item is processed once, by one of them, and two are at it at the same moment."""
    queue = IngestionQueue(QueueSettings(batch_size=1))
    together, seen = threading.Barrier(2, timeout=WAIT_S), Counter[int]()

    def processor(item: QueueItem) -> bool:
        if item.data < 2:
            together.wait()
        seen[item.data] += 1
        return True

    queue.start_processing(processor, workers=2)
    queue.enqueue("s", 0)
    queue.enqueue("s", 1)
    until(lambda: len(seen) == 2)
    queue.enqueue_batch([("s", number) for number in range(2, 500)])
    until(lambda: queue.get_stats().total_processed == 500)

    queue.close()
    assert set(seen.values()) == {1}


def test_a_failed_item_is_tried_again_and_then_a_dead_letter(queue: IngestionQueue) -> None:
    """Whether the processor said so or raised; the error is kept."""
    tries = Counter[str]()

    def processor(item: QueueItem) -> bool:
        tries[item.data] += 1
        if item.data == "raises":
            raise KeyError("x")
        if item.data == "hopeless":
            raise Refused("row 7")
        return bool(item.data == "well" or tries[item.data] == 3)

    for name in ("raises", "never", "third time", "hopeless", "well"):
        queue.enqueue("s", name)
    tries["never"] = 100
    queue.start_processing(processor)
    until(lambda: len(queue) == 0)

    assert {letter.data: letter.error for letter in queue.get_dead_letter_items()} == {
        "raises": "KeyError: 'x'",
        "never": "the processor said that it failed",
        "hopeless": "One record cannot be stored: row 7",
    }
    assert (tries["raises"], tries["never"], tries["hopeless"]) == (3, 103, 1)
    assert queue.get_stats().total_processed == 2


def test_stopping_keeps_what_was_not_begun(queue: IngestionQueue) -> None:
    """What was done is acked, the rest waits as if it had never been leased."""
    begun, go_on = threading.Event(), threading.Event()

    def processor(item: QueueItem) -> bool:
        if item.data == 3:
            begun.set()
            assert go_on.wait(WAIT_S)
        return True

    queue.enqueue_batch([("s", number) for number in range(10)])
    queue.start_processing(processor)
    with pytest.raises(AlreadyProcessing):
        queue.start_processing(processor)
    assert begun.wait(WAIT_S)
    threading.Timer(0.01, go_on.set).start()
    queue._processing.stop()  # type: ignore[union-attr]
    go_on.set()
    queue.stop_processing()

    assert [(item.data, item.attempts) for item in queue.lease()] == [(number, 0) for number in range(4, 10)]
    assert queue.get_stats().total_processed == 4


def test_a_stopped_queue_may_be_processed_again(queue: IngestionQueue) -> None:
    """And stopping one that is not processed does nothing."""
    queue.stop_processing()
    queue.join_processing()
    for _ in range(2):
        queue.enqueue("s", 1)
        queue.start_processing(lambda _: True)
        until(lambda: len(queue) == 0)
        queue.stop_processing()

    assert queue.get_stats().total_processed == 2


def test_processing_stops_when_fifty_in_a_row_fail(queue: IngestionQueue) -> None:
    """The others stay where they are, and whoever asks is told why."""
    queue.enqueue_batch([("s", number) for number in range(200)])

    def processor(_: QueueItem) -> bool:
        raise Refused("everything")

    queue.start_processing(processor)
    with pytest.raises(TooManyFailures, match="50 in a row"):
        queue.join_processing(WAIT_S)

    assert (queue.get_stats().dead_letters, len(queue)) == (IN_A_ROW, 150)
    queue.stop_processing()


def test_processing_stops_when_half_of_the_last_two_hundred_fail() -> None:
    """In whatever order, but not before 200 are known."""
    failures = Failures()
    for number in range(OF_THE_LAST):
        assert failures.too_many is None
        failures.add(failed=number % 2 == 0)
    assert failures.too_many == "100 of the last 200"
    failures.add(failed=False)
    assert failures.too_many is None


def test_a_slow_batch_keeps_its_lease_and_is_acked_in_between() -> None:
    """Each item takes a second; the lease lasts four and what is done is written down every two."""
    now_us = 1_800_000_000_000_000

    def clock_us() -> int:
        return now_us

    log = PaperLog(LogSettings(lanes=8), clock_us)
    settings = QueueSettings(persist_to_disk=True, lease_timeout_sec=4.0, flush_interval_sec=2.0)
    processed: list[int] = []
    with IngestionQueue(settings, log=log, clock_us=clock_us) as queue:

        def processor(item: QueueItem) -> bool:
            nonlocal now_us
            now_us += 1_000_000
            processed.append(queue.get_stats().total_processed)
            assert queue.lease() == []
            return item.attempts == 0

        queue.enqueue_batch([("s", number) for number in range(12)])
        queue.start_processing(processor)
        until(lambda: queue.get_stats().total_processed == 12)

    assert processed == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10]


def test_one_item_that_outlives_its_lease_does_not_take_the_others_along() -> None:
    """Its batch comes again, what was done of it is told not to be acked twice, and processing goes on."""
    now_us = 1_800_000_000_000_000
    log = PaperLog(LogSettings(lanes=8), lambda: now_us)
    settings = QueueSettings(persist_to_disk=True, lease_timeout_sec=4.0)
    seen: list[Any] = []
    with IngestionQueue(settings, log=log, clock_us=lambda: now_us) as queue:

        def processor(item: QueueItem) -> bool:
            nonlocal now_us
            if item.data == 1 and item.attempts == 0:
                now_us += 5_000_000
                assert [other.data for other in queue.lease()] == [0]
            seen.append((item.data, item.attempts))
            return True

        queue.enqueue_batch([("s", number) for number in range(3)])
        queue.start_processing(processor)
        until(lambda: queue.get_stats().total_processed >= 2)

    assert (1, 1) in seen
    assert (2, 1) in seen


def test_a_passing_failure_of_the_log_does_not_end_processing() -> None:
    """What was not acked comes again."""
    log = PaperLog(LogSettings(lanes=8), lambda: 1)
    with IngestionQueue(QueueSettings(persist_to_disk=True, retry_delay_sec=0.0), log=log) as queue:
        fail = threading.Event()

        def processor(_: QueueItem) -> bool:
            if not fail.is_set():
                fail.set()
                log.full = 5
                return False
            return True

        queue.enqueue("s", 1)
        queue.start_processing(processor, interval=0.01)
        until(lambda: queue.get_stats().total_processed == 1)
        assert queue.processing


def test_an_error_of_the_program_ends_processing(queue: IngestionQueue) -> None:
    """And is told to whoever waits."""

    def processor(_: QueueItem) -> bool:
        raise SystemExit(3)

    queue.enqueue("s", 1)
    queue.start_processing(processor)
    with pytest.raises(SystemExit):
        queue.join_processing(WAIT_S)


def test_closing_stops_the_workers() -> None:
    """Also where they had stopped by themselves."""
    queue = IngestionQueue(AT_ONCE)
    queue.enqueue_batch([("s", number) for number in range(100)])

    def processor(_: QueueItem) -> bool:
        raise Refused

    queue.start_processing(processor)
    until(lambda: not queue.processing)
    queue.close()
    queue.close()
