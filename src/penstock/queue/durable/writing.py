"""How a lane takes appends: into a segment, synced, and only then answered."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from penstock.queue.durable.disk import Disk
from penstock.queue.durable.extents import SegmentFile
from penstock.queue.durable.lane import Lane
from penstock.queue.durable.segment import Segment, blocks_of
from penstock.queue.durable.survey import SUFFIX
from penstock.queue.log import AppendUnknown, LogFull, Place
from penstock.queue.pending import Pending

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LaneWriter:
    """Writes the segments of one lane. One thread at a time may write; the lock guards what readers see."""

    def __init__(self, disk: Disk, folder: Path, log: bytes, lane: Lane, lock: AbstractContextManager[object]) -> None:
        self._disk = disk
        self._folder = folder
        self._log = log
        self.lane = lane
        self._lock = lock
        self._segment: Segment | None = None
        self._next = lane.end.offset

    @property
    def file(self) -> SegmentFile | None:
        """The segment that is being written."""
        return self._segment.file if self._segment else None

    @property
    def prepared_bytes(self) -> int:
        """How much can be written without taking any more of the disk."""
        return self._segment.prepared_bytes if self._segment else 0

    @property
    def is_synced(self) -> bool:
        """Whether nothing is written that is not durable, and so not to be read."""
        return self._next == self.lane.end.offset

    def commit(self, pendings: Sequence[Pending], epoch: bytes, segment_bytes: int, now_us: int) -> bool:
        """Write the appends, under this epoch, sync if one of them asks for it, and answer each; whether it is known what is on disk.

        Where it is not, the segment is left alone, and what is appended later has to have a new epoch: its segment begins behind the last
        entry that is known to be durable, and so takes the place of whatever else reached the disk.
        """
        first = self._next
        failure = self._roll(epoch, segment_bytes)
        known = failure is None
        if known:
            failure = self._write(pendings, epoch, segment_bytes, now_us)
            known = failure is None or failure.errno in NO_ROOM
        if known and any(pending.sync for pending in pendings) and (unsynced := self._settle()):
            known, failure = False, unsynced
        self._answer(pendings, Place(self.lane.number, epoch, first), failure, known=known)
        if not known:
            self._abandon()
        return known

    def finish(self) -> None:
        """Make durable what is written, seal the segment, and let go of it. A seal that cannot be written is not missed."""
        if self._segment and self._settle() is None:
            with suppress(OSError):
                self._segment.seal()
        self.leave()

    def leave(self) -> None:
        """Let go of the segment, if there is one, as it is: what was written and not synced counts no more."""
        if self._segment:
            with suppress(OSError):  # what close says of data that was not synced is known already
                self._segment.close()
        self._segment = None
        self._next = self.lane.end.offset

    def _abandon(self) -> None:
        """Leave a segment of which nobody knows what is on disk; one in which nothing is known to be durable is removed."""
        segment = self._segment
        self.leave()
        if segment and segment.extent is None:
            with suppress(OSError):  # then the next opening sees that a later segment stands in its place
                self._disk.unlink(segment.file.path)

    def _answer(self, pendings: Sequence[Pending], first: Place, failure: OSError | None, *, known: bool) -> None:
        told = f"{self._folder}: {failure}"
        for pending in pendings:
            end = first.offset + pending.count
            if known and end <= self._next:
                pending.answer(first)
            elif known and first.offset >= self._next:
                pending.answer(LogFull(told))
            else:
                pending.answer(AppendUnknown(told))
            first = Place(first.lane, first.epoch, end)

    def _roll(self, epoch: bytes, segment_bytes: int) -> OSError | None:
        """Leave a segment that is full, or of another epoch."""
        if self._segment and (self._segment.file.epoch != epoch or self._segment.file.size_bytes >= segment_bytes):
            if failure := self._settle():
                return failure
            self.finish()
        return None

    def _write(self, pendings: Sequence[Pending], epoch: bytes, segment_bytes: int, now_us: int) -> OSError | None:
        try:
            if self._segment is None:
                self._segment = self._begin(epoch, segment_bytes, now_us)
            for block in blocks_of(pendings):
                self._segment.write(self._next, block, now_us)
                self._next += block.offsets
        except OSError as error:
            return error
        return None

    def _settle(self) -> OSError | None:
        """Make durable what is written, and let it be read."""
        if self._segment is None or self.is_synced:
            return None
        try:
            self._segment.sync()
        except OSError as error:
            return error
        with self._lock:
            if extent := self._segment.publish(self.lane.tail):
                self.lane.add(extent)
            self.lane.end = Place(self.lane.number, self._segment.file.epoch, self._next)
        return None

    def _begin(self, epoch: bytes, segment_bytes: int, now_us: int) -> Segment:
        end = self.lane.end
        file = SegmentFile(self._folder / segment_name(end.offset, epoch), end.lane, epoch, end.offset)
        segment = Segment(self._disk, file, segment_bytes)
        try:
            segment.start(self._log, now_us)
            self._disk.sync_folder(self._folder)
        except OSError:
            with suppress(OSError):
                segment.close()
                self._disk.unlink(file.path)
            raise
        return segment


def segment_name(first: int, epoch: bytes) -> str:
    """What a segment is called, so that names sort as offsets do."""
    return f"{first:020d}-{epoch.hex()}{SUFFIX}"
