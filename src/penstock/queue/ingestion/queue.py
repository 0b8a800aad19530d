"""The ingestion queue of document 001, with every promise held: priorities, leases, attempts, dead letters, on a durable log."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from operator import index
from pathlib import Path
from typing import Any, Self

from penstock.model.gaps import Gap
from penstock.queue.durable.disk import RealDisk
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.durable.displacing import listed
from penstock.queue.durable.documents import IDENTITY
from penstock.queue.ingestion.desk import Desk
from penstock.queue.ingestion.errors import AlreadyProcessing, NotAQueue, TooManyFailures
from penstock.queue.ingestion.item import QueueItem, QueuePriority
from penstock.queue.ingestion.lanes import JOURNAL, LANES
from penstock.queue.ingestion.processing import Processing, Processor
from penstock.queue.ingestion.settings import QueueSettings, micros
from penstock.queue.ingestion.stats import QueueStats, stats
from penstock.queue.ingestion.steps import Steps, finish, finish_async
from penstock.queue.log import Log, LogClosed, LogFull, LogSettings
from penstock.queue.memory import MemoryLog


def steady_us() -> Callable[[], int]:
    """A clock in microseconds since 1970 that nobody can put back: the time of now, and from then on what the monotonic clock adds."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + offset) // 1_000


