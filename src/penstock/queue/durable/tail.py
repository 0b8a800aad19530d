"""The newest entries of a lane in memory, for readers who keep up: what was just written need not be read again."""

from __future__ import annotations

from bisect import bisect_right

from penstock.queue.log import Entries, Place

TAIL_BYTES = 1 << 20
"""About as much is kept of a lane."""


class Tail:
    """The last stretches of a lane that were made durable by this process."""

    __slots__ = ("_bytes", "_stretches")

    def __init__(self) -> None:
        self._stretches: list[Entries] = []
        self._bytes = 0

    def add(self, entries: Entries) -> None:
        """They are durable now. The oldest are forgotten, so that never more than twice `TAIL_BYTES` are kept."""
        self._stretches.append(entries)
        self._bytes += _size(entries)
        if self._bytes > 2 * TAIL_BYTES:
            self._forget()

    def _forget(self) -> None:
        count = 0
        while self._bytes > TAIL_BYTES:
            self._bytes -= _size(self._stretches[count])
            count += 1
        del self._stretches[:count]

    def read(self, place: Place) -> Entries | None:
        """The stretch that begins at the place; None where it has to be read from a file."""
        at = bisect_right(self._stretches, place.offset, key=lambda stretch: stretch.first.offset) - 1
        if at < 0:
            return None
        found = self._stretches[at]
        return found.since(place.offset) if found.first.epoch == place.epoch and place.offset < found.end.offset else None


def _size(entries: Entries) -> int:
    return sum(map(len, entries.bodies)) + 64
