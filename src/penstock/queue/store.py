"""The segments of a log on disk: written, read, given back. Nothing in here starts a thread."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from penstock.queue.consumers import Consumers
from penstock.queue.disk import Disk, replace_file
from penstock.queue.documents import CONSUMERS, IDENTITY, Identity, Pair, encoded, pairs, record_of
from penstock.queue.epochs import next_epoch
from penstock.queue.extents import Extent, SegmentFile
from penstock.queue.frames import Damaged
from penstock.queue.log import Entries, Kept, LogFull, LogSettings, Place
from penstock.queue.machine import Machine
from penstock.queue.opening import Finding, contents, give_back, mend, to_quarantine
from penstock.queue.pending import Pending
from penstock.queue.reading import Passage
from penstock.queue.survey import look_closely
from penstock.queue.writing import LaneWriter

SAVED_EVERY_US = 1_000_000
"""How far the consumers' cursors on disk may lag behind while nothing is given back."""

LOST = frozenset({errno.EIO, errno.ENOENT})
"""What the operating system says of bytes that are gone. Whatever else it says is about this process, and is raised."""

T = TypeVar("T")


class Store:
    """The folder of a log. Any thread may call."""

    def __init__(self, disk: Disk, folder: Path, settings: LogSettings, machine: Machine) -> None:
        """Open the folder, in whatever state it is. Raises `LogOfAnotherVersion`, `OSError` where it may not be used."""
        self._disk = disk
        self._folder = folder
        self._settings = settings
        self._segment_bytes = min(settings.segment_bytes, settings.max_bytes // (8 * settings.lanes))
        self._machine = machine
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._releasing = threading.Lock()
        retention_us = int(settings.retention_s * 1_000_000)
        found = contents(disk, folder, settings.lanes)
        for lane in found.lanes:
            disk.make_folder(folder / str(lane.number))
        disk.sync_folder(folder)
        self.findings: list[Finding] = [*mend(disk, found, machine.clock_us() - retention_us)]
        self.lanes = found.lanes
        self.cut = found.cut
        self._log = found.log or machine.random(16)
        self._epoch = next_epoch(machine.clock_us() // 1_000, machine.random(4), found.greatest_epoch)
        self._consumers = Consumers(retention_us, found.consumers)
        self._saved_us = 0
        self._writers = [LaneWriter(disk, folder / str(lane.number), self._log, lane, self._lock) for lane in self.lanes]
        self.held_bytes = 0
        self._give_back([file for lane in self.lanes for file in lane.drop(lane.released)])
        self._identify(found.identity.ends if found.identity else ())
        self._save()

    def commit(self, pendings: Sequence[Pending]) -> None:
        """Make the appends durable and answer each. Those of one lane follow each other in the order given."""
        with self._writing:
            before = self._being_written()
            try:
                if self._has_room(sum(pending.size_bytes for pending in pendings)):
                    self._commit(pendings)
                else:
                    detail = f"{self._folder}: less than {self._settings.min_free_bytes:,} bytes would stay free on its disk"
                    for pending in pendings:
                        pending.answer(LogFull(detail))
            except BaseException:
                for writer in self._writers:
                    writer.leave()
                self._renew(self._epoch)
                raise
            finally:
                self._count_what_grew(before)
        if any(isinstance(pending.outcome, LogFull) for pending in pendings):
            with self._releasing:
                self._collect()

    def read(self, place: Place, max_bytes: int) -> Sequence[Entries]:
        """As in `Log`."""
        found: list[Entries] = []
        while max_bytes > 0 or not found:
            where = self._locate(place)
            if where is None:
                break
            if isinstance(where, Entries):
                if where.gap is not None and not self._ends_there(where):
                    continue
                read: Sequence[Entries] = [where]
            else:
                read = self._passage(where, max_bytes) or ()
            found += read
            max_bytes -= sum(sum(map(len, entries.bodies)) for entries in read)
            place = found[-1].end if found else place
        return found

    def marked(self, lane: int) -> Iterator[Entries]:
        """As in `Log`."""
        with self._lock:
            blocks = [(extent, position) for extent in self.lanes[lane].extents for position in extent.marked]
        for extent, position in blocks:
            if (entries := self._block(extent, position)) is not None and entries.end <= extent.end_place:
                yield entries

    def at(self, lane: int, offset: int) -> Place:
        """As in `Log`."""
        with self._lock:
            return self.lanes[lane].at(offset)

    def kept(self) -> Sequence[Kept]:
        """As in `Log`."""
        with self._lock:
            return [lane.kept() for lane in self.lanes]

    def renew(self, beyond: bytes) -> None:
        """As in `Log`."""
        with self._writing:
            self._renew(max(beyond, self._epoch))

    def register(self, consumer: str) -> Sequence[Place]:
        """As in `Log`."""
        with self._releasing:
            with self._lock:
                cursors = self._consumers.register(consumer, [lane.released for lane in self.lanes], self._machine.clock_us())
            self._save()
        return cursors

    def release(self, consumer: str, upto: Iterable[Place]) -> None:
        """As in `Log`."""
        with self._releasing:
            with self._lock:
                self._consumers.release(consumer, upto, self._machine.clock_us())
            self._collect()

    def close(self) -> None:
        """Let go of the folder. Its lanes end here, and the next opening knows it."""
        with self._writing, self._releasing:
            for writer in self._writers:
                writer.finish()
            self._save()
            self._identify(pairs(lane.end for lane in self.lanes))

    def _commit(self, pendings: Sequence[Pending]) -> None:
        now_us = self._machine.clock_us()
        for writer in self._writers:
            mine = [pending for pending in pendings if pending.lane == writer.lane.number]
            if mine and not writer.commit(mine, self._epoch, self._segment_bytes, now_us):
                self._renew(self._epoch)

    def _has_room(self, size_bytes: int) -> bool:
        return self._disk.free_bytes(self._folder) - size_bytes >= self._settings.min_free_bytes

    def _renew(self, beyond: bytes) -> None:
        self._epoch = next_epoch(self._machine.clock_us() // 1_000, self._machine.random(4), beyond)

    def _locate(self, place: Place) -> Passage | Entries | None:
        with self._lock:
            return self.lanes[place.lane].locate(place)

    def _ends_there(self, gap: Entries) -> bool:
        """Whether what follows the gap can be read: a segment's seal may promise what is damaged as well, and then the gap is longer."""
        following = self._locate(gap.end)
        return (
            not isinstance(following, Passage) or self._attempt(following, partial(Passage.read, disk=self._disk, max_bytes=1)) is not None
        )

    def _passage(self, passage: Passage, max_bytes: int) -> Sequence[Entries] | None:
        return self._attempt(passage, partial(Passage.read, disk=self._disk, max_bytes=max_bytes))

    def _attempt(self, passage: Passage, read: Callable[[Passage], T]) -> T | None:
        """What is read; None where it cannot be, and then the file is looked through, so that the next attempt finds a gap."""
        try:
            return read(passage)
        except OSError as error:
            if error.errno not in LOST:
                raise
        except Damaged:
            pass
        self._look_again(passage)
        return None

    def _block(self, extent: Extent, position: int) -> Entries | None:
        for _ in range(2):  # the file may be put aside between two looks at where it is
            passage = Passage(extent.file, extent.file.path, extent.first, extent.end, position, extent.stop)
            if (entries := self._attempt(passage, partial(Passage.block, disk=self._disk))) is not None:
                return entries
        return None

    def _look_again(self, passage: Passage) -> None:
        """Find out what can still be read of a file, unless it was given back or put aside meanwhile."""
        lane, file = self.lanes[passage.file.lane], passage.file
        with self._writing:
            if file.path != passage.path or file not in lane.files():
                return
            writer = self._writers[file.lane]
            if writer.file is file:
                writer.finish()
            found = look_closely(self._disk, file).extents
            with self._lock:
                lane.replace(file, found)
            if not file.quarantined:
                self.findings.append(to_quarantine(self._disk, self._folder, file))
        self._count()

    def _collect(self) -> None:
        """Give back what nobody needs. The cursors are written before segments are removed if there is room for that, or else after it."""
        self._leave_spent()
        files = self._drop()
        is_due = bool(files) or self._machine.clock_us() - self._saved_us >= SAVED_EVERY_US
        saved = self._save() if is_due else True
        self._give_back(files)
        if not saved:
            self._save()

    def _leave_spent(self) -> None:
        """Let go of segments that are being written and of which everything was released, once they are worth it."""
        worth_bytes = self._segment_bytes // 4 if self._has_room(self._segment_bytes) else 1
        with self._lock:
            spent = [
                writer for writer in self._writers if writer.file and writer.file.size_bytes >= worth_bytes and self._is_released(writer)
            ]
        if spent:
            with self._writing:
                for writer in spent:
                    if self._is_released(writer):
                        writer.leave()

    def _is_released(self, writer: LaneWriter) -> bool:
        least = self._consumers.least(writer.lane.number, self._machine.clock_us())
        return writer.is_synced and least is not None and writer.lane.end <= least

    def _drop(self) -> Sequence[SegmentFile]:
        files: list[SegmentFile] = []
        with self._lock:
            for lane, writer in zip(self.lanes, self._writers, strict=True):
                if (least := self._consumers.least(lane.number, self._machine.clock_us())) is not None:
                    files += lane.drop(least, keep=writer.file)
        return files

    def _give_back(self, files: Iterable[SegmentFile]) -> None:
        keep_damaged = self._has_room(0)
        for file in files:
            with suppress(OSError):  # what cannot be removed now is found, and removed, when the log is opened again
                give_back(self._disk, file, keep_damaged=keep_damaged)
        self._count()

    def _save(self) -> bool:
        with self._lock:
            record = record_of([lane.released for lane in self.lanes], self._consumers.known)
        self._saved_us = self._machine.clock_us()
        return self._replace(CONSUMERS, encoded(record))

    def _identify(self, ends: tuple[Pair, ...]) -> None:
        device, inode = self._disk.identity(self._folder)
        identity = Identity(self._log.hex(), self._epoch.hex(), self._machine.name, device, inode, ends)
        self._replace(IDENTITY, encoded(identity))

    def _replace(self, name: str, content: bytes) -> bool:
        """Whether the file could be written. Where it could not, what it said before is true as well, and less up to date."""
        try:
            replace_file(self._disk, self._folder / name, content)
        except OSError:
            return False
        return True

    def _being_written(self) -> Mapping[SegmentFile, int]:
        return {writer.file: writer.file.size_bytes for writer in self._writers if writer.file}

    def _count_what_grew(self, before: Mapping[SegmentFile, int]) -> None:
        """As `_count`, and cheaper where no segment was begun or left: a log may have many."""
        now = self._being_written()
        if now.keys() == before.keys():
            self.held_bytes += sum(now.values()) - sum(before.values())
        else:
            self._count()

    def _count(self) -> None:
        with self._lock:
            self.held_bytes = sum(lane.kept().size_bytes for lane in self.lanes)
