"""What a user gets from an ingestion queue, promise by promise."""

from __future__ import annotations

import asyncio
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.model.gaps import Gap
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.ingestion import IngestionQueue, NotAQueue, NotQueueable, QueueFull, QueuePriority, QueueSettings, StaleLease
from penstock.queue.ingestion.found import FOREIGN
from penstock.queue.ingestion.lanes import JOURNAL
from penstock.queue.ingestion.room import SHED
from penstock.queue.log import AppendUnknown
from tests.unit.queue.bench import Bench, data


@pytest.fixture
def bench() -> Bench:
    """An empty log."""
    return Bench()


def test_what_is_enqueued_is_handed_out_as_it_was(bench: Bench) -> None:
    """Source, data, priority and the time, under the id that `enqueue` returned."""
    queue = bench.open()
    given = {"rpm": 3500, "hp": 85.5, "raw": b"\0\1", "at": datetime(2026, 1, 1, tzinfo=UTC), "none": None, "list": [1, [True]]}

    item_id = queue.enqueue("jetdrive", given, QueuePriority.HIGH)
    (item,) = queue.lease()

    assert (item.id, item.source, item.data, item.priority) == (item_id, "jetdrive", given, QueuePriority.HIGH)
    assert (item.attempts, item.error, item.enqueued_us) == (0, "", bench.now_us)


@pytest.mark.parametrize("power_cut", [False, True])
def test_what_enqueue_returned_for_survives(bench: Bench, *, power_cut: bool) -> None:
    """Killed, or without power: every item is there again, under its id."""
    queue = bench.open()
    ids = [queue.enqueue("a", 1), *queue.enqueue_batch([("b", 2), ("b", 3)], QueuePriority.NORMAL)]

    queue = bench.killed(power_cut=power_cut)

    assert [item.id for item in queue.lease()] == ids


@pytest.mark.parametrize("power_cut", [False, True])
def test_what_was_acked_never_comes_again(bench: Bench, *, power_cut: bool) -> None:
    """Not after a lease's time, not after a restart; the neighbours of what was acked do."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(6)])
    items = queue.lease()
    queue.ack([items[1], items[2], items[4]])

    queue = bench.killed(power_cut=power_cut)
    seen = []
    while found := queue.lease():
        seen += data(found)

    assert seen == [0, 3, 5]
    assert queue.get_stats().total_processed == 3


@pytest.mark.parametrize(
    "bad",
    [("s", object()), ("s", 1 << 70), ("s", {1: object()}), (5, 1), ("s", 1, 2), None],
    ids=["a class", "too large", "inside", "no source", "three", "none"],
)
def test_what_cannot_be_written_down_is_refused_at_once(bench: Bench, bad: Any) -> None:  # noqa: ANN401 - anything
    """Before anything was appended."""
    queue = bench.open()

    with pytest.raises(NotQueueable):
        queue.enqueue_batch([("s", 1), bad])

    assert queue.lease() == []


def test_a_priority_that_is_none_is_refused(bench: Bench) -> None:
    """Numbers of 001 are as good as names, others are not."""
    queue = bench.open()
    queue.enqueue("s", 1, 0)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="7"):
        queue.enqueue("s", 1, 7)  # type: ignore[arg-type]

    assert queue.enqueue_batch([]) == []
    assert [item.priority for item in queue.lease()] == [QueuePriority.CRITICAL]


def test_priorities_share_by_weight(bench: Bench) -> None:
    """Of 62 items with everything waiting, 32, 16, 8, 4 and 2, and each priority in order."""
    queue = bench.open(QueueSettings(persist_to_disk=True, batch_size=62))
    for priority in reversed(QueuePriority):
        queue.enqueue_batch([("s", number) for number in range(100)], priority)

    items = queue.lease()

    for priority, share in zip(QueuePriority, (32, 16, 8, 4, 2), strict=True):
        assert [item.data for item in items if item.priority == priority] == list(range(share))


def test_a_lease_is_nobody_elses_until_it_runs_out(bench: Bench) -> None:
    """Then the items come again, one attempt more, and whoever had them before may settle nothing."""
    queue = bench.open()
    queue.enqueue_batch([("s", 1), ("s", 2)])
    first = queue.lease()
    bench.wait(59)
    assert queue.lease() == []
    bench.wait(1)
    second = queue.lease() + queue.lease()

    assert data(second) == data(first) == [1, 2]
    assert [item.attempts for item in second] == [1, 1]
    for act in (queue.ack, queue.nack, queue.reject, queue.extend):
        with pytest.raises(StaleLease):
            act(first)
    queue.ack(second)
    assert queue.get_stats().total_processed == 2


def test_a_lease_is_extended(bench: Bench) -> None:
    """All that is in it stays where it is, for the whole time again."""
    queue = bench.open()
    queue.enqueue_batch([("s", 1), ("s", 2)])
    items = queue.lease()
    bench.wait(50)
    queue.extend(items[:1])
    bench.wait(50)

    assert queue.lease() == []
    queue.ack(items)


def test_an_ack_counts_once(bench: Bench) -> None:
    """Acking again is told, also together with items that are acked by it."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(3)])
    items = queue.lease()
    queue.ack(items[:1])

    with pytest.raises(StaleLease, match="1 of 3"):
        queue.ack(items)
    with pytest.raises(StaleLease):
        queue.ack(items)
    queue.ack([])

    assert (queue.get_stats().total_processed, len(queue)) == (3, 0)


