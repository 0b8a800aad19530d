"""A queue on a log that survives crashes, and a clock that is set by hand."""

from __future__ import annotations

from typing import Any

from penstock.queue.ingestion import IngestionQueue, QueueItem, QueueSettings
from penstock.queue.log import LogSettings
from tests.unit.queue.paper import PaperLog

ON_DISK = QueueSettings(persist_to_disk=True)


class Bench:
    """Opens one queue after another on the same log."""

    def __init__(self) -> None:
        self.now_us = 1_800_000_000_000_000
        self.log = PaperLog(LogSettings(lanes=8), lambda: self.now_us)

    def open(self, settings: QueueSettings = ON_DISK) -> IngestionQueue:
        """On what is in the log."""
        return IngestionQueue(settings, log=self.log, clock_us=lambda: self.now_us, rand=lambda: 1.0)

    def killed(self, settings: QueueSettings = ON_DISK, *, power_cut: bool = False, all_of_it: bool = False) -> IngestionQueue:
        """The process is killed, and started again; of what was never answered nothing is there, or all of it."""
        self.log = self.log.crashed(lambda low, high: high if all_of_it else low, power_cut=power_cut)
        return self.open(settings)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now_us += int(seconds * 1e6)


def data(items: list[QueueItem]) -> list[Any]:
    """What is in items."""
    return [item.data for item in items]
