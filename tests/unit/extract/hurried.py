"""An event loop in a hurry: where nothing is left to do but wait, it is later at once.

Servers of the same process are served as always: time jumps only when no socket has anything to say.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from types import SimpleNamespace

import pytest

from penstock.extract import api, explore
from penstock.simulate.datasync import Clock
from penstock.stores.http import client

GRACE_S = 0.002
EPOCH_S = 1_800_000_000.0
"""What time it is in a test; a whole second, so that dates, which have no fractions, say it exactly."""


class _Impatient(selectors.DefaultSelector):
    """Waits for sockets no longer than a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; without anything the time-out is over."""
        ready = super().select(timeout if timeout is None else min(timeout, GRACE_S))
        if not ready and timeout is not None:
            self.skipped_s += max(0.0, timeout)
        return ready


class HurriedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps."""

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        """Seconds, waited or skipped."""
        return time.monotonic() + self._impatient.skipped_s


def hurry(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the API client go by the running loop's clock, which the simulator may share."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    def now() -> float:
        return EPOCH_S + loop.time() - began

    for module in (api, explore, client):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=now, time_ns=lambda: int(now() * 1e9)))
    return Clock(now=now, sleep=asyncio.sleep)