def test_a_failed_item_comes_again_later_with_its_id_and_priority(bench: Bench) -> None:
    """After a delay that doubles with its attempts, up to the longest; and is a dead letter after the last one."""
    queue = bench.open(QueueSettings(persist_to_disk=True, max_attempts=4, retry_delay_sec=1.0, max_retry_delay_sec=3.0))
    item_id = queue.enqueue("s", "x", QueuePriority.CRITICAL)
    born_us = bench.now_us

    for attempts, delay in enumerate([1.0, 2.0, 3.0]):
        (item,) = queue.lease()
        assert (item.id, item.attempts, item.priority, item.enqueued_us) == (item_id, attempts, QueuePriority.CRITICAL, born_us)
        queue.nack([item], "no")
        bench.wait(delay - 0.1)
        assert queue.lease() == []
        bench.wait(0.2)
    (item,) = queue.lease()
    assert item.error == "no"
    queue.nack([item], "never")

    assert queue.lease() == []
    (letter,) = queue.get_dead_letter_items()
    assert (letter.id, letter.data, letter.attempts, letter.error, letter.priority) == (item_id, "x", 4, "never", QueuePriority.CRITICAL)
    stats = queue.get_stats()
    assert (stats.total_failed, stats.total_attempts_failed, stats.dead_letters) == (1, 3, 1)


def test_a_delay_may_be_said(bench: Bench) -> None:
    """And others are handed out meanwhile."""
    queue = bench.open()
    queue.enqueue_batch([("s", 1), ("s", 2)])
    items = queue.lease()
    queue.nack(items, delay_sec=100.0)
    queue.enqueue("s", 3)

    others = queue.lease()
    assert data(others) == [3]
    queue.ack(others)
    bench.wait(100)
    assert data(queue.lease()) == [1, 2]


def test_a_clock_that_was_put_back_makes_nothing_wait_longer(bench: Bench) -> None:
    """A machine without a clock of its own begins in the past after a restart: delays and keys go on where they were."""
    settings = QueueSettings(persist_to_disk=True, dedup_window_sec=60.0)
    queue = bench.open(settings)
    first = queue.enqueue("s", 1, key="k")
    queue.nack(queue.lease(), delay_sec=20)
    bench.wait(-86_400 * 365)
    queue = bench.killed(settings)
    assert (queue.lease(), queue.enqueue("s", 2, key="k")) == ([], first)

    bench.wait(61)

    assert data(queue.lease()) == [1]
    assert queue.enqueue("s", 2, key="k") != first


