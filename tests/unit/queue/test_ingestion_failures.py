"""What a queue does when its log has no room, or nobody knows what is on the disk."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.model.gaps import Gap
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.ingestion import IngestionQueue, QueueItem, QueuePriority, QueueSettings, store
from penstock.queue.ingestion.item import Again, Envelope, encoded
from penstock.queue.ingestion.lanes import JOURNAL, LANES, LETTERS
from penstock.queue.ingestion.steps import Steps, Waitable, finish
from penstock.queue.log import AppendUnknown, LogFull, LogSettings
from tests.unit.queue.bench import Bench, data
from tests.unit.queue.test_processing import until

WAIT_S = 30.0


@pytest.fixture
def bench() -> Bench:
    """An empty log."""
    return Bench()


def leased(bench: Bench) -> tuple[IngestionQueue, list[QueueItem]]:
    """A queue with two items, both in hand."""
    queue = bench.open()
    queue.enqueue_batch([("s", 1), ("s", 2)])
    return queue, queue.lease()


def go_on(steps: Steps[None], wanted: Waitable) -> None:
    """From what an operation waits for to its end; everything is there by now."""
    with suppress(StopIteration):
        while True:
            wanted = steps.send(wanted.result())


def adds_up(queue: IngestionQueue) -> bool:
    """Whether everything that came in is accounted for."""
    stats = queue.get_stats()
    into = stats.total_enqueued + stats.total_retried
    return into == stats.total_processed + stats.total_failed + stats.total_dropped + stats.total_lost + stats.current_size


def test_a_nack_that_nobody_knows_of_does_not_bring_an_acked_item_back(bench: Bench) -> None:
    """The item comes again and is acked; what the nack had appended turns up after a crash, and counts for nothing."""
    queue, items = leased(bench)
    queue.ack(items[1:])
    bench.log.unknown = True
    with pytest.raises(AppendUnknown):
        queue.nack(items[:1], delay_sec=0)
    (item,) = queue.lease()
    assert (item.data, item.attempts) == (1, 1)
    queue.ack([item])

    queue = bench.killed(all_of_it=True)

    assert (queue.lease(), len(queue)) == ([], 0)
    assert adds_up(queue)


def test_a_nack_that_nobody_knows_of_counts_when_the_process_ends_with_it(bench: Bench) -> None:
    """Nobody has had the item since: it comes once, whichever of the two it is."""
    for all_of_it in (True, False):
        bench = Bench()
        queue, items = leased(bench)
        queue.ack(items[1:])
        bench.log.patient = True
        steps = queue._desk.settling.nack(items[:1], "bad", 0.0)
        next(steps)

        queue = bench.killed(all_of_it=all_of_it)

        assert [(item.data, item.attempts) for item in queue.lease() + queue.lease()] == [(1, 1)]
        assert adds_up(queue)


def test_a_state_does_not_claim_to_have_seen_what_is_on_its_way(bench: Bench) -> None:
    """A nack is on disk, nobody has taken note of it, and the whole state is written: after a crash the item comes once all the same."""
    queue, items = leased(bench)
    queue.ack(items[1:])
    bench.log.patient = True
    next(queue._desk.settling.nack(items[:1], "bad", 0.0))
    bench.log.patient = False
    bench.log.commit()
    finish(queue._desk.store.save())

    queue = bench.killed(power_cut=True)

    assert [(item.data, item.attempts) for item in queue.lease() + queue.lease()] == [(1, 1)]


def test_an_ack_waits_for_the_disk(bench: Bench) -> None:
    """It has not returned as long as a power cut would bring the items back."""
    queue, items = leased(bench)
    bench.log.patient = True

    steps = queue._desk.settling.ack(items)
    with suppress(StopIteration):
        next(steps)
        return
    assert bench.killed(power_cut=True).lease() == []


def test_what_somebody_still_needs_is_not_released(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the journal begins anew: one item waits all the time, and is there in the end."""
    monkeypatch.setattr(store, "RECORDS", 3)
    queue = bench.open()
    queue.enqueue("s", "waits")
    queue.nack(queue.lease(), delay_sec=1_000.0)
    for number in range(20):
        queue.enqueue("s", number)
        queue.ack(queue.lease())
    bench.wait(1_000)

    assert data(bench.killed(power_cut=True).lease()) == ["waits"]


def test_where_the_log_knows_after_all_so_does_the_queue(bench: Bench) -> None:
    """What can be read is there."""
    queue, items = leased(bench)
    bench.log.unknown = bench.log.there = True

    queue.reject(items[:1], "bad")

    assert data(queue.get_dead_letter_items()) == [1]
    assert adds_up(queue)


