"""Looking at a log that another process may have open: no lock is taken, and nothing in the folder is changed.

What is seen is one moment of each lane. The process that writes may begin, leave and remove files meanwhile; where that could show what
never was, one looks again.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from penstock.model.errors import TryLater
from penstock.queue.durable.disk import RealDisk
from penstock.queue.durable.disklog import naming
from penstock.queue.durable.displacing import QUARANTINE, listed
from penstock.queue.durable.lock import holder
from penstock.queue.durable.opening import Contents, contents
from penstock.queue.durable.reader import Reader
from penstock.queue.durable.state import State
from penstock.queue.durable.writing import LaneWriter
from penstock.queue.log import Entries, Kept, LogSettings, Place
from penstock.queue.machine import Machine

MOST_LOOKS = 200
"""After so many attempts a log that never stands still is left alone."""

LOOKS_AT_DAMAGE = 5
"""What cannot be read so many times is damaged, and not just being written."""

T = TypeVar("T")


class NeverStill(TryLater):
    """The log changes faster than it can be looked at."""

    default_hint = "Try again, or stop the process that has it open."


class Gone(Exception):
    """A file was removed that was there a moment ago: what it held is needed by nobody any more."""


class StillDisk(RealDisk):
    """The disk, to be read only."""

    def read(self, path: Path, position: int, length: int) -> bytes:
        """As in `Disk`; raises `Gone` where the file is."""
        try:
            return super().read(path, position, length)
        except FileNotFoundError:
            raise Gone from None

    def make_folder(self, folder: Path) -> None:
        """Not here: so nothing is put into quarantine either."""
        raise OSError(errno.EROFS, "it is looked at only", str(folder))


class StillLog:
    """What a log held when somebody looked. `holder` is the process that had it open, if one had."""

    def __init__(self, disk: StillDisk, found: Contents, holder: int | None) -> None:
        lock, log = threading.Lock(), found.log or b""
        writers = [LaneWriter(disk, found.folder, log, lane, lock) for lane in found.lanes]
        self._state = State(disk, found.folder, LogSettings(), Machine(), found.lanes, [], lock, writers)
        self._reader = Reader(self._state)
        self.holder = holder

    def read(self, place: Place, max_bytes: int) -> Sequence[Entries]:
        """As in `Log`."""
        return self._reader.read(place, max_bytes)

    def at(self, lane: int, offset: int) -> Place:
        """As in `Log`."""
        return self._state.at(lane, offset)

    def marked(self, lane: int) -> Iterator[Entries]:
        """As in `Log`."""
        return self._reader.marked(lane)

    def kept(self) -> Sequence[Kept]:
        """As in `Log`."""
        return self._state.kept()


def look(folder: Path, see: Callable[[StillLog], T], *, lanes: int = 1, first: int = 0) -> T:
    """What `see` makes of the log in a folder, of at least so many lanes. It may be asked several times: it only looks.

    The lane `first` is seen before the others, so that it may be behind them and never ahead.

    Raises:
        LogNotAccessible, LogOfAnotherVersion: as when it is opened.
        NeverStill: it could not be seen as it is.
    """
    disk = StillDisk()
    with naming(folder):
        for attempt in range(MOST_LOOKS):
            try:
                if (found := _settled(disk, folder, lanes, first, sure=attempt >= LOOKS_AT_DAMAGE)) is not None:
                    return see(StillLog(disk, found, holder(folder)))
            except Gone:
                continue
    raise NeverStill(str(folder))


def _settled(disk: StillDisk, folder: Path, lanes: int, first: int, *, sure: bool) -> Contents | None:
    """What the folder holds; None where it changed meanwhile, or cannot be read and one is not `sure` that it never can."""
    files = _files(disk, folder)
    found = contents(disk, folder, lanes, first)
    _leave_out_unwritten(found)
    if not files <= _files(disk, folder):
        return None
    damaged = any(next(surveyed.damaged(lane.end.offset), None) for lane, surveyed in zip(found.lanes, found.surveys, strict=True))
    return None if (damaged or found.damaged) and not sure else found


def _leave_out_unwritten(found: Contents) -> None:
    """What is being written at the end of a lane is not there yet."""
    for lane, surveyed in zip(found.lanes, found.surveys, strict=True):
        for last in surveyed.segments[-1:]:
            if last.claimed == lane.end.offset:
                lane.end = lane.end._replace(offset=max(last.end, lane.released.offset, found.closed.get(lane.number, 0)))


def _files(disk: StillDisk, folder: Path) -> set[Path]:
    """The files in the folders of all lanes."""
    places: Iterable[Path] = (folder, folder / QUARANTINE)
    return {
        place / lane / name for place in places for lane in listed(disk, place) if lane.isdecimal() for name in listed(disk, place / lane)
    }