def test_items_may_be_given_back_in_any_order(bench: Bench) -> None:
    """None of them stays in its lease: that one is over with the last of its items."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(5)])
    items = queue.lease()

    queue.give_back([items[3], items[0], items[1]])
    queue.ack([items[4], items[2]])

    assert queue._desk.store.state.custody.leases == {}
    assert sorted(data(queue.lease())) == [0, 1, 3]


def test_nacked_twice_is_appended_once(bench: Bench) -> None:
    """The same item twice in one call, and one that is not in its lease any more: nothing is done then."""
    queue = bench.open()
    queue.enqueue_batch([("s", 1), ("s", 2)])
    one, two = queue.lease()
    queue.ack([two])

    with pytest.raises(StaleLease):
        queue.nack([one, two], delay_sec=0)
    queue.nack([one, one], delay_sec=0)

    assert data(queue.lease()) == [1]
    assert queue.lease() == []


def test_what_is_given_back_was_not_tried(bench: Bench) -> None:
    """It waits again as it was, also after a crash."""
    queue = bench.open()
    queue.enqueue_batch([("s", 1), ("s", 2)])
    queue.give_back(queue.lease())
    queue.give_back([])
    items = queue.lease()
    assert [item.attempts for item in items] == [0, 0]
    queue.give_back(items[:1])

    queue = bench.killed()

    found = queue.lease() + queue.lease()
    assert sorted((item.data, item.attempts) for item in found) == [(1, 0), (2, 1)]


def test_the_item_that_kills_the_process_reaches_the_dead_letters(bench: Bench) -> None:
    """Its attempts survive each kill; its neighbours in the same lease are processed all the same."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(20)])
    processed, kills = set[int](), 0
    for _ in range(100):
        items = queue.lease()
        if 7 in data(items):
            kills += 1
            queue = bench.killed()
            continue
        processed |= set(data(items))
        queue.ack(items)

    assert [(letter.data, letter.attempts) for letter in queue.get_dead_letter_items()] == [(7, 3)]
    assert processed == set(range(20)) - {7}
    assert kills == 3


def test_one_that_was_only_beside_it_is_not_blamed(bench: Bench) -> None:
    """Two workers: whatever the other one has when the process dies keeps a last chance, alone."""
    queue = bench.open()
    queue.enqueue_batch([("s", "poison"), ("s", "innocent")])
    alone = 0
    for _ in range(8):
        mine = queue.lease(1)
        theirs = queue.lease(1)
        alone += not theirs
        if "poison" in data(mine + theirs):
            queue = bench.killed()
        elif mine:
            queue.ack(mine)

    assert data(queue.get_dead_letter_items()) == ["poison"]
    assert queue.get_stats().total_processed == 1
    assert alone


def test_a_last_chance_waits_until_nobody_has_anything(bench: Bench) -> None:
    """And nobody gets anything before it is over."""
    queue = bench.open(QueueSettings(persist_to_disk=True, max_attempts=1))
    queue.enqueue_batch([("s", 1), ("s", 2)])
    queue.lease()
    queue = bench.killed(QueueSettings(persist_to_disk=True, max_attempts=1))
    queue.enqueue("s", 3, QueuePriority.CRITICAL)
    other = queue.lease(1)
    assert data(other) == [3]

    assert queue.lease() == []
    queue.enqueue("s", 4, QueuePriority.CRITICAL)
    assert queue.lease() == []
    queue.ack(other)
    (last,) = queue.lease()
    assert (last.data, last.attempts) == (1, 1)
    assert queue.lease() == []
    queue.ack([last])
    assert data(queue.lease(1)) == [4]