def test_a_reject_that_nobody_knows_of_leaves_no_dead_letter_of_a_processed_item(bench: Bench) -> None:
    """As with a nack."""
    queue, items = leased(bench)
    bench.log.unknown = True
    with pytest.raises(AppendUnknown):
        queue.reject(items[:1], "bad")
    (item,) = queue.lease()
    queue.ack([item, items[1]])

    queue = bench.killed(all_of_it=True)

    assert queue.get_dead_letter_items() == []
    assert adds_up(queue)


def test_a_retry_that_nobody_knows_of_leaves_the_letter_where_it_is(bench: Bench) -> None:
    """It can be tried again, and comes once."""
    queue, items = leased(bench)
    queue.reject(items, "bad")
    bench.log.unknown = True
    with pytest.raises(AppendUnknown):
        queue.retry_dead_letter(items[0].id)
    assert len(queue.get_dead_letter_items()) == 2
    queue.clear_dead_letter()

    queue = bench.killed(all_of_it=True)

    assert (queue.lease(), queue.get_dead_letter_items()) == ([], [])
    assert adds_up(queue)


@pytest.mark.parametrize("full", [1, 2])
def test_an_ack_finds_room_by_releasing(bench: Bench, full: int) -> None:
    """The whole state is written instead of the record, if need be after everything was released that was processed."""
    queue, items = leased(bench)
    bench.log.full = full

    queue.ack(items)

    assert bench.killed(power_cut=True).lease() == []


def test_an_ack_finds_room_that_was_missed_on_the_disk(bench: Bench) -> None:
    """Also where the log learns of it only when it writes."""
    queue, items = leased(bench)
    bench.log.full_later = 1

    queue.ack(items)

    assert bench.killed(power_cut=True).lease() == []


def test_an_ack_is_not_answered_before_a_record_that_was_lost_is_made_up_for(bench: Bench) -> None:
    """Of two acks in one group the first one fails: the second one writes the whole state."""
    queue, items = leased(bench)
    bench.log.patient = True
    lost, kept = (queue._desk.settling.ack([item]) for item in items)
    wanted = [next(lost), next(kept)]
    bench.log.unknown, bench.log.patient = True, False
    bench.log.commit()
    with pytest.raises(AppendUnknown):
        wanted[0].result()
    go_on(kept, wanted[1])
    bench.log.ghosts.clear()

    assert bench.killed(power_cut=True).lease() == []


def test_an_ack_without_room_holds_for_this_process(bench: Bench) -> None:
    """It is told; the items do not come again, and with the next ack that finds room it is on disk."""
    queue, items = leased(bench)
    bench.log.full = 3
    with pytest.raises(LogFull, match="in memory only"):
        queue.ack(items[:1])
    bench.wait(100)
    (other,) = queue.lease()
    assert other.data == 2
    queue.ack([other])

    assert bench.killed(power_cut=True).lease() == []


def test_a_retry_without_room_leaves_the_letter_where_it_is(bench: Bench) -> None:
    """It can be tried again."""
    queue, items = leased(bench)
    queue.reject(items[:1])
    bench.log.full = 10
    with pytest.raises(LogFull):
        queue.retry_dead_letter(items[0].id)
    bench.log.full = 0

    assert queue.retry_dead_letter(items[0].id)


def test_an_enqueue_finds_room_by_releasing(bench: Bench) -> None:
    """Once; then it is told that there is none."""
    queue = bench.open()
    bench.log.full = 1
    queue.enqueue("s", 1)
    bench.log.full = 10
    with pytest.raises(LogFull):
        queue.enqueue("s", 2)
    bench.log.full = 0

    assert data(queue.lease()) == [1]


def test_items_are_handed_out_also_where_that_cannot_be_written_down(bench: Bench) -> None:
    """A full disk can be emptied; an attempt may not be counted."""
    queue = bench.open()
    queue.enqueue("s", 1)
    bench.log.full = 1
    assert data(queue.lease()) == [1]

    (item,) = bench.killed().lease()

    assert item.attempts == 0


def test_items_are_handed_out_also_where_that_fails_later(bench: Bench) -> None:
    """As above."""
    queue = bench.open()
    queue.enqueue("s", 1)
    bench.log.full_later = 1

    assert data(queue.lease()) == [1]


def test_a_lease_that_ran_out_counts_once(bench: Bench) -> None:
    """Also where the process is killed after it, before anybody has its items again."""
    queue, _ = leased(bench)
    bench.wait(60)
    queue.enqueue("s", 3, QueuePriority.CRITICAL)
    assert data(queue.lease(1)) == [3]

    queue = bench.killed()

    attempts = {item.data: item.attempts for _ in range(3) for item in queue.lease()}
    assert attempts == {1: 1, 2: 1, 3: 1}


