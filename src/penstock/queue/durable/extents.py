"""Where entries are: files, and the stretches of them that can be read."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from penstock.queue.durable.frames import MARKED, Header, Seal
from penstock.queue.log import Place

POINT_BYTES = 64 << 10
"""How far apart the places are from which a reader may begin to look."""


@dataclass(slots=True, eq=False)
class SegmentFile:
    """A file of one lane, named by its first offset and its epoch. `sealed` if it is full and nothing of it was lost when it was."""

    path: Path
    lane: int
    epoch: bytes
    first: int
    size_bytes: int = 0
    sealed: bool = False
    quarantined: bool = False


@dataclass(slots=True, eq=False)
class Extent:
    """Blocks of a file that follow each other without a hole: offsets `first` to `end`, bytes `start` to `stop`.

    `points` are offset and position of the first block, and of one in about every 64 KiB; `marked` the positions of marked blocks.
    """

    file: SegmentFile
    first: int
    end: int
    start: int
    stop: int
    since_us: int
    until_us: int
    points: list[tuple[int, int]] = field(default_factory=list)
    marked: array[int] = field(default_factory=lambda: array("Q"))
    _next_point: int = 0

    @property
    def first_place(self) -> Place:
        """Where its first entry is."""
        return Place(self.file.lane, self.file.epoch, self.first)

    @property
    def end_place(self) -> Place:
        """The place behind its last entry."""
        return Place(self.file.lane, self.file.epoch, self.end)

    def grow(self, header: Header, position: int) -> None:
        """Another block follows, at this position of the file."""
        if position >= self._next_point:
            self.points.append((header.first, position))
            self._next_point = position + POINT_BYTES
        if header.flags & MARKED:
            self.marked.append(position)
        self.end = header.end
        self.stop = position + header.size_bytes
        self.until_us = header.appended_us

    def near(self, offset: int) -> int:
        """The position of a block at or before the one that holds the offset."""
        return self.points[max(0, bisect_right(self.points, offset, key=lambda point: point[0]) - 1)][1]

    def seal(self) -> Seal:
        """What a later opening needs to know of it."""
        return Seal(self.since_us, self.points, self.marked)


def begun(file: SegmentFile, header: Header, position: int) -> Extent:
    """A stretch that begins with this block."""
    extent = Extent(file, header.first, header.first, position, position, header.appended_us, header.appended_us)
    extent.grow(header, position)
    return extent


def unsealed(file: SegmentFile, header: Header, seal: Seal, stop: int) -> Extent:
    """The stretch that a seal describes: its header, what it says, and where it begins in the file."""
    first, start = seal.points[0]
    return Extent(file, first, header.first, start, stop, seal.since_us, header.appended_us, list(seal.points), array("Q", seal.marked))