def test_dead_letters_are_the_newest_first(bench: Bench) -> None:
    """However many there are, none is dropped, and they are there after a restart."""
    queue = bench.open(QueueSettings(persist_to_disk=True, batch_size=3_000))
    queue.enqueue_batch([("s", number) for number in range(3_000)])
    queue.reject(queue.lease(), "bad")

    queue = bench.killed()

    assert data(queue.get_dead_letter_items(3)) == [2_999, 2_998, 2_997]
    assert len(queue.get_dead_letter_items(10_000)) == queue.get_stats().dead_letters == 3_000


def test_a_dead_letter_is_tried_again(bench: Bench) -> None:
    """As if it had never been tried, under its id; then it is no dead letter, also after a crash."""
    queue = bench.open()
    ids = queue.enqueue_batch([("s", number) for number in range(3)])
    queue.reject(queue.lease(), "bad")

    assert queue.retry_dead_letter(ids[1])
    assert not queue.retry_dead_letter(ids[1])
    assert not queue.retry_dead_letter("nobody")
    queue = bench.killed(power_cut=True)

    assert data(queue.get_dead_letter_items()) == [2, 0]
    (item,) = queue.lease()
    assert (item.id, item.attempts, item.priority) == (ids[1], 0, QueuePriority.BATCH)
    assert queue.get_stats().total_retried == 1


def test_some_dead_letters_are_cleared(bench: Bench) -> None:
    """Those with these ids; one that is none is nobody's."""
    queue = bench.open()
    ids = queue.enqueue_batch([("s", number) for number in range(4)])
    queue.reject(queue.lease())

    assert queue.clear_dead_letter({ids[1], ids[2], "nobody"}) == 2

    assert data(queue.get_dead_letter_items()) == [3, 0]


def test_looking_takes_nothing(bench: Bench) -> None:
    """What waits, the highest priority first; not what is leased."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(4)])
    queue.enqueue("s", 9, QueuePriority.CRITICAL)
    assert data(queue.peek()) == [9, 0, 1, 2, 3]
    assert data(queue.lease(2)) == [9, 0]

    assert data(queue.peek(2)) == [1, 2]
    assert data(queue.lease()) == [1, 2, 3]


def test_a_queue_whose_journal_is_lost(tmp_path: Path) -> None:
    """Something else stands in its place: it is put aside, and the items are handed out."""
    settings = QueueSettings(persist_to_disk=True, persist_path=tmp_path / "queue")
    with IngestionQueue(settings) as queue:
        queue.enqueue_batch([("s", number) for number in range(3)])
    shutil.rmtree(tmp_path / "queue" / str(JOURNAL))
    (tmp_path / "queue" / str(JOURNAL)).write_bytes(b"no folder")

    with IngestionQueue(settings) as queue:
        assert data(queue.lease()) == [0, 1, 2]


def test_another_log_is_not_taken_for_a_queue(tmp_path: Path) -> None:
    """A pipeline's, for instance; it stays as it is. A new folder is a new queue."""
    DiskLog(tmp_path / "log").close()
    before = sorted((tmp_path / "log").iterdir())
    with pytest.raises(NotAQueue):
        IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=tmp_path / "log"))
    assert sorted((tmp_path / "log").iterdir()) == before

    for _ in range(2):
        with IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=tmp_path / "queue")) as queue:
            assert len(queue) == 0


