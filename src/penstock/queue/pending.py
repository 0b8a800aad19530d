"""Appends on their way to the disk, and how those who wait for them are told: threads and event loops, once for a whole group."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from penstock.model.errors import PenstockError

if TYPE_CHECKING:
    from penstock.model.gaps import Gap
    from penstock.queue.log import Place


class Committer(Protocol):
    """Who makes appends durable."""

    def hurry(self) -> bool:
        """Do it now, on this thread, which can wait; False if somebody is at it already."""
        ...

    def rouse(self) -> None:
        """Have it done."""
        ...


class Group:
    """Appends that are answered together. Each thread that waits has a lock of its own: hundreds do not wake up into one."""

    __slots__ = ("_answered", "_blocked", "_committer", "_lock", "_roused", "_waiting")

    def __init__(self, committer: Committer | None = None) -> None:
        self._committer = committer
        self._lock = threading.Lock()
        self._answered = self._roused = False
        self._blocked: list[threading.Lock] = []
        self._waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}

    def wait(self, timeout_s: float | None) -> bool:
        """Block until the group is answered; whether it is."""
        if self._committer is not None and not self._answered and not self._committer.hurry():
            self._rouse(self._committer)
        with self._lock:
            if self._answered:
                return True
            gate = threading.Lock()
            gate.acquire()
            self._blocked.append(gate)
        return gate.acquire(timeout=-1 if timeout_s is None else timeout_s)

    def future(self) -> asyncio.Future[None] | None:
        """What a task of the running event loop awaits, or None when the group is answered."""
        if self._committer is not None:
            self._rouse(self._committer)
        with self._lock:
            if self._answered:
                return None
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            self._waiting.setdefault(loop, []).append(future)
            return future

    def _rouse(self, committer: Committer) -> None:
        """Once is enough for all who wait."""
        if not self._roused:
            self._roused = True
            committer.rouse()

    def announce(self) -> None:
        """Every append of the group has its answer: wake all who wait, with one call for each event loop."""
        with self._lock:
            self._answered = True
        for gate in self._blocked:
            gate.release()
        for loop, futures in self._waiting.items():
            with suppress(RuntimeError):  # a loop that is closed has nobody left who waits
                loop.call_soon_threadsafe(_wake, futures)


ANSWERED = Group()
"""Of appends for which nobody has to wait."""
ANSWERED.announce()


class Pending:
    """An append that may not be durable yet. `await` it, or ask for its `result`: the place of its first entry.

    `outcome` is for the log, which knows it before those are woken who wait.
    """

    __slots__ = ("bodies", "gap", "group", "lane", "marked", "outcome", "size_bytes", "sync")

    def __init__(self, lane: int, bodies: Sequence[bytes], *, marked: bool = False, sync: bool = True, gap: Gap | None = None) -> None:
        if not bodies and gap is None:
            raise ValueError("nothing to append")
        self.outcome: Place | PenstockError | None = None
        self.group = ANSWERED
        self.lane = lane
        self.bodies: tuple[bytes, ...] = tuple(bodies)
        self.marked = marked
        self.sync = sync
        self.gap = gap
        self.size_bytes = sum(map(len, bodies))

    @property
    def count(self) -> int:
        """How many offsets it takes."""
        return len(self.bodies) or 1

    def answer(self, answer: Place | PenstockError) -> None:
        """Say what became of it; whoever waits is told when the group is announced."""
        self.outcome = answer
        self.bodies = ()

    def result(self, timeout_s: float | None = None) -> Place:
        """Block until the entries are durable. Raises what went wrong, or `TimeoutError`, after which they may still become durable."""
        if not self.group.wait(timeout_s):
            raise TimeoutError
        return self._taken()

    def __await__(self) -> Generator[object, None, Place]:
        if (future := self.group.future()) is not None:
            yield from future
        return self._taken()

    def _taken(self) -> Place:
        assert self.outcome is not None
        if isinstance(self.outcome, PenstockError):
            raise self.outcome
        return self.outcome


def _wake(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
