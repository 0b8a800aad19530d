"""The parts of a queue, each made for the same store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from penstock.queue.ingestion.enqueueing import Enqueueing
from penstock.queue.ingestion.leasing import Leasing
from penstock.queue.ingestion.letters import Letters
from penstock.queue.ingestion.recovery import recovered
from penstock.queue.ingestion.room import Room
from penstock.queue.ingestion.settings import QueueSettings
from penstock.queue.ingestion.settling import Settling
from penstock.queue.ingestion.store import Store
from penstock.queue.log import Log


@dataclass(frozen=True, slots=True)
class Desk:
    """Where items come in and go out."""

    settings: QueueSettings
    store: Store
    room: Room
    enqueueing: Enqueueing
    leasing: Leasing
    settling: Settling
    letters: Letters

    @classmethod
    def opened(cls, log: Log, settings: QueueSettings, clock_us: Callable[[], int], rand: Callable[[], float]) -> Self:
        """On what the log holds. Where the clock was put back since, it goes on from when the journal was last written."""
        state = recovered(log, settings)
        behind_us = max(0, state.latest_us - clock_us())
        store = Store(log, state, lambda: clock_us() + behind_us)
        room = Room(store, settings)
        return cls(
            settings,
            store,
            room,
            Enqueueing(store, room),
            Leasing(store, settings),
            Settling(store, settings, rand),
            Letters(store),
        )