def test_cleared_means_gone(bench: Bench) -> None:
    """Also after a restart, and nothing of it is in the queue."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(3)])
    queue.reject(queue.lease())
    assert queue.clear_dead_letter() == 3
    assert queue.clear_dead_letter() == 0

    queue = bench.killed(power_cut=True)

    assert (queue.get_dead_letter_items(), queue.lease(), len(queue)) == ([], [], 0)
    assert queue.get_stats().total_failed == 3


def test_stats_are_a_snapshot(bench: Bench) -> None:
    """What was returned does not change; a rate of nothing is nought."""
    queue = bench.open()
    before = queue.get_stats()
    queue.enqueue("s", 1)
    queue.lease()

    after = queue.get_stats()

    assert (before.total_enqueued, before.drop_rate_percent, before.current_size) == (0, 0.0, 0)
    assert (after.total_enqueued, after.leased, after.current_size, after.items_by_priority[QueuePriority.NORMAL]) == (1, 1, 1, 1)


def test_counts_survive(bench: Bench) -> None:
    """A queue that is opened again knows what it did before."""
    queue = bench.open()
    queue.enqueue_batch([("s", number) for number in range(10)])
    items = queue.lease()
    queue.ack(items[:5])
    queue.nack(items[5:7], delay_sec=0)
    queue.reject(items[7:8])
    expected = queue.get_stats()

    for _ in range(3):
        queue = bench.killed(power_cut=True)
        found = queue.get_stats()

        assert (found.total_enqueued, found.total_processed, found.total_failed, found.current_size) == (10, 5, 1, 4)
        assert found.total_attempts_failed == expected.total_attempts_failed == 2


def test_a_key_is_taken_once_within_the_window(bench: Bench) -> None:
    """The id is that of the first, also after a crash, and also when the first is long processed."""
    settings = QueueSettings(persist_to_disk=True, dedup_window_sec=60.0, max_size=2)
    queue = bench.open(settings)
    first = queue.enqueue("s", 1, key="a")
    queue.ack(queue.lease())
    assert queue.enqueue("s", 2, key="a") == first
    bench.wait(30)

    queue = bench.killed(settings, power_cut=True)
    assert queue.enqueue("s", 3, key="a") == first
    assert queue.lease() == []
    bench.wait(31)
    assert queue.enqueue("s", 4, key="a") != first
    assert queue.enqueue("s", 5) != queue.enqueue("s", 5)


def test_the_window_holds_max_size_keys(bench: Bench) -> None:
    """What is remembered is bounded: the oldest key is forgotten first."""
    queue = bench.open(QueueSettings(persist_to_disk=True, dedup_window_sec=60.0, max_size=2))
    ids = [queue.enqueue("s", 1, key=key) for key in "abc"]

    assert queue.enqueue("s", 1, key="c") == ids[2]
    assert queue.enqueue("s", 1, key="a") != ids[0]


def test_keys_are_off_by_default(bench: Bench) -> None:
    """Without a window a key says nothing."""
    queue = bench.open()

    assert queue.enqueue("s", 1, key="a") != queue.enqueue("s", 1, key="a")


def test_a_key_whose_append_failed_is_free(bench: Bench) -> None:
    """Whoever tries again is not told that it is there."""
    queue = bench.open(QueueSettings(persist_to_disk=True, dedup_window_sec=60.0))
    bench.log.unknown = True
    with pytest.raises(AppendUnknown):
        queue.enqueue("s", 1, key="a")

    queue.enqueue("s", 2, key="a")

    assert data(queue.lease()) == [2]


async def test_the_same_key_at_once_is_one_item() -> None:
    """The second waits for the first, and has its id."""
    bench = Bench()
    queue = bench.open(QueueSettings(persist_to_disk=True, dedup_window_sec=60.0))
    bench.log.patient = True
    tasks = [asyncio.create_task(queue.enqueue_async("s", number, key="a")) for number in range(3)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        bench.log.commit()

    assert len({await task for task in tasks}) == 1
    bench.log.patient = False
    assert len(await queue.lease_async()) == 1


def test_shedding_takes_the_lowest_priority_and_never_a_higher_one() -> None:
    """The case in which 001 threw the CRITICAL item away: a full queue of critical, normal, batch, and one more of batch."""
    queue = IngestionQueue(QueueSettings(max_size=3))
    queue.enqueue("s", "critical", QueuePriority.CRITICAL)
    queue.enqueue("s", "normal", QueuePriority.NORMAL)
    queue.enqueue("s", "batch", QueuePriority.BATCH)
    queue.enqueue("s", "batch 2", QueuePriority.BATCH)
    assert [queue.get_stats().items_by_priority[priority] for priority in QueuePriority] == [1, 0, 1, 0, 1]
    queue.enqueue("s", "high", QueuePriority.HIGH)

    with pytest.raises(QueueFull):
        queue.enqueue("s", "low", QueuePriority.LOW)

    assert set(data(queue.lease())) == {"critical", "high", "normal"}
    stats = queue.get_stats()
    assert (stats.total_enqueued, stats.total_dropped, stats.current_size) == (6, 3, 3)
    assert stats.drop_rate_percent == 50.0
    (gap,) = queue.gaps()
    assert (gap.cause, gap.count) == (SHED, 3)
    queue.close()


def test_what_is_leased_is_not_shed() -> None:
    """It is in somebody's hands: a newcomer finds no room, whatever its priority."""
    queue = IngestionQueue(QueueSettings(max_size=2))
    queue.enqueue_batch([("s", 1), ("s", 2)])
    items = queue.lease()

    with pytest.raises(QueueFull):
        queue.enqueue("s", 3, QueuePriority.CRITICAL)
    queue.ack(items)
    queue.enqueue("s", 3, QueuePriority.CRITICAL)

    assert data(queue.lease()) == [3]


