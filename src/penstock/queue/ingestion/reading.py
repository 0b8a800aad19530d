"""Reading entries of a lane by their offsets, some ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from penstock.queue.log import Entries, ReadableLog

AHEAD_BYTES = 1 << 18
"""About what is read at once, and kept for the next time; a lane keeps at least one stretch, however large."""


class Reader:
    """Reads one lane, mostly forward."""

    def __init__(self, log: ReadableLog, lane: int) -> None:
        self._log = log
        self._lane = lane
        self._ahead: deque[Entries] = deque()

    def read(self, start: int, end: int) -> Iterator[Entries]:
        """What stands at the offsets from `start` up to `end`, cut to them."""
        while start < end:
            entries = self._at(start)
            stretch = _cut(entries, start, end)
            start += stretch.count
            yield stretch

    def _at(self, offset: int) -> Entries:
        while self._ahead and self._ahead[0].first.offset + self._ahead[0].count <= offset:
            self._ahead.popleft()
        if not self._ahead or offset < self._ahead[0].first.offset:
            self._ahead = deque(self._log.read(self._log.at(self._lane, offset), AHEAD_BYTES))
        return self._ahead[0]


def _cut(entries: Entries, start: int, end: int) -> Entries:
    rest = entries.since(start)
    return rest if rest.count <= end - start else replace(rest, count=end - start, bodies=rest.bodies[: end - start])
