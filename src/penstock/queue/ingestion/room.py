"""What happens when more is enqueued than the queue may hold."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.model.gaps import Gap
from penstock.queue.ingestion.errors import QueueFull
from penstock.queue.ingestion.journal import Told
from penstock.queue.ingestion.lane import Stretch
from penstock.queue.ingestion.lanes import DELIVERED
from penstock.queue.ingestion.settings import QueueSettings, micros
from penstock.queue.ingestion.state import Outcome
from penstock.queue.ingestion.steps import Steps
from penstock.queue.ingestion.store import Store
from penstock.queue.log import LogFull

SHED = "shed: the queue was full"
"""Cause of the gap that shed items leave."""


@dataclass(slots=True)
class Run:
    """Items that were shed and have no gap record yet: how many, and when (microseconds since 1970; 0 for before the queue was opened)."""

    count: int = 0
    since_us: int = 0
    until_us: int = 0

    def add(self, count: int, now_us: int) -> None:
        """More of them."""
        self.since_us = self.since_us if self.count else now_us
        self.until_us = now_us
        self.count += count

    def put_before(self, earlier: Run) -> None:
        """The ones of another run as well, which ended before this one began."""
        self.until_us = self.until_us if self.count else earlier.until_us
        self.since_us = earlier.since_us
        self.count += earlier.count


class Room:
    """Keeps a queue within `max_size` by making those who enqueue wait, or by shedding what matters least."""

    def __init__(self, store: Store, settings: QueueSettings) -> None:
        self._store = store
        self._settings = settings
        self._coming = 0
        account = store.state.account
        self._shed = Run(account[Outcome.SHED] + account.refused - account.told)

    @property
    def bounded(self) -> bool:
        """Whether there is a bound at all; otherwise nobody has to enter."""
        return self._settings.when_full != "spill"

    def enter(self, lane: int, number: int) -> Steps[None]:
        """Room for so many items; `leave` has to follow when they are there, or are not going to be.

        Raises:
            QueueFull: there is none. Nothing was shed for them; that they were not taken is counted.
        """
        if self._settings.when_full == "block":
            yield from self._wait(number)
        else:
            yield from self.tell_shed()
            with self._store.lock:
                fits = self._shed_for(lane, number)
            if not fits:
                raise QueueFull(f"{number} more than fit beside {self._settings.max_size} of which none may go for them")

    def leave(self, number: int) -> None:
        """So many items are there, or will not be."""
        with self._store.lock:
            self._coming -= number

    def _wait(self, number: int) -> Steps[None]:
        store = self._store
        until_us = store.clock_us() + micros(self._settings.block_timeout_sec)
        while True:
            ticket = store.changed.ticket
            with store.lock:
                if self._missing(number) <= 0:
                    self._coming += number
                    return
            now_us = store.clock_us()
            if number > self._settings.max_size or now_us >= until_us:
                raise QueueFull(f"no room for {number} within {self._settings.block_timeout_sec:g} s")
            yield store.changed.wait(ticket, (until_us - now_us) / 1e6)

    def _missing(self, number: int) -> int:
        """How many places are missing for so many more."""
        self._store.refresh()
        held = sum(lane.unsettled for lane in self._store.state.custody.by_turns)
        return held + self._coming + number - self._settings.max_size

    def _shed_for(self, lane: int, number: int) -> bool:
        """Shed what has the lowest priority, the oldest first, but nothing of a higher one; whether that was enough."""
        missing, now_us = self._missing(number), self._store.clock_us()
        lanes = self._store.state.custody.lanes[lane:DELIVERED]
        if missing > sum(one.waiting for one in lanes):
            self._store.state.account.refused += number
            self._shed.add(number, now_us)
            return False
        if missing > 0:
            shed: list[Stretch] = []
            for one in reversed(lanes):
                shed += one.oldest(missing - sum(end - start for _, start, end in shed))
            self._shed.add(self._store.settle_lazily(Outcome.SHED, shed), now_us)
        self._coming += number
        return True

    def tell_shed(self, *, now: bool = False) -> Steps[None]:
        """Record what was shed, once it is long enough ago that it began, or now; where there is no room for that, another time."""
        with self._store.lock:
            run = self._shed
            due_us = run.since_us + micros(self._settings.flush_interval_sec)
            if not run.count or not (now or self._store.clock_us() >= due_us):
                return
            self._shed = Run()
        try:
            yield from self._store.record_gap(Gap(SHED, run.count, run.since_us or None, run.until_us or None))
        except BaseException as error:
            with self._store.lock:
                self._shed.put_before(run)
            if isinstance(error, LogFull):
                return
            raise
        with self._store.lock:
            self._store.state.account.told += run.count
            self._store.note(Told(run.count))