def test_a_batch_is_taken_whole_or_not_at_all() -> None:
    """One that can never fit sheds nothing."""
    queue = IngestionQueue(QueueSettings(max_size=3))
    queue.enqueue("s", 0, QueuePriority.BATCH)

    with pytest.raises(QueueFull):
        queue.enqueue_batch([("s", number) for number in range(4)], QueuePriority.CRITICAL)
    queue.enqueue_batch([("s", number) for number in range(3)], QueuePriority.CRITICAL)

    assert len(queue) == 3
    assert len(data(queue.lease())) == 3


def test_gap_records_sum_up_what_was_shed_together(bench: Bench) -> None:
    """One for each flush interval in which something was shed, and one at the end."""
    settings = QueueSettings(persist_to_disk=True, overflow="shed_lowest", max_size=1, flush_interval_sec=5.0)
    queue = bench.open(settings)
    began_us = bench.now_us
    for _ in range(8):
        queue.enqueue("s", 1)
        bench.wait(1)
    ended_us = bench.now_us
    queue.close()

    queue = bench.killed(settings, power_cut=True)

    assert sum(gap.count or 0 for gap in queue.gaps()) == queue.get_stats().total_dropped == 7
    assert len(queue.gaps()) == 2
    assert all(began_us <= (gap.since or 0) <= (gap.until or 0) <= ended_us for gap in queue.gaps())
    assert queue.gaps(1) == queue.gaps()[:1]


def test_what_was_shed_before_a_crash_leaves_a_gap_too(bench: Bench) -> None:
    """Its record had not been written yet: it is, when the queue is opened."""
    settings = QueueSettings(persist_to_disk=True, overflow="shed_lowest", max_size=1)
    queue = bench.open(settings)
    for _ in range(4):
        queue.enqueue("s", 1)

    queue = bench.killed(settings)

    assert [gap.count for gap in queue.gaps()] == [queue.get_stats().total_dropped] == [3]
    queue = bench.killed(settings)
    assert [gap.count for gap in queue.gaps()] == [3]


def test_blocking_waits_for_room() -> None:
    """As long as it takes somebody to make some; then the oldest waiter goes on."""
    queue = IngestionQueue(QueueSettings(max_size=2, overflow="block", block_timeout_sec=30.0))
    queue.enqueue_batch([("s", 1), ("s", 2)])
    items = queue.lease()
    thread = threading.Thread(target=queue.enqueue, args=("s", 3))
    thread.start()
    queue.ack(items[:1])
    thread.join(30)

    assert not thread.is_alive()
    assert data(queue.lease()) == [3]


def test_blocking_has_an_end(bench: Bench) -> None:
    """After the timeout, and at once for what can never fit, nothing was put in."""
    queue = bench.open(QueueSettings(persist_to_disk=True, max_size=2, overflow="block", block_timeout_sec=0.0))
    queue.enqueue_batch([("s", 1), ("s", 2)])

    for items in ([("s", 3)], [("s", number) for number in range(3)]):
        with pytest.raises(QueueFull):
            queue.enqueue_batch(items)

    assert len(queue) == 2
    assert queue.get_stats().total_dropped == 0


