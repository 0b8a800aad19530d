"""The logs keep the contract of `Log`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.queue.durable.disklog import DiskLog
from penstock.queue.log import Log, LogSettings
from penstock.queue.machine import Machine
from penstock.queue.memory import MemoryLog
from penstock.testing.logs import DurableLogSuite, LogBench, LogSuite


class MemoryLogBench:
    """Logs in memory."""

    def open(self, settings: LogSettings, clock_us: Callable[[], int]) -> Log:
        """An empty one, each time."""
        return MemoryLog(settings, clock_us=clock_us)


class TestMemoryLog(LogSuite):
    """In memory."""

    @pytest.fixture
    def bench(self) -> LogBench:
        """Empty ones."""
        return MemoryLogBench()


@dataclass
class DiskLogBench:
    """Logs on disk."""

    folder: Path

    def open(self, settings: LogSettings, clock_us: Callable[[], int]) -> Log:
        """The one in the folder."""
        return DiskLog(self.folder, settings, machine=Machine(clock_us))


class TestDiskLog(DurableLogSuite):
    """On disk."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> LogBench:
        """In a folder that is not there yet."""
        return DiskLogBench(tmp_path / "waiting" / "log")
