"""Whatever a caller hands in: it is refused or understood, and no item is lost, doubled or stuck by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from penstock.queue.ingestion import IngestionQueue, NotQueueable, QueueItem, QueuePriority, QueueSettings, StaleLease
from penstock.queue.log import LogClosed
from tests.unit.queue.bench import Bench, data

KEYED = QueueSettings(persist_to_disk=True, dedup_window_sec=60.0)


@pytest.fixture
def bench() -> Bench:
    """An empty log."""
    return Bench()


@pytest.mark.parametrize("error", ["a name of bytes: \udcff", ValueError("no text"), None, b"x"])
def test_any_error_can_be_kept(bench: Bench, error: Any) -> None:  # noqa: ANN401 - anything
    """Errors of the operating system hold halves of characters; an exception is as good as its text."""
    queue = bench.open()
    item_id = queue.enqueue("s", 1)
    queue.nack(queue.lease(), error, delay_sec=0)
    (again,) = queue.lease()
    assert (again.id, again.attempts) == (item_id, 1)
    assert again.error == str(error).encode(errors="backslashreplace").decode()
    queue.reject([again], error)
    (letter,) = queue.get_dead_letter_items()
    assert (letter.id, letter.data, letter.error) == (item_id, 1, again.error)
    queue.add_dead_letter("s", 2, error)
    assert [letter.data for letter in queue.get_dead_letter_items()] == [2, 1]


@pytest.mark.parametrize("delay", [-1.0, 0.0, 1e300, float("inf")])
def test_any_delay_may_be_said(bench: Bench, delay: float) -> None:
    """One that is longer than anybody lives is for ever."""
    queue = bench.open()
    queue.enqueue("s", 1)
    queue.nack(queue.lease(), delay_sec=delay)
    assert (data(queue.lease()), len(queue)) == ([1] if delay <= 0 else [], 1)


def test_a_delay_that_is_none_leaves_the_items_where_they_are(bench: Bench) -> None:
    """Nothing was done, and they can still be settled."""
    queue = bench.open()
    queue.enqueue("s", 1)
    items = queue.lease()
    with pytest.raises(ValueError, match="NaN"):
        queue.nack(items, delay_sec=float("nan"))
    queue.ack(items)
    assert len(queue) == 0


def test_items_of_another_queue_are_stale(bench: Bench) -> None:
    """Places and leases are counted alike everywhere: those of one queue are nobody's in another one."""
    other = Bench().open()
    other.enqueue("s", "other's")
    foreign = other.lease()
    queue = bench.open()
    queue.enqueue("s", "mine")
    (mine,) = queue.lease()

    for settle in (queue.ack, queue.nack, queue.reject, queue.extend):
        with pytest.raises(StaleLease):
            settle(foreign)
    queue.give_back(foreign)

    assert queue.get_stats().leased == 1
    queue.ack([mine])


def test_items_of_an_earlier_opening_are_stale(bench: Bench) -> None:
    """Also where somebody else has the same ones by now."""
    queue = bench.open()
    queue.enqueue("s", 1)
    before = queue.lease()
    queue = bench.killed()
    (item,) = queue.lease()

    with pytest.raises(StaleLease):
        queue.ack(before)

    queue.ack([item])
    assert len(queue) == 0


def test_items_may_be_made_while_they_are_settled() -> None:
    """A generator is asked for its items before the queue is locked: it may use the queue itself."""
    queue = IngestionQueue(QueueSettings(overflow="block"))
    queue.enqueue_batch([("s", number) for number in range(3)])
    items = queue.lease()

    def asking(settled: list[QueueItem]) -> Iterator[QueueItem]:
        for item in settled:
            assert not queue._desk.store.lock.locked()
            yield item

    queue.extend(asking(items))
    queue.give_back(asking(items[2:]))
    queue.ack(asking(items[:2]))

    assert data(queue.lease()) == [2]


def test_one_id_is_cleared_and_none_that_it_begins_like(bench: Bench) -> None:
    """A text is one id, and not its parts."""
    queue = bench.open()
    ids = queue.enqueue_batch([("s", number) for number in range(12)])
    queue.reject(queue.lease())
    assert ids[11].startswith(ids[1])

    assert queue.clear_dead_letter(ids[11]) == 1
    assert queue.clear_dead_letter(iter(ids[:2])) == 2

    assert sorted(data(queue.get_dead_letter_items())) == list(range(2, 11))


def test_a_key_is_text(bench: Bench) -> None:
    """Another one is refused: the item could not be read back."""
    queue = bench.open(KEYED)
    with pytest.raises(NotQueueable, match="key"):
        queue.enqueue("s", 1, key=5)  # type: ignore[arg-type]
    with pytest.raises(NotQueueable, match="source"):
        queue.add_dead_letter(5, 1, "bad")  # type: ignore[arg-type]
    assert (len(queue), queue.get_dead_letter_items()) == (0, [])


