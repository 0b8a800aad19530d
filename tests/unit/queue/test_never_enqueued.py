"""What never came into a queue: refused before it, or lost before it; both are kept with the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.model.gaps import Gap
from penstock.queue.ingestion import IngestionQueue, NotQueueable, QueuePriority, QueueSettings


@pytest.fixture
def settings(tmp_path: Path) -> QueueSettings:
    """A queue that outlives its process."""
    return QueueSettings(persist_to_disk=True, persist_path=tmp_path / "queue")


def test_a_letter_of_what_never_was_an_item_is_kept(settings: QueueSettings) -> None:
    """It is there after a restart, and no count of items knows it; cleared it is gone."""
    with IngestionQueue(settings) as queue:
        queue.add_dead_letter("ecu", {"value": "nan"}, "it is NaN")
        queue.add_dead_letter("ecu", 2, "no number")

    with IngestionQueue(settings) as queue:
        newest, oldest = queue.get_dead_letter_items()
        stats = queue.get_stats()
        assert (oldest.source, oldest.data, oldest.error, oldest.attempts) == ("ecu", {"value": "nan"}, "it is NaN", 0)
        assert (stats.dead_letters, stats.total_enqueued, stats.total_failed, len(queue)) == (2, 0, 0, 0)
        assert newest.id != oldest.id
        assert queue.clear_dead_letter() == 2

    with IngestionQueue(settings) as queue:
        assert queue.get_dead_letter_items() == []


def test_it_can_be_retried(settings: QueueSettings) -> None:
    """Then it is an item, under the id that it had and with its priority, once; also when that is interrupted by a restart."""
    with IngestionQueue(settings) as queue:
        queue.add_dead_letter("ecu", 1, "no number", QueuePriority.HIGH)
        (letter,) = queue.get_dead_letter_items()
        assert queue.retry_dead_letter(letter.id)

    with IngestionQueue(settings) as queue:
        (item,) = queue.lease()
        assert (item.id, item.data, item.priority, item.attempts) == (letter.id, 1, QueuePriority.HIGH, 0)
        queue.ack([item])
        stats = queue.get_stats()
        assert (stats.dead_letters, stats.total_retried, stats.total_processed, stats.current_size) == (0, 1, 1, 0)


def test_what_cannot_be_written_down_is_told() -> None:
    """As with an item."""
    with pytest.raises(NotQueueable):
        IngestionQueue().add_dead_letter("ecu", 1 << 80, "too large")


def test_a_gap_from_before_the_queue_is_kept(settings: QueueSettings) -> None:
    """It is among the gaps after a restart, and takes nothing away from what is told of shed items."""
    lost = Gap("reader failed", 7, 1_000, 2_000)
    with IngestionQueue(settings) as queue:
        queue.record_gap(lost)
        assert queue.get_stats().total_dropped == 0

    with IngestionQueue(settings) as queue:
        assert queue.gaps() == [lost]


def test_gaps_of_others_do_not_hide_what_was_shed(tmp_path: Path) -> None:
    """Each shed item is told of, whatever else was recorded."""
    shedding = QueueSettings(max_size=1, overflow="shed_lowest", persist_to_disk=True, persist_path=tmp_path / "queue")
    with IngestionQueue(shedding) as queue:
        queue.record_gap(Gap("reader failed", 100))
        for number in range(4):
            queue.enqueue("ecu", number)

    with IngestionQueue(shedding) as queue:
        assert sum(gap.count or 0 for gap in queue.gaps() if gap.cause != "reader failed") == 3