def test_spilling_keeps_everything(bench: Bench) -> None:
    """What is past `max_size` waits on disk, and after a restart all of it is there, not only the first `max_size`."""
    settings = QueueSettings(persist_to_disk=True, max_size=10, batch_size=7)
    queue = bench.open(settings)
    queue.enqueue_batch([("s", number) for number in range(100)])
    queue = bench.killed(settings)
    seen: list[int] = []
    while items := queue.lease():
        seen += data(items)
        queue.ack(items)

    assert seen == list(range(100))
    assert queue.get_stats().total_dropped == 0


def test_no_more_is_in_hand_than_max_size(bench: Bench) -> None:
    """Leased and put aside together: what a queue remembers is bounded by it, however much waits."""
    queue = bench.open(QueueSettings(persist_to_disk=True, max_size=10, batch_size=100))
    queue.enqueue_batch([("s", number) for number in range(100)])
    items = queue.lease()
    assert len(items) == 10
    assert queue.lease() == []
    queue.nack(items[:4], delay_sec=5.0)
    rest = queue.lease()
    assert data(rest) == [10, 11, 12, 13]
    queue.ack(items[4:] + rest)

    bench.wait(5)
    seen: list[int] = []
    while items := queue.lease():
        seen += data(items)
        queue.ack(items)
    assert sorted(seen) == [*range(4), *range(14, 100)]


def test_what_has_to_wait_stops_no_other_priority(bench: Bench) -> None:
    """As many delayed items as may be remembered hold up their own lane only."""
    queue = bench.open(QueueSettings(persist_to_disk=True, max_size=10))
    queue.enqueue_batch([("s", number) for number in range(20)])
    for _ in range(2):
        queue.nack(queue.lease(), delay_sec=3_600.0)
    assert queue.lease() == []

    queue.enqueue("s", "urgent", QueuePriority.CRITICAL)
    urgent = queue.lease()
    assert data(urgent) == ["urgent"]
    queue.ack(urgent)

    bench.wait(3_600)
    assert sorted([*data(queue.lease(5)), *data(queue.lease(4))]) == list(range(9))


@pytest.mark.parametrize("again", [False, True])
def test_a_queue_in_memory_keeps_no_more_than_it_holds(again: bool) -> None:  # noqa: FBT001 - a case
    """What was shed, or replaced by its next attempt, is given back at once."""
    with IngestionQueue(QueueSettings(max_size=10, retry_delay_sec=0.0, max_attempts=10_000)) as queue:
        for _ in range(500):
            if again and len(queue):
                queue.nack(queue.lease())
            else:
                queue.enqueue_batch([("s", bytes(1_000))] * 3)

        assert sum(lane.size_bytes for lane in queue._desk.store.log.kept()) < 20_000


def test_an_entry_that_is_no_item_is_a_dead_letter(bench: Bench) -> None:
    """Its bytes are kept, and its neighbours are handed out."""
    queue = bench.open()
    bench.log.append(2, [b"\x92\xa1s\x01", b"\xc1 not ours", b"\x92\xa1s\x02"]).result()

    assert data(queue.lease()) == [1, 2]
    (letter,) = queue.get_dead_letter_items()
    assert (letter.data, letter.error, letter.source) == (b"\xc1 not ours", FOREIGN, "")


def test_what_is_damaged_on_disk_is_lost_and_told(bench: Bench) -> None:
    """Its record is kept, it is counted, and what stands behind it is handed out."""
    queue = bench.open()
    queue.enqueue("s", 1)
    bench.log.append_gap(2, Gap("damaged", 1)).result()
    queue.enqueue("s", 2)

    assert data(queue.lease()) == [1, 2]
    assert queue.get_stats().total_lost == 1
    assert queue.gaps() == [Gap("damaged", 1)]
