"""The logs keep the contract of `Log`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.queue.log import Log, LogSettings
from penstock.queue.memory import MemoryLog
from penstock.testing.logs import LogBench, LogSuite


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