def test_entries_of_others_among_ours_do_no_harm(bench: Bench) -> None:
    """Marked ones that are no items, ones that replace what is not there, a gap among dead letters."""
    queue, items = leased(bench)
    queue.reject(items[:1], "bad")
    bench.log.append_gap(LETTERS, Gap("damaged", 1)).result()
    bench.log.append(2, [b"none of ours"], marked=True).result()
    bench.log.append(2, encoded([("s", 5)]), marked=True).result()
    nowhere = Again(3, 1_000, 1, "an id", 2, 0, 0, 0, "")
    bench.log.append(2, encoded([Envelope("s", 6, None, nowhere)]), marked=True).result()

    queue = bench.killed()

    assert sorted(data([item for _ in range(3) for item in queue.lease()])) == [2, 5, 6]
    assert [letter.data for letter in queue.get_dead_letter_items()] == [b"none of ours", 1]


def test_what_is_found_is_what_was_appended(bench: Bench) -> None:
    """Of several appends to a lane the one that nobody knows of, and no other."""
    queue, items = leased(bench)
    bench.log.append(LETTERS, [b"of somebody else"], marked=True).result()
    bench.log.unknown = bench.log.there = True
    steps = queue._desk.settling.reject(items[:1], "bad")
    bench.log.patient = True
    wanted = next(steps)
    bench.log.unknown = False
    bench.log.append(LETTERS, [b"another one"], marked=True)
    bench.log.unknown, bench.log.patient = True, False
    bench.log.commit()
    with pytest.raises(AppendUnknown) as unknown:
        wanted.result()
    with pytest.raises(StopIteration):
        steps.throw(unknown.value)

    assert queue.get_stats().total_failed == 1


def test_a_queue_opens_on_a_full_disk(bench: Bench) -> None:
    """And closes on one; leases it could not take note of are forgotten."""
    queue = bench.open()
    queue.enqueue("s", 1)
    bench.log.full = 3
    queue = bench.killed()
    queue.lease()
    bench.log.full = 10
    queue.close()

    bench.log.full = 0
    assert data(bench.killed().lease()) == [1]


def test_what_was_written_after_a_failure_is_not_believed_alone(bench: Bench) -> None:
    """A record of the journal is lost, and the next one is the whole state: the item that was replaced does not come back."""
    queue, items = leased(bench)
    bench.log.unknown = True
    with pytest.raises(AppendUnknown):
        queue.ack(items[:1])
    bench.log.ghosts.clear()
    queue.ack(items[1:])

    assert bench.killed(power_cut=True).lease() == []


