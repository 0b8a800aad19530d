"""A log on disk: appends that wait together are made durable together, by one thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.model.errors import Misconfigured
from penstock.model.gaps import Gap
from penstock.queue.durable.disk import Disk, RealDisk
from penstock.queue.durable.displacing import Finding
from penstock.queue.durable.lock import FolderLock
from penstock.queue.durable.store import Store
from penstock.queue.durable.writing import NO_ROOM
from penstock.queue.listeners import Listeners
from penstock.queue.log import AppendUnknown, Entries, Kept, LogClosed, LogFull, LogSettings, Place, require_lane
from penstock.queue.machine import Machine, machine_id
from penstock.queue.pending import Group, Pending

logger = logging.getLogger(__name__)

WAITING_BYTES = 64 << 20
"""How much may wait for the disk in memory."""

CUT = "cut off at the end of the log"
"""Cause of a gap of unknown size: something stood behind the last entry, and nobody can say what."""


class LogNotAccessible(Misconfigured):
    """The folder of a log cannot be used."""

    default_hint = "Name a folder that this user may read and write, on a disk of this machine."


class DiskLog:
    """See `Log`. Opens the folder, which is made if it is not there, in whatever state it is; `findings` tell what was not as it was left.

    Raises `LogLocked`, `LogNotAccessible`, `LogOfAnotherVersion`.
    """

    durable = True

    def __init__(
        self, folder: Path, settings: LogSettings | None = None, *, disk: Disk | None = None, machine: Machine | None = None
    ) -> None:
        self._settings = settings or LogSettings()
        self._arrived = threading.Condition()
        self._committing = threading.Lock()
        self._group, self._waiting, self._waiting_bytes = Group(self), list[Pending](), 0
        self._listeners = Listeners()
        self._closed = False
        with naming(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = FolderLock(folder)
            try:
                self._store = Store(disk or RealDisk(), folder, self._settings, machine or Machine(name=machine_id()))
            except BaseException:
                self._lock.release()
                raise
        self._thread = threading.Thread(target=self._run, name=f"log {folder}", daemon=True)
        self._thread.start()
        for lane in self._store.cut:
            with suppress(LogFull):  # then the next opening finds the same, and tries again
                self.append_gap(lane, Gap(CUT))

    @property
    def findings(self) -> Sequence[Finding]:
        """What was not as it was left when the log was opened, or was found damaged since."""
        return tuple(self._store.state.findings)

    @property
    def interrupted(self) -> bool:
        """Whether the last process that appended did not close the log: what it had received beside it, nobody knows."""
        return self._store.interrupted

    @property
    def lanes(self) -> int:
        """As in `Log`; more than the settings say where the folder has more."""
        return len(self._store.state.lanes)

    def append(self, lane: int, bodies: Sequence[bytes], *, marked: bool = False, sync: bool = True, wake: bool = True) -> Pending:
        """As in `Log`."""
        return self._append(Pending(lane, bodies, marked=marked, sync=sync), wake=wake)

    def append_gap(self, lane: int, gap: Gap) -> Pending:
        """As in `Log`."""
        return self._append(Pending(lane, (), gap=gap))

    def read(self, place: Place, max_bytes: int) -> Sequence[Entries]:
        """As in `Log`."""
        return self._open(place.lane).reader.read(place, max_bytes)

    def at(self, lane: int, offset: int) -> Place:
        """As in `Log`."""
        return self._open(lane).state.at(lane, offset)

    def marked(self, lane: int) -> Iterator[Entries]:
        """As in `Log`."""
        return self._open(lane).reader.marked(lane)

    def kept(self) -> Sequence[Kept]:
        """As in `Log`."""
        return self._open().state.kept()

    def ends(self) -> Sequence[int]:
        """As in `Log`."""
        return self._open().state.ends()

    def renew(self, beyond: bytes) -> None:
        """As in `Log`."""
        self._open().renew(beyond)

    def register(self, consumer: str) -> Sequence[Place]:
        """As in `Log`."""
        return self._open().keeper.register(consumer)

    def release(self, consumer: str, upto: Iterable[Place]) -> None:
        """As in `Log`."""
        self._open().keeper.release(consumer, upto)
        self._listeners.wake()

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """As in `Log`."""
        return self._listeners.add(wake)

    def close(self) -> None:
        """As in `Log`."""
        with self._arrived:
            if self._closed:
                return
            self._closed = True
            self._arrived.notify()
        self._thread.join()
        with self._committing:
            self._store.close()
        self._lock.release()
        self._listeners.wake()

    def _append(self, pending: Pending, *, wake: bool = True) -> Pending:
        with self._arrived:
            store = self._open(pending.lane)
            held_bytes = store.state.held_bytes + self._waiting_bytes
            if held_bytes + pending.size_bytes > self._settings.max_bytes:
                held_bytes -= store.keeper.spare_bytes()  # which is given back before this is written
            self._settings.require_room(held_bytes, pending.size_bytes)
            if self._waiting and self._waiting_bytes + pending.size_bytes > WAITING_BYTES:
                raise LogFull(f"{self._waiting_bytes:,} bytes wait for the disk already")
            pending.group = self._group
            self._waiting.append(pending)
            self._waiting_bytes += pending.size_bytes
            if wake:
                self._arrived.notify()
        return pending

    def _open(self, lane: int = 0) -> Store:
        if self._closed:
            raise LogClosed
        require_lane(lane, self.lanes)
        return self._store

    def _run(self) -> None:
        while self._arrivals():
            with self._committing:
                self._commit()

    def hurry(self) -> bool:
        """Commit on this thread, which is about to wait for it, unless another one is at it: that spares two changes of threads."""
        if not self._committing.acquire(blocking=False):
            return False
        try:
            self._commit()
        finally:
            self._committing.release()
        return True

    def rouse(self) -> None:
        """Have the committer look whether something waits."""
        with self._arrived:
            self._arrived.notify()

    def _arrivals(self) -> bool:
        """Wait until something waits for the disk; False when nothing does and the log closes."""
        with self._arrived:
            while not self._waiting and not self._closed:
                self._arrived.wait()
            return bool(self._waiting)

    def _commit(self) -> None:
        with self._arrived:
            pendings, self._waiting, self._group = self._waiting, [], Group(self)
        if not pendings:
            return
        try:
            self._store.commit(pendings)
        except Exception:  # the edge of the thread: whoever waits has to be told, and the next append to be tried
            logger.exception("an append failed")
        finally:  # also where this thread is interrupted: others may wait for the same group
            self._answered(pendings)

    def _answered(self, pendings: Sequence[Pending]) -> None:
        for pending in pendings:
            if pending.outcome is None:
                pending.answer(AppendUnknown("an error in the program"))
        with self._arrived:
            self._waiting_bytes -= sum([pending.size_bytes for pending in pendings])
        pendings[0].group.announce()
        self._listeners.wake()


@contextmanager
def naming(folder: Path) -> Iterator[None]:
    """Turn what the operating system says of a folder into errors that name it."""
    try:
        yield
    except OSError as error:
        detail = f"{error.filename or folder}: {error.strerror}"
        raise (LogFull(detail) if error.errno in NO_ROOM else LogNotAccessible(detail)) from error
