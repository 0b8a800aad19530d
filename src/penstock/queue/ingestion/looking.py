"""Looking at an ingestion queue that another process may have open, and does not notice it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self, TypeVar

from penstock.model.gaps import Gap
from penstock.queue.durable.looking import StillLog
from penstock.queue.durable.looking import look as look_at
from penstock.queue.ingestion import showing
from penstock.queue.ingestion.custody import Custody
from penstock.queue.ingestion.item import QueueItem
from penstock.queue.ingestion.journal import recover
from penstock.queue.ingestion.lanes import GAPS, JOURNAL, LANES, LETTERS
from penstock.queue.ingestion.recovery import recovered
from penstock.queue.ingestion.settings import QueueSettings
from penstock.queue.ingestion.state import State
from penstock.queue.ingestion.stats import QueueStats, stats

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StillQueue:
    """What a queue held when somebody looked: what was written down by then. Its methods are those of `IngestionQueue`."""

    log: StillLog
    state: State

    @classmethod
    def of(cls, log: StillLog) -> Self:
        """The queue of a log. Without a process, nobody has what was leased."""
        return cls(log, recovered(log, QueueSettings(), recover if log.holder is None else _hold))

    def get_stats(self) -> QueueStats:
        """What the queue had done, and what it held."""
        return stats(self.state)

    def peek(self, limit: int) -> list[QueueItem]:
        """What waited, the highest priority first."""
        return showing.waiting(self.log, self.state.custody.by_turns, limit)

    def get_dead_letter_items(self, limit: int | None = None) -> list[QueueItem]:
        """The newest dead letters, newest first, or all."""
        return list(islice(showing.letters(self.log, self.state.custody.lanes[LETTERS]), limit))

    def gaps(self, limit: int) -> list[Gap]:
        """The newest records of what was shed or lost, newest first."""
        return list(islice(showing.gaps(self.log, self.state.custody.lanes[GAPS]), limit))


def look(folder: Path, see: Callable[[StillQueue], T]) -> T:
    """What `see` makes of the queue in a folder. It may be asked several times. Raises as `penstock.queue.durable.looking.look`."""
    return look_at(folder, lambda log: see(StillQueue.of(log)), lanes=LANES, first=JOURNAL)


def _hold(custody: Custody) -> None:
    """What is leased does not wait."""
    for lease in custody.leases.values():
        for lane, start, end in lease.stretches:
            custody.lanes[lane].taken.add(start, end)