def test_the_journal_begins_anew_now_and_then(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays short however long a queue is used, and what nobody needs is released with it."""
    monkeypatch.setattr(store, "RECORDS", 10)
    queue = bench.open()
    for number in range(200):
        queue.enqueue("s", number)
        queue.ack(queue.lease())

    kept = bench.log.kept()
    assert kept[JOURNAL].end.offset - kept[JOURNAL].first.offset < 30
    assert kept[2].first.offset > 180
    assert bench.killed(power_cut=True).get_stats().total_processed == 200


def test_a_journal_that_is_damaged_is_read_as_far_as_it_can_be(bench: Bench) -> None:
    """Records that are none, and leases whose beginning is gone, are passed over."""
    queue, items = leased(bench)
    queue.give_back(items)
    entries = [entry for stretch in bench.log.read(bench.log.kept()[JOURNAL].first, 1 << 20) for entry in stretch.bodies]
    other = Bench()
    other.log.append(2, [b"\x92\xa1s\x01", b"\x92\xa1s\x02"]).result()
    for entry in [entries[0], b"no record", *entries[2:]]:
        other.log.append(JOURNAL, [entry]).result()

    assert data(other.open().lease()) == [1, 2]


def test_a_lane_that_lost_its_end_loses_no_more(bench: Bench) -> None:
    """Entries that were acked are gone from the disk, and their offsets are given out again: what stands there then is not settled."""
    queue, items = leased(bench)
    queue.ack(items)
    other = Bench()
    for entry in [entry for stretch in bench.log.read(bench.log.kept()[JOURNAL].first, 1 << 20) for entry in stretch.bodies]:
        other.log.append(JOURNAL, [entry]).result()
    queue = other.open()

    queue.enqueue_batch([("s", 3), ("s", 4)])

    assert data(queue.lease()) == [3, 4]


def test_gap_records_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are kept."""
    monkeypatch.setattr(store, "MOST_GAPS", 5)
    queue = bench.open()
    for number in range(12):
        queue.record_gap(Gap("lost", number))

    assert [gap.count for gap in queue.gaps()] == [11, 10, 9, 8, 7]


async def test_the_twins_do_the_same(bench: Bench) -> None:
    """Every operation that waits can be awaited."""
    queue = bench.open()
    item_id = await queue.enqueue_async("s", 1)
    ids = await queue.enqueue_batch_async([("s", 2), ("s", 3), ("s", 4)])
    items = await queue.lease_async(wait_sec=WAIT_S)
    await queue.ack_async(items[:1])
    await queue.nack_async(items[1:2], "bad", delay_sec=0)
    await queue.reject_async(items[2:3], "bad")

    assert [item.id for item in items] == [item_id, *ids]
    assert repr(items[0]) == f"QueueItem('{item_id}', 's', 1, NORMAL, attempts=0)"
    assert (len(await queue.lease_async()), len(queue.get_dead_letter_items())) == (1, 1)


async def test_a_lease_that_is_cancelled_gives_its_items_back(bench: Bench) -> None:
    """While it is being written down: nobody has them."""
    queue = bench.open()
    queue.enqueue("s", 1)
    bench.log.patient = True
    task = asyncio.create_task(queue.lease_async())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.log.patient = False

    (item,) = queue.lease()
    assert item.attempts == 0


def test_a_full_disk_is_emptied_past_what_there_is_no_room_for(bench: Bench) -> None:
    """An item that has used up its attempts cannot be put into the dead letters: the others are handed out, and it is buried later."""
    settings = QueueSettings(persist_to_disk=True, max_attempts=2)
    queue = bench.open(settings)
    queue.enqueue("s", "poison")
    for _ in range(2):
        assert data(queue.lease()) == ["poison"]
        queue = bench.killed(settings)
    queue.enqueue_batch([("s", number) for number in range(3)], QueuePriority.NORMAL)
    bench.log.full = 1_000

    assert data(queue.lease(2)) == [0, 1]
    bench.wait(1)
    assert data(queue.lease(2)) == [2]
    bench.wait(1)
    assert queue.lease() == []

    bench.log.full = 0
    bench.wait(1)
    assert queue.lease() == []
    assert data(queue.get_dead_letter_items()) == ["poison"]
    assert adds_up(queue)


def test_a_full_disk_is_emptied_past_a_gap(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for its record: what stands behind it is handed out, and it is told later."""
    queue = bench.open()
    queue.enqueue("s", 1, QueuePriority.BATCH)
    monkeypatch.setattr(bench.log, "append_gap", _no_room)
    lane = bench.log._lanes[QueuePriority.BATCH]
    lane.stretches[0] = replace(lane.stretches[0], bodies=(), gap=Gap("damaged", 1))

    with pytest.raises(LogFull):
        queue.lease()
    queue.enqueue("s", 2, QueuePriority.BATCH)
    assert data(queue.lease()) == [2]

    monkeypatch.undo()
    assert queue.lease() == []
    assert queue.get_stats().total_lost == 1
    assert adds_up(queue)


def test_a_full_disk_is_emptied_while_a_record_of_shed_items_is_owed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those who enqueue nor the workers wait for room for it; it is written when there is some."""
    queue = bench.open(QueueSettings(persist_to_disk=True, max_size=2, overflow="shed_lowest"))
    queue.enqueue_batch([("s", number) for number in range(2)])
    queue.enqueue("s", 2)
    bench.wait(60)
    monkeypatch.setattr(bench.log, "append_gap", _no_room)

    queue.enqueue("s", 3)
    queue.start_processing(lambda item: item.data in (2, 3), interval=0.01)
    until(lambda: queue.get_stats().total_processed == 2)
    queue.stop_processing()
    assert queue.gaps() == []

    monkeypatch.undo()
    assert [gap.count for gap in queue.gaps()] == [2]
    assert adds_up(queue)


def _no_room(*_: object) -> None:
    raise LogFull("sabotage")


def test_a_full_disk_is_emptied(tmp_path: Path) -> None:
    """A log that takes nothing any more hands everything out, takes acks, and has room again; nothing is lost on the way."""
    log = DiskLog(tmp_path / "queue", LogSettings(lanes=LANES, max_bytes=1 << 20, min_free_bytes=0))
    with IngestionQueue(QueueSettings(persist_to_disk=True, batch_size=50, max_size=100), log=log) as queue:
        for _ in range(2):
            filled: list[str] = []
            with suppress(LogFull):
                while True:
                    filled += queue.enqueue_batch([("s", bytes(500))] * 20)
            seen: list[str] = []
            while items := queue.lease():
                seen += [item.id for item in items]
                try:
                    queue.ack(items)
                except LogFull:
                    continue

            assert seen == filled
            assert len(filled) > 1_000
        assert queue.get_stats().total_processed == queue.get_stats().total_enqueued
