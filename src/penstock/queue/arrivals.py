"""Waiting for what is appended to a log: until it has waited long enough to be taken with what follows it, or until no more will come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from penstock.model.coverage import Position
from penstock.queue.stretches import BEGINNING, Stretches


@dataclass(slots=True)
class Arrivals:
    """What arrives in the one lane of a live log. An entry waits for `flush_interval_s` at most to be taken together with others."""

    stretches: Stretches
    flush_interval_s: float = 1.0
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000
    _ended: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _failure: BaseException | None = field(default=None, init=False)

    def end(self, failure: BaseException | None = None) -> None:
        """Nothing more will be appended: what is there is the rest. Behind that comes the failure, if it was one."""
        self._failure = failure
        self._ended.set()
        self._woken.set()

    async def beyond(self, position: Position) -> None:
        """Return once there is something behind the position that has waited long enough, or once no more will come.

        Raises what `end` was told, where nothing is left.
        """
        with self._listening():
            while not (self._has_more(position) or self._ended.is_set()):
                self._woken.clear()
                await self._woken.wait()
        if self._failure is not None and not self._has_more(position):
            raise self._failure
        with suppress(TimeoutError):
            async with asyncio.timeout(await asyncio.to_thread(self._patience_s, position)):
                await self._ended.wait()

    def _has_more(self, position: Position) -> bool:
        seen = self.stretches.beginning if position == BEGINNING else position
        return self.stretches.end.order > seen.order

    def _patience_s(self, position: Position) -> float:
        """How long the oldest entry that waits may still do so."""
        waiting = self.stretches.log.read(self.stretches.place(0, position), 1)
        waited_s = (self.clock_us() - waiting[0].appended_us) / 1e6 if waiting else 0.0
        return self.flush_interval_s - max(0.0, waited_s)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(self._woken.set)

        unlisten = self.stretches.log.listen(wake)
        try:
            yield
        finally:
            unlisten()
