"""What a queue has done and what it holds, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.queue.ingestion.item import PRIORITIES, QueuePriority
from penstock.queue.ingestion.lanes import DELIVERED, LETTERS
from penstock.queue.ingestion.state import Outcome, State


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Of all the time since the queue was made, also before a restart where it is kept on disk.

    Every item that was enqueued is processed, failed (a dead letter, once or now), dropped, lost, or one of `current_size`:
    `total_enqueued + total_retried = total_processed + total_failed + total_dropped + total_lost + current_size`.
    """

    total_enqueued: int
    total_processed: int
    total_failed: int
    total_dropped: int
    total_retried: int
    """Dead letters that were put back into the queue."""
    total_lost: int
    """Damaged on disk, or missing there."""
    total_attempts_failed: int
    """Attempts that were followed by another one, not counting those that ended with the process or with a lease."""
    current_size: int
    leased: int
    dead_letters: int
    items_by_priority: Mapping[QueuePriority, int]

    @property
    def drop_rate_percent(self) -> float:
        """Of all that was enqueued; 0 where nothing was."""
        return 100.0 * self.total_dropped / self.total_enqueued if self.total_enqueued else 0.0


def stats(state: State) -> QueueStats:
    """As it is now."""
    account, custody = state.account, state.custody
    sizes = {priority: custody.lanes[priority].unsettled for priority in PRIORITIES}
    ends = sum(lane.end for lane in custody.lanes[:DELIVERED])
    return QueueStats(
        total_enqueued=ends - account[Outcome.AGAIN] - account[Outcome.RETRIED] + account.refused,
        total_processed=account[Outcome.PROCESSED],
        total_failed=account[Outcome.DEAD],
        total_dropped=account[Outcome.SHED] + account.refused,
        total_retried=account[Outcome.RETRIED],
        total_lost=account[Outcome.LOST],
        total_attempts_failed=account[Outcome.AGAIN],
        current_size=sum(sizes.values()),
        leased=sum(end - start for lease in custody.leases.values() for _, start, end in custody.left(lease)),
        dead_letters=custody.lanes[LETTERS].unsettled,
        items_by_priority=sizes,
    )