def test_keys_may_be_turned_off_after_a_crash(bench: Bench) -> None:
    """What the log holds of them is not looked at."""
    queue = bench.open(KEYED)
    queue.enqueue("s", 1, key="k")
    queue = bench.killed()
    assert data(queue.lease()) == [1]


def test_a_nack_of_several_priorities_is_one(bench: Bench) -> None:
    """One item that is stale, in whatever lane, and nothing is done."""
    queue = bench.open(QueueSettings(persist_to_disk=True, max_attempts=2))
    queue.enqueue("s", 0, QueuePriority.HIGH)
    queue.enqueue("s", 1, QueuePriority.NORMAL)
    queue.nack(queue.lease(), delay_sec=0)
    queue.enqueue("s", 2, QueuePriority.NORMAL)
    items = sorted(queue.lease(), key=lambda item: item.data)
    assert [item.attempts for item in items] == [1, 1, 0]
    for stale in range(3):
        queue.ack([items[stale]]) if stale == 0 else None
        with pytest.raises(StaleLease):
            queue.nack(items)
    assert queue.get_stats().total_attempts_failed == 2
    queue.nack(items[1:], "bad", delay_sec=0)
    assert (data(queue.lease()), data(queue.get_dead_letter_items())) == ([2], [1])


def nested(depth: int) -> list[Any]:
    """A list in a list in a list."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
        nested(100),
        nested(400),
        nested(20_000),
        1 << 64,
        -(1 << 63) - 1,
        "\udcff",
        {"\udcff": 1},
    ],
    ids=[
        "too early",
        "too late",
        "nested 100",
        "nested 400",
        "nested 20000",
        "too great",
        "too small",
        "half a character",
        "half in a key",
    ],
)
def test_what_comes_back_is_what_was_put_in_or_it_is_refused(bench: Bench, value: Any) -> None:  # noqa: ANN401 - anything
    """An item that could not be read again is not taken, and never holds up those behind it."""
    queue = bench.open()
    try:
        queue.enqueue("s", value)
    except NotQueueable:
        value = None
    queue.enqueue("s", "behind")

    def deep(depth: int) -> list[QueueItem]:
        return deep(depth - 1) if depth else queue.lease()

    items = deep(300)

    assert data(items) == ([value] if value is not None else []) + ["behind"]
    queue.nack(items, delay_sec=0)
    assert len(queue.lease()) == len(items)


@pytest.mark.parametrize(
    "value",
    [
        1 << 63,
        (1 << 64) - 1,
        -(1 << 63),
        float("inf"),
        b"\0\xff",
        {1: 2, None: 3, b"k": 4, 2.5: 5},
        {"nested": [{"deep": [None, {}, []]}]},
        datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
        datetime(1, 1, 1, tzinfo=UTC),
    ],
    ids=repr,
)
def test_it_comes_back_as_it_was(bench: Bench, value: Any) -> None:  # noqa: ANN401 - anything
    """Also when it was tried again, and after a crash."""
    queue = bench.open()
    queue.enqueue("s", value)
    queue.nack(queue.lease(), delay_sec=0)
    queue = bench.killed()
    (item,) = queue.lease()
    assert item.data == value
    assert type(item.data) is type(value)


@pytest.mark.parametrize(("limit", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), (1.0, TypeError), ("1", TypeError)])
def test_a_limit_is_a_number_of_items(bench: Bench, limit: Any, error: type[Exception]) -> None:  # noqa: ANN401 - anything
    """Of at least one."""
    queue = bench.open()
    queue.enqueue("s", 1)
    with pytest.raises(error):
        queue.lease(limit)
    assert data(queue.lease()) == [1]


def test_what_is_nested_too_deep_to_be_read_holds_nobody_up(bench: Bench) -> None:
    """How deep that is depends on who reads it: it is a dead letter then, as bytes, and the items behind it are delivered."""
    queue = bench.open()
    item_id = queue.enqueue("s", nested(900))
    queue.enqueue("s", "behind")

    def deep(depth: int) -> list[QueueItem]:
        return deep(depth - 1) if depth else queue.lease()

    assert data(deep(300)) == ["behind"]
    (letter,) = queue.get_dead_letter_items()
    assert letter.id == item_id
    assert isinstance(letter.data, bytes)


def test_a_closed_queue_says_so() -> None:
    """Whatever is asked of it."""
    queue = IngestionQueue()
    queue.enqueue("s", 1)
    queue.close()
    for ask in (queue.lease, queue.peek, queue.get_dead_letter_items, lambda: queue.enqueue("s", 1)):
        with pytest.raises(LogClosed):
            ask()
    with pytest.raises(LogClosed):
        queue.start_processing(lambda _: True)
