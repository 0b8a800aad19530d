"""A log in memory: everything but durable."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from penstock.model.gaps import Gap
from penstock.queue.consumers import Consumers
from penstock.queue.epochs import next_epoch
from penstock.queue.listeners import Listeners
from penstock.queue.log import NO_EPOCH, NO_LONGER_KEPT, Entries, Kept, LogClosed, LogSettings, Place, require_lane
from penstock.queue.machine import clock_us
from penstock.queue.pending import Pending


@dataclass(slots=True)
class _Lane:
    end: Place
    stretches: list[Entries] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def first(self) -> Place:
        return self.stretches[0].first if self.stretches else self.end

    def append(self, entries: Entries, size_bytes: int) -> None:
        self.stretches.append(entries)
        self.end = entries.end
        self.size_bytes += size_bytes

    def after(self, place: Place) -> Iterator[Entries]:
        if (gone := self.first.offset - place.offset) > 0:
            until_us = self.stretches[0].appended_us if self.stretches else None
            yield Entries(place, gone, until_us or 0, gap=Gap(NO_LONGER_KEPT, gone, until=until_us))
        for stretch in self.stretches[bisect_right(self.stretches, place, key=lambda stretch: stretch.end) :]:
            yield stretch.since(place.offset) if stretch.first.epoch == place.epoch else stretch

    def at(self, offset: int) -> Place:
        if not self.first.offset <= offset <= self.end.offset:
            raise IndexError(f"offset {offset} of {self.first.offset} to {self.end.offset}")
        behind = bisect_right(self.stretches, offset, key=lambda stretch: stretch.end.offset)
        return self.stretches[behind].first._replace(offset=offset) if behind < len(self.stretches) else self.end

    def drop(self, least: Place) -> None:
        whole = bisect_right(self.stretches, least, key=lambda stretch: stretch.end)
        self.size_bytes -= sum(map(size_of, self.stretches[:whole]))
        del self.stretches[:whole]


def size_of(entries: Entries) -> int:
    """Bytes of the bodies."""
    return sum(map(len, entries.bodies))


class MemoryLog:
    """See `Log`. What is appended is there at once, and gone with the process."""

    durable = False

    def __init__(self, settings: LogSettings | None = None, *, clock_us: Callable[[], int] = clock_us) -> None:
        self._settings = settings or LogSettings()
        self._clock_us = clock_us
        self._lock = threading.RLock()
        self._epoch = next_epoch(clock_us() // 1_000, os.urandom(4), NO_EPOCH)
        self._lanes = [_Lane(Place(lane, NO_EPOCH, 0)) for lane in range(self._settings.lanes)]
        self._consumers = Consumers(int(self._settings.retention_s * 1_000_000))
        self._listeners = Listeners()
        self._closed = False

    @property
    def lanes(self) -> int:
        """As in `Log`."""
        return len(self._lanes)

    def append(
        self,
        lane: int,
        bodies: Sequence[bytes],
        *,
        marked: bool = False,
        sync: bool = True,  # noqa: ARG002 - nothing is
        wake: bool = True,  # noqa: ARG002 - nobody sleeps
    ) -> Pending:
        """As in `Log`."""
        return self._append(Pending(lane, bodies, marked=marked))

    def append_gap(self, lane: int, gap: Gap) -> Pending:
        """As in `Log`."""
        return self._append(Pending(lane, (), gap=gap))

    def _append(self, pending: Pending) -> Pending:
        require_lane(pending.lane, self.lanes)
        with self._lock:
            self._require_open()
            self._settings.require_room(sum(lane.size_bytes for lane in self._lanes), pending.size_bytes)
            lane = self._lanes[pending.lane]
            first = Place(pending.lane, self._epoch, lane.end.offset)
            entries = Entries(first, pending.count, self._clock_us(), pending.bodies, pending.marked, pending.gap)
            lane.append(entries, pending.size_bytes)
        pending.answer(first)
        self._listeners.wake()
        return pending

    def read(self, place: Place, max_bytes: int) -> Sequence[Entries]:
        """As in `Log`."""
        require_lane(place.lane, self.lanes)
        found: list[Entries] = []
        with self._lock:
            self._require_open()
            for entries in self._lanes[place.lane].after(place):
                max_bytes -= size_of(entries)
                if found and max_bytes < 0:
                    break
                found.append(entries)
        return found

    def at(self, lane: int, offset: int) -> Place:
        """As in `Log`."""
        require_lane(lane, self.lanes)
        with self._lock:
            self._require_open()
            return self._lanes[lane].at(offset)

    def marked(self, lane: int) -> Iterator[Entries]:
        """As in `Log`."""
        require_lane(lane, self.lanes)
        with self._lock:
            self._require_open()
            return iter([entries for entries in self._lanes[lane].stretches if entries.marked])

    def kept(self) -> Sequence[Kept]:
        """As in `Log`."""
        with self._lock:
            self._require_open()
            return [Kept(lane.first, lane.end, lane.size_bytes) for lane in self._lanes]

    def ends(self) -> Sequence[int]:
        """As in `Log`."""
        with self._lock:
            self._require_open()
            return [lane.end.offset for lane in self._lanes]

    def renew(self, beyond: bytes) -> None:
        """As in `Log`."""
        with self._lock:
            self._require_open()
            self._epoch = next_epoch(self._clock_us() // 1_000, os.urandom(4), max(beyond, self._epoch))

    def register(self, consumer: str) -> Sequence[Place]:
        """As in `Log`."""
        with self._lock:
            self._require_open()
            return self._consumers.register(consumer, [lane.first for lane in self._lanes], self._clock_us())

    def release(self, consumer: str, upto: Iterable[Place]) -> None:
        """As in `Log`."""
        with self._lock:
            self._require_open()
            self._consumers.release(consumer, upto, self._clock_us())
            for number, lane in enumerate(self._lanes):
                lane.drop(self._consumers.least(number, self._clock_us()) or lane.first)
        self._listeners.wake()

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """As in `Log`."""
        return self._listeners.add(wake)

    def close(self) -> None:
        """As in `Log`."""
        self._closed = True
        self._listeners.wake()

    def _require_open(self) -> None:
        if self._closed:
            raise LogClosed