class IngestionQueue:
    """Takes items from anything that cannot wait, and hands them to something that can fail.

    What `enqueue` has returned for is delivered at least once, until `ack` has returned for it, and never after that; with
    `persist_to_disk` also when the process is killed or the machine loses its power in between. Every method may be called from any
    thread; those that wait have a twin for event loops, whose name ends in `_async`, which is the same code.

    `log`, `clock_us` (microseconds since 1970, never going back) and `rand` (from [0, 1)) are for tests.
    """

    def __init__(
        self,
        settings: QueueSettings | None = None,
        *,
        log: Log | None = None,
        clock_us: Callable[[], int] | None = None,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings or QueueSettings()
        self._desk = Desk.opened(log or opened(self.settings), self.settings, clock_us or steady_us(), rand)
        self._processing: Processing | None = None
        with suppress(LogFull):  # the journal is written when there is room again
            finish(self._desk.store.save())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enqueue(self, source: str, data: Any, priority: QueuePriority = QueuePriority.NORMAL, *, key: str | None = None) -> str:  # noqa: ANN401 - any data
        """Put one item in; its id. It is on disk when this returns, where the queue is.

        With `key`, and a `dedup_window_sec`, an item that was enqueued under the same key within the window is the same item: nothing is
        put in, and the id is that of the first.

        Raises:
            NotQueueable: the data cannot be written down.
            QueueFull: there is no room, and `overflow` made none.
            LogFull: the disk has no room.
            AppendUnknown: writing failed, and the item may be there or not.
        """
        return finish(self._enqueue(source, data, priority, key))

    async def enqueue_async(self, source: str, data: Any, priority: QueuePriority = QueuePriority.NORMAL, *, key: str | None = None) -> str:  # noqa: ANN401 - any data
        """As `enqueue`."""
        return await finish_async(self._enqueue(source, data, priority, key))

    def enqueue_batch(self, items: Iterable[tuple[str, Any]], priority: QueuePriority = QueuePriority.BATCH) -> list[str]:
        """Put many items in, each a source and data; their ids. All are there when this returns; raises as `enqueue`, and then none is.

        A crash may leave the first ones of a batch, and so may what `AppendUnknown` stands for.
        """
        return finish(self._desk.enqueueing.many(list(items), QueuePriority(priority).value))

    async def enqueue_batch_async(self, items: Iterable[tuple[str, Any]], priority: QueuePriority = QueuePriority.BATCH) -> list[str]:
        """As `enqueue_batch`."""
        return await finish_async(self._desk.enqueueing.many(list(items), QueuePriority(priority).value))

    def lease(self, limit: int | None = None, *, wait_sec: float = 0.0) -> list[QueueItem]:
        """Take at most `limit` items (`batch_size`), waiting for the first so long; they are nobody else's until the lease runs out.

        Each has to be acked, nacked or rejected before `lease_timeout_sec` is over; then it waits again, tried once more.
        """
        return finish(self._lease(limit, wait_sec))

    async def lease_async(self, limit: int | None = None, *, wait_sec: float = 0.0) -> list[QueueItem]:
        """As `lease`."""
        return await finish_async(self._lease(limit, wait_sec))

    def ack(self, items: Iterable[QueueItem]) -> None:
        """These are processed: they never come again once this returns.

        Raises:
            StaleLease: some of them are not in their lease any more, or were acked before. The others are acked.
            LogFull: the disk has no room for it: they do not come again unless the process ends before there is some.
        """
        finish(self._desk.settling.ack(items))

    async def ack_async(self, items: Iterable[QueueItem]) -> None:
        """As `ack`."""
        await finish_async(self._desk.settling.ack(items))

    def nack(self, items: Iterable[QueueItem], error: object = "", *, delay_sec: float | None = None) -> None:
        """These failed: they come again after the delay (None: one that grows with their attempts), or are dead letters after the last one.

        They keep their id and their priority, and are on disk with their new attempt when this returns.

        Raises:
            StaleLease: one of them is not in its lease any more, or was acked. Nothing was done.
        """
        finish(self._desk.settling.nack(items, error, delay_sec))

    async def nack_async(self, items: Iterable[QueueItem], error: object = "", *, delay_sec: float | None = None) -> None:
        """As `nack`."""
        await finish_async(self._desk.settling.nack(items, error, delay_sec))

    def reject(self, items: Iterable[QueueItem], error: object = "") -> None:
        """These will never succeed: put them into the dead letters at once. Raises as `nack`."""
        finish(self._desk.settling.reject(list(items), error))

    async def reject_async(self, items: Iterable[QueueItem], error: object = "") -> None:
        """As `reject`."""
        await finish_async(self._desk.settling.reject(list(items), error))

    def extend(self, items: Iterable[QueueItem]) -> None:
        """The leases of these items begin anew, for everything that is in them. Raises `StaleLease` where one has run out."""
        self._desk.settling.extend(items)

    def give_back(self, items: Iterable[QueueItem]) -> None:
        """These were not tried after all: they wait again as they were."""
        self._desk.settling.give_back(items)

    def start_processing(self, processor: Processor, interval: float | None = None, workers: int = 1) -> None:
        """Have threads of this process process whatever comes: `processor(item)` says whether it succeeded.

        An item that failed, or raised, is tried again; one for which `Refused` was raised is a dead letter at once. `interval` is the
        longest time in seconds that a worker waits before it looks for itself (None: `flush_interval_sec`); work that is there never waits
        for it. Processing stops by itself when 50 items in a row have become dead letters, or half of the last 200.

        Raises:
            AlreadyProcessing: it was started before.
        """
        if self._desk.store.closed:
            raise LogClosed
        if self._processing is not None and self._processing.running:
            raise AlreadyProcessing
        self._processing = Processing(self._desk, processor, self.settings.flush_interval_sec if interval is None else interval, workers)
        self._processing.start()

    def stop_processing(self) -> None:
        """Have the workers stop after the item that each is at. Raises what had stopped them before, such as `TooManyFailures`."""
        if self._processing is not None:
            self._processing.stop()
            self._processing.join()

    def join_processing(self, timeout: float | None = None) -> None:
        """Wait until processing stops by itself, or so many seconds. Raises what stopped it."""
        if self._processing is not None:
            self._processing.join(timeout)

    @property
    def processing(self) -> bool:
        """Whether workers are at work."""
        return self._processing is not None and self._processing.running

    def peek(self, limit: int = 100) -> list[QueueItem]:
        """Items that wait, without taking them: those of each priority in order, the highest priority first."""
        return self._desk.leasing.peek(limit)

    def get_dead_letter_items(self, limit: int = 100) -> list[QueueItem]:
        """The newest dead letters, newest first; `error` says why."""
        return self._desk.letters.newest(limit)

    def add_dead_letter(self, source: str, data: Any, error: object, priority: QueuePriority = QueuePriority.NORMAL) -> None:  # noqa: ANN401 - any data
        """Keep what was refused before it could be enqueued; it is there when this returns, and is no item until it is retried.

        Raises `NotQueueable`, `LogFull`, `AppendUnknown` as `enqueue`.
        """
        finish(self._desk.letters.add(source, data, QueuePriority(priority), error))

    def retry_dead_letter(self, item_id: str) -> bool:
        """Put a dead letter back into the queue, as if it had never been tried; False where there is none with this id."""
        return finish(self._desk.letters.retry(item_id))

    def clear_dead_letter(self, ids: str | Iterable[str] | None = None) -> int:
        """Let go of all dead letters, or of those with these ids; how many there were. They are gone for good when this returns."""
        return finish(self._desk.letters.clear(ids))

    def record_gap(self, gap: Gap) -> None:
        """Keep the record of something that was lost before it could be enqueued. Raises `LogFull`, `AppendUnknown`."""
        finish(self._desk.store.record_gap(gap))

    def gaps(self, limit: int = 100) -> list[Gap]:
        """The newest records of items that were shed, or lost on the disk, newest first."""
        finish(self._desk.room.tell_shed(now=True))
        return self._desk.letters.gaps(limit)

    def get_stats(self) -> QueueStats:
        """What the queue has done and what it holds, at this moment."""
        with self._desk.store.lock:
            self._desk.store.refresh()
            return stats(self._desk.store.state)

    def __len__(self) -> int:
        return self.get_stats().current_size

    def close(self) -> None:
        """Write down what is known, and let go of the log. Leases end with it, and do not count as tried. Closing again does nothing."""
        if self._desk.store.closed:
            return
        with ExitStack() as behind:
            behind.callback(self._desk.store.close)
            behind.callback(self._write_down)
            if self._processing is not None:
                self._processing.stop()
                with suppress(TooManyFailures):
                    self._processing.join()

    def _write_down(self) -> None:
        """What is known at the end, where there is room for it, and nobody else is closing the queue and has done so."""
        store = self._desk.store
        with suppress(LogFull, LogClosed):
            finish(self._desk.room.tell_shed(now=True))
        with suppress(LogFull, LogClosed):
            with store.lock:
                store.state.custody.end_all()
            finish(store.save())

    def _enqueue(self, source: str, data: Any, priority: QueuePriority, key: str | None) -> Steps[str]:  # noqa: ANN401 - any data
        if key is not None and self.settings.dedup_window_sec:
            return (yield from self._desk.enqueueing.once(source, data, QueuePriority(priority).value, key))
        return (yield from self._desk.enqueueing.one(source, data, QueuePriority(priority).value))

    def _lease(self, limit: int | None, wait_sec: float) -> Steps[list[QueueItem]]:
        number = self.settings.batch_size if limit is None else index(limit)
        if number < 1:
            raise ValueError(f"the limit of a lease is at least 1, and not {number}")
        return self._desk.leasing.lease(number, micros(wait_sec))


def opened(settings: QueueSettings) -> Log:
    """The log that the settings ask for.

    Raises:
        NotAQueue: the folder holds a log of something else.
    """
    bounds, folder = LogSettings(lanes=LANES, max_bytes=settings.max_bytes), Path(settings.persist_path)
    if not settings.persist_to_disk:
        return MemoryLog(bounds)
    if IDENTITY in listed(RealDisk(), folder) and not is_queue(folder):
        raise NotAQueue(str(folder))
    return DiskLog(folder, bounds)


def is_queue(folder: Path) -> bool:
    """Whether an ingestion queue is kept in a folder: its log has the lane of the journal."""
    return {IDENTITY, str(JOURNAL)} <= set(listed(RealDisk(), folder))
