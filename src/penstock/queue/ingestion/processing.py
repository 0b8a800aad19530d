"""Threads that process what a queue hands out, until they are stopped or too much of it fails."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from penstock.model.errors import Refused, Transient
from penstock.queue.ingestion.desk import Desk
from penstock.queue.ingestion.errors import StaleLease, TooManyFailures
from penstock.queue.ingestion.item import QueueItem
from penstock.queue.ingestion.settings import micros
from penstock.queue.ingestion.steps import finish

_log = logging.getLogger(__name__)

Processor: TypeAlias = Callable[[QueueItem], bool]

IN_A_ROW = 50
OF_THE_LAST = 200
SHARE = 0.5
"""Of items that became dead letters: what stops the processing."""

SHORTEST_US = 10_000
"""Nobody looks more often without being woken."""

PAUSE_S = 0.2
"""After a passing failure of the log."""


@dataclass(slots=True)
class Failures:
    """Dead letters among what was processed: too many are 50 in a row, or half of the last 200."""

    in_a_row: int = 0
    last: deque[bool] = field(default_factory=lambda: deque(maxlen=OF_THE_LAST))

    def add(self, *, failed: bool) -> None:
        """One more item came to its end."""
        self.in_a_row = self.in_a_row + 1 if failed else 0
        self.last.append(failed)

    @property
    def too_many(self) -> str | None:
        """Why processing has to stop, if it has to."""
        if self.in_a_row >= IN_A_ROW:
            return f"{self.in_a_row} in a row"
        failed = sum(self.last)
        return f"{failed} of the last {OF_THE_LAST}" if len(self.last) == OF_THE_LAST and failed >= SHARE * OF_THE_LAST else None


class Processing:
    """Workers that lease, process and ack, all the time. `interval_sec` is the longest time that one waits without looking for itself."""

    def __init__(self, desk: Desk, processor: Processor, interval_sec: float, workers: int) -> None:
        self._desk = desk
        self._processor = processor
        if workers < 1:
            raise ValueError(f"{workers} workers")
        self._interval_us = max(micros(interval_sec), SHORTEST_US)
        self._lock = threading.Lock()
        self._failures = Failures()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, name=f"penstock-queue-{number}", daemon=True) for number in range(workers)]

    def start(self) -> None:
        """Have the workers begin."""
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        """Whether any worker is at work."""
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Have the workers stop after the item that each is at, and write down what they have done."""
        self._stopping.set()
        self._desk.store.changed.ring()

    def join(self, timeout_sec: float | None = None) -> None:
        """Wait until the workers have stopped, or so long; a worker waits for no other one. Raises what stopped them, once."""
        until = None if timeout_sec is None else time.monotonic() + timeout_sec
        for thread in self._threads if threading.current_thread() not in self._threads else ():
            thread.join(None if until is None else max(0.0, until - time.monotonic()))
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._process_some()
                except (Transient, StaleLease) as error:
                    _log.warning("%s; what was not acked comes again", error)
                    self._stopping.wait(PAUSE_S)
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: told to whoever waits for it
            _log.error("processing stopped: %s", error)
            self._error = self._error or error
            self.stop()

    def _process_some(self) -> None:
        desk, settings = self._desk, self._desk.settings
        finish(desk.room.tell_shed())
        items = finish(desk.leasing.lease(settings.batch_size, self._interval_us, self._stopping.is_set))
        batch = _Batch(desk, items)
        try:
            for one in items:
                if self._stopping.is_set():
                    break
                batch.keep()
                self._process(batch, one)
        finally:
            batch.finish()

    def _process(self, batch: _Batch, one: QueueItem) -> None:
        try:
            error = "" if self._processor(one) else "the processor said that it failed"
        except Refused as refused:
            batch.rejected(one, str(refused))
            self._count(failed=True)
        except Exception as raised:  # noqa: BLE001 - whatever it is, the item is tried again, and the error kept with it
            self._failed(batch, one, f"{type(raised).__name__}: {raised}")
        except BaseException as raised:  # it ends the processing, and the attempt
            self._failed(batch, one, f"{type(raised).__name__}: {raised}")
            raise
        else:
            if error:
                self._failed(batch, one, error)
            else:
                batch.processed(one)
                self._count(failed=False)

    def _failed(self, batch: _Batch, one: QueueItem, error: str) -> None:
        batch.failed(one, error)
        if one.attempts + 1 >= self._desk.settings.max_attempts:
            self._count(failed=True)

    def _count(self, *, failed: bool) -> None:
        with self._lock:
            self._failures.add(failed=failed)
            too_many = self._failures.too_many
        if too_many:
            raise TooManyFailures(too_many)


class _Batch:
    """What became of the items of one lease so far, and what of it is written down."""

    def __init__(self, desk: Desk, items: Sequence[QueueItem]) -> None:
        self._desk = desk
        self._left = deque(items)
        self._done: list[QueueItem] = []
        self._extended_us = self._acked_us = desk.store.clock_us()

    def keep(self) -> None:
        """See that the lease lasts, and that what is done does not wait too long to be written down."""
        settings, now_us = self._desk.settings, self._desk.store.clock_us()
        if now_us - self._acked_us >= settings.flush_interval_sec * 1e6:
            self._acked_us = now_us
            self._ack()
        if now_us - self._extended_us >= settings.lease_timeout_sec * 5e5:
            self._extended_us = now_us
            self._desk.settling.extend(self._left)

    def processed(self, one: QueueItem) -> None:
        """It is to be acked."""
        self._left.popleft()
        self._done.append(one)

    def failed(self, one: QueueItem, error: str) -> None:
        """It is to be tried again."""
        self._left.popleft()
        finish(self._desk.settling.nack([one], error, None))

    def rejected(self, one: QueueItem, error: str) -> None:
        """It is a dead letter."""
        self._left.popleft()
        finish(self._desk.settling.reject([one], error))

    def finish(self) -> None:
        """Write down what is done, and give back what was not begun."""
        try:
            self._ack()
        finally:
            self._desk.settling.give_back(self._left)

    def _ack(self) -> None:
        done, self._done = self._done, []
        finish(self._desk.settling.ack(done))
