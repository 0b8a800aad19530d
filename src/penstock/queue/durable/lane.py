"""One lane of a log on disk: what is kept of it, in order, and what a reader at some place comes to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.model.gaps import Gap
from penstock.queue.durable.extents import Extent, SegmentFile
from penstock.queue.durable.passages import Passage, passage
from penstock.queue.durable.tail import Tail
from penstock.queue.log import DAMAGED, NO_LONGER_KEPT, Entries, Kept, Place


@dataclass(slots=True)
class Lane:
    """The extents of a lane in reading order, the place up to which it was released, and the place where the next entry goes on.

    Nothing in here is guarded: whoever calls holds the log's lock.
    """

    number: int
    released: Place
    end: Place
    extents: list[Extent] = field(default_factory=list)
    tail: Tail = field(default_factory=Tail)
    _left_bytes: int = field(init=False)
    """The size of all files but the last one, which may still grow."""

    def __post_init__(self) -> None:
        self._measure()

    @property
    def size_bytes(self) -> int:
        """The size of all files in which something is kept. There may be many, and it is asked for often."""
        return self._left_bytes + (self.extents[-1].file.size_bytes if self.extents else 0)

    def _measure(self) -> None:
        self._left_bytes = sum(file.size_bytes for file in self.files()[:-1])

    def files(self) -> Sequence[SegmentFile]:
        """The files in which something is kept, in reading order."""
        return list(dict.fromkeys(extent.file for extent in self.extents))

    def kept(self) -> Kept:
        """As in `Log`."""
        return Kept(self.released, self.end, self.size_bytes)

    def locate(self, place: Place) -> Passage | Entries | None:
        """What a reader at the place comes to: entries, a passage to be read, a gap, or nothing yet."""
        if place.offset >= self.released.offset and (entries := self.tail.read(place)):
            return entries
        at = bisect_right(self.extents, place, key=lambda extent: extent.end_place)
        if at == len(self.extents):
            return self._gap(place, self.end.offset, at) if place < self.end else None
        found = self.extents[at]
        if place.offset < found.first:
            return self._gap(place, found.first, at)
        return passage(found, place.offset if place.epoch == found.file.epoch else found.first)

    def at(self, offset: int) -> Place:
        """As in `Log`; an offset that is damaged or missing counts to the epoch before it."""
        if not self.released.offset <= offset <= self.end.offset:
            raise IndexError(f"offset {offset} of {self.released.offset} to {self.end.offset}")
        if offset == self.end.offset:
            return self.end
        at = bisect_right(self.extents, offset, key=lambda extent: extent.end)
        if at < len(self.extents) and self.extents[at].first <= offset:
            return self.extents[at].first_place._replace(offset=offset)
        return (self.extents[at - 1].first_place if at else self.released)._replace(offset=offset)

    def add(self, extent: Extent) -> None:
        """What a new file holds, behind all others."""
        self._left_bytes = self.size_bytes
        self.extents.append(extent)

    def drop(self, least: Place, *, keep: SegmentFile | None = None) -> Sequence[SegmentFile]:
        """Forget the extents that end at `least` or before it, up to those of the file to keep; the files of which nothing is left."""
        count = self._spent(least, keep)
        dropped = self.extents[:count]
        files = self._whole_files(count)
        del self.extents[:count]
        if dropped:
            self.released = dropped[-1].end_place
        self._left_bytes = self._left_bytes - sum(file.size_bytes for file in files) if self.extents else 0
        return files

    def spare_bytes(self, least: Place, *, keep: SegmentFile | None = None) -> int:
        """The size of the files that `drop` would leave nothing of."""
        return sum(file.size_bytes for file in self._whole_files(self._spent(least, keep)))

    def replace(self, file: SegmentFile, found: Sequence[Extent]) -> None:
        """Take what a closer look found in a file for what was known of it, which is at least one extent; nothing is known anew."""
        known = [number for number, extent in enumerate(self.extents) if extent.file is file]
        low, high = self.extents[known[0]].first, self.extents[known[-1]].end
        self.extents[known[0] : known[-1] + 1] = cut(found, low, high)
        self._measure()

    def _spent(self, least: Place, keep: SegmentFile | None) -> int:
        """How many extents end at `least` or before it, up to those of the file to keep."""
        count = bisect_right(self.extents, least, key=lambda extent: extent.end_place)
        return next((number for number, extent in enumerate(self.extents[:count]) if extent.file is keep), count)

    def _whole_files(self, count: int) -> Sequence[SegmentFile]:
        """The files that have all their extents among the first so many."""
        left = {extent.file for extent in self.extents[count : count + 1]}
        return [file for file in dict.fromkeys(extent.file for extent in self.extents[:count]) if file not in left]

    def _gap(self, place: Place, end: int, at: int) -> Entries | None:
        cause = DAMAGED
        if place.offset < self.released.offset:
            cause, end = NO_LONGER_KEPT, self.released.offset
        if (count := end - place.offset) <= 0:
            return None
        since_us = self.extents[at - 1].until_us if at else None
        until_us = self.extents[at].since_us if at < len(self.extents) else None
        if since_us and until_us:  # the clock may have been put back between the two
            since_us, until_us = sorted((since_us, until_us))
        return Entries(place, count, since_us or until_us or 0, gap=Gap(cause, count, since_us, until_us))


def cut(extents: Sequence[Extent], low: int, high: int) -> Sequence[Extent]:
    """What of the extents lies between two offsets, at which blocks begin and end."""
    inside = [extent for extent in extents if low <= extent.first < high]
    for extent in inside:
        extent.end = min(extent.end, high)
    return inside
