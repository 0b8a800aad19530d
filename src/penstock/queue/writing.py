"""How a lane takes appends: into a segment, synced, and only then answered."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from penstock.queue.disk import Disk
from penstock.queue.extents import SegmentFile
from penstock.queue.frames import Start
from penstock.queue.lane import Lane
from penstock.queue.log import AppendUnknown, LogFull, Place
from penstock.queue.pending import Pending
from penstock.queue.segment import Segment, blocks_of

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

    @property
    def file(self) -> SegmentFile | None:
        """The segment that is being written."""
        return self._segment.file if self._segment else None

    def commit(self, pendings: Sequence[Pending], epoch: bytes, segment_bytes: int, now_us: int) -> bool:
        """Make the appends durable, under this epoch, and answer each of them; whether it is known what became of them.

        Where it is not, the segment is left alone, and what is appended later has to have a new epoch: its segment begins behind the last
        entry that is known to be durable, and so takes the place of whatever else reached the disk.
        """
        first = self.lane.end.offset
        written, failure = self._write(pendings, epoch, segment_bytes, now_us)
        known = failure is None or failure.errno in NO_ROOM
        if known and self._segment and written > first:
            try:
                self._segment.sync()
            except OSError as error:
                known, failure = False, error
        if known:
            self._publish(Place(self.lane.number, epoch, written))
        else:
            self.leave()
        for pending in pendings:
            if known and first + pending.count <= written:
                pending.answer(Place(self.lane.number, epoch, first))
            elif known and first >= written:
                pending.answer(LogFull(self._told(failure)))
            else:
                pending.answer(AppendUnknown(self._told(failure)))
            first += pending.count
        return known

    def finish(self) -> None:
        """Seal the segment, if there is one, and let go of it. A seal that cannot be written is not missed."""
        if self._segment:
            with suppress(OSError):
                self._segment.seal()
        self.leave()

    def leave(self) -> None:
        """Let go of the segment, if there is one, as it is."""
        if self._segment:
            with suppress(OSError):  # what close says of data that was not synced is known already
                self._segment.close()
        self._segment = None

    def _write(self, pendings: Sequence[Pending], epoch: bytes, segment_bytes: int, now_us: int) -> tuple[int, OSError | None]:
        written = self.lane.end.offset
        try:
            segment = self._ready(epoch, segment_bytes, now_us)
            for block in blocks_of(pendings):
                segment.write(written, block, now_us)
                written += block.offsets
        except OSError as error:
            return written, error
        return written, None

    def _ready(self, epoch: bytes, segment_bytes: int, now_us: int) -> Segment:
        if self._segment and (self._segment.file.epoch != epoch or self._segment.file.size_bytes >= segment_bytes):
            self.finish()
        if self._segment is None:
            self._segment = self._begin(epoch, now_us)
        return self._segment

    def _begin(self, epoch: bytes, now_us: int) -> Segment:
        end = self.lane.end
        file = SegmentFile(self._folder / segment_name(end.offset, epoch), end.lane, epoch, end.offset)
        segment = Segment(self._disk, file)
        try:
            segment.start(Start(self._log, end.epoch), now_us)
            self._disk.sync_folder(self._folder)
        except OSError:
            with suppress(OSError):
                segment.close()
                self._disk.unlink(file.path)
            raise
        return segment

    def _publish(self, end: Place) -> None:
        with self._lock:
            if self._segment and self._segment.publish() and self._segment.extent:
                self.lane.extents.append(self._segment.extent)
            if end.offset > self.lane.end.offset:
                self.lane.end = end

    def _told(self, failure: OSError | None) -> str:
        return f"{self._folder}: {failure.strerror if failure else ''}"


def segment_name(first: int, epoch: bytes) -> str:
    """What a segment is called, so that names sort as offsets do."""
    return f"{first:020d}-{epoch.hex()}.seg"
