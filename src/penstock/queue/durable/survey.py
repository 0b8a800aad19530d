"""What is found in the folder of a log: every block that can be read, the holes between them, and what does not belong there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from penstock.queue.durable.disk import GONE, UNREADABLE, Disk
from penstock.queue.durable.displacing import QUARANTINE, listed, size_of
from penstock.queue.durable.extents import Extent, SegmentFile
from penstock.queue.durable.lane import Lane, cut
from penstock.queue.durable.scanning import Scan, from_blocks, from_seal
from penstock.queue.log import NO_EPOCH, Place

PIECE_BYTES = 4_096
SUFFIX = ".seg"
_NAME = re.compile(r"(0[0-9]{19})-((?!ff)[0-9a-f]{20})\.seg")
"""No log comes to offsets that need the twentieth digit, or to the year 10,854, in which epochs begin with ff."""


@dataclass(slots=True, eq=False)
class Found:
    """A segment, and what of it can be read."""

    file: SegmentFile
    scan: Scan

    @property
    def is_empty(self) -> bool:
        """Whether no entries were written to it, as far as anybody can see."""
        return not self.scan.extents and self.scan.claimed == self.file.first and not self.scan.rest.strip(b"\0")

    def is_foreign(self, log: bytes) -> bool:
        """Whether it was written by another log."""
        return self.scan.log not in (None, log)

    @property
    def claimed(self) -> int:
        """The offset up to which there were entries, as far as the segment itself says."""
        legible = self.scan.log or self.scan.claimed > self.file.first
        return self.scan.claimed if legible else 0

    @property
    def end(self) -> int:
        """The offset behind the last entry that can be read."""
        return self.scan.extents[-1].end if self.scan.extents else self.file.first

    def is_damaged(self, upto: int) -> bool:
        """Whether something cannot be read that was in it, when what follows it begins at `upto`.

        A block that goes on behind the end of the file was being written when the process ended: that is no damage.
        """
        ends = [self.file.first, *(extent.end for extent in self.scan.extents)]
        if any(end != extent.first for end, extent in zip(ends, self.scan.extents, strict=False)):
            return True
        torn = self.scan.torn and self.scan.claimed == upto
        return self.end < upto and not self.file.sealed and not torn


@dataclass(slots=True)
class Survey:
    """A lane as it was found.

    `segments` count, in reading order, with the `extents` of them; `foreign` ones belong elsewhere; `empty` ones hold nothing.
    """

    number: int
    segments: list[Found] = field(default_factory=list)
    extents: list[Extent] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)

    def sort_out(self, log: bytes) -> None:
        """Keep what belongs to this log, and of what stands at the same offset twice the later one.

        A segment begins behind the last entry that was known to be durable, so what an earlier one has at its offsets or behind them was
        never answered, or belongs to another history of this log.
        """
        found, self.segments = self.segments, []
        for segment in found:
            if segment.is_empty:
                self.empty.append(segment.file.path)
            elif segment.is_foreign(log):
                self.foreign.append(segment.file.path)
            else:
                self.segments.append(segment)
                self._go_on_with(segment)
        kept = {extent.file for extent in self.extents}
        replaced = {segment for segment in self.segments if segment.scan.extents and segment.file not in kept}
        self.foreign += [segment.file.path for segment in self.segments if segment in replaced]
        self.segments = [segment for segment in self.segments if segment not in replaced]

    def _go_on_with(self, segment: Found) -> None:
        """Take its extents instead of what stands at their offsets so far, or behind them."""
        if segment.scan.extents:
            while self.extents and self.extents[-1].first >= segment.file.first:
                self.extents.pop()
            self.extents[-1:] = [*cut(self.extents[-1:], 0, segment.file.first), *segment.scan.extents]

    def lane(self, released: Place | None, marks: Iterable[Place]) -> Lane:
        """The lane, which was given back up to `released` (None where nobody knows) and reached at least the places `marks`."""
        nothing = Place(self.number, NO_EPOCH, 0)
        reached = [nothing, *marks, *(extent.end_place for extent in self.extents[-1:])]
        claimed = max((found.claimed for found in self.segments[-1:]), default=0)
        end = Place(self.number, max(place.epoch for place in reached), max(claimed, *(place.offset for place in reached)))
        if released is None:
            released = self.extents[0].first_place if self.extents else end
        return Lane(self.number, released, end, self.extents)

    def damaged(self, end: int) -> Iterator[SegmentFile]:
        """The segments of which a part cannot be read, when the lane ends at that offset."""
        uptos = [*(found.file.first for found in self.segments[1:]), end][: len(self.segments)]
        yield from (found.file for found, upto in zip(self.segments, uptos, strict=True) if found.is_damaged(upto))

    @property
    def ends_in_rubbish(self) -> bool:
        """Whether something stands at the end of which nobody can say how many entries it was."""
        last = self.segments[-1:]
        return any(found.scan.rest.strip(b"\0") and found.scan.claimed == found.end for found in last)


def survey(disk: Disk, folder: Path, number: int) -> Survey:
    """Look at all segments of a lane, also at those that were put in quarantine."""
    lane = Survey(number)
    for place, quarantined in ((folder / str(number), False), (folder / QUARANTINE / str(number), True)):
        for name in listed(disk, place):
            if not name.endswith(SUFFIX):
                continue
            if (file := _segment(disk, place / name, number)) is None:
                lane.foreign.append(place / name)
                continue
            file.quarantined = quarantined
            lane.segments.append(Found(file, look(disk, file)))
    lane.segments.sort(key=lambda found: (found.file.epoch, found.file.first))
    return lane


def _segment(disk: Disk, path: Path, lane: int) -> SegmentFile | None:
    """The segment that the name says; None where that is no name of one, or no file."""
    if (match := _NAME.fullmatch(path.name)) is None:
        return None
    if (size_bytes := size_of(disk, path)) is None:
        return None
    return SegmentFile(path, lane, bytes.fromhex(match[2]), int(match[1]), size_bytes)


def look(disk: Disk, file: SegmentFile) -> Scan:
    """What can be read of a segment; by its seal if it has one and nobody has found it damaged."""
    sealed = None if file.quarantined else from_seal(file, partial(_read, disk, file))
    return sealed or look_closely(disk, file)


def look_closely(disk: Disk, file: SegmentFile) -> Scan:
    """What can be read of a segment, block by block; nothing of one that is gone."""
    return from_blocks(file, _read(disk, file, 0, file.size_bytes))


def _read(disk: Disk, file: SegmentFile, position: int, length: int) -> bytes:
    """A part of a file; zeros, which are no block, where the disk cannot read it, and nothing of one that is gone."""
    try:
        return disk.read(file.path, position, length)
    except OSError as error:
        if error.errno in GONE:
            return b""
        if error.errno not in UNREADABLE:
            raise
    if length <= PIECE_BYTES:
        return bytes(length)
    pieces = range(position, position + length, PIECE_BYTES)
    return b"".join(_read(disk, file, at, min(PIECE_BYTES, position + length - at)) for at in pieces)


def log_of(surveys: Sequence[Survey]) -> bytes | None:
    """The name of the log that most segments give."""
    named = Counter(found.scan.log for lane in surveys for found in lane.segments if found.scan.log)
    return max(named, key=lambda name: named[name], default=None)
