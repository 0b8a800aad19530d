"""The folder of a log, open: appends become durable in it. Nothing in here starts a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from penstock.model.errors import PenstockError
from penstock.queue.durable.disk import Disk
from penstock.queue.durable.displacing import Finding, displace
from penstock.queue.durable.documents import IDENTITY, Identity, Pair, pairs
from penstock.queue.durable.keeper import Keeper
from penstock.queue.durable.opening import Contents, contents, mend
from penstock.queue.durable.reader import Reader
from penstock.queue.durable.state import State
from penstock.queue.durable.writing import LaneWriter
from penstock.queue.epochs import next_epoch
from penstock.queue.log import AppendUnknown, LogFull, LogSettings
from penstock.queue.machine import Machine
from penstock.queue.pending import Pending

PUT_BACK = "It was moved, removed or replaced. Put it back, or stop this process; nothing is written to another one in its place."


class Store:
    """The folder of a log, and what reads (`reader`) and keeps (`keeper`) it. Any thread may call."""

    def __init__(self, disk: Disk, folder: Path, settings: LogSettings, machine: Machine) -> None:
        """Open the folder, in whatever state it is. Raises `LogOfAnotherVersion`, `OSError` where it may not be used."""
        found = contents(disk, folder, settings.lanes)
        displaced = [*displace(disk, folder, len(found.lanes))]
        make_folders(disk, folder, len(found.lanes))
        findings = [
            *_moved(disk, found, machine),
            *displaced,
            *mend(disk, found, machine.clock_us() - int(settings.retention_s * 1_000_000)),
        ]
        self.cut = found.cut
        self.interrupted = found.interrupted
        self._log = found.log or machine.random(16)
        lock = threading.Lock()
        writers = [LaneWriter(disk, folder / str(lane.number), self._log, lane, lock) for lane in found.lanes]
        self.state = State(disk, folder, settings, machine, found.lanes, findings, lock, writers)
        self._epoch = found.greatest_epoch
        self._renew(self._epoch)
        self._identify(found.identity.ends if found.identity else ())
        self.reader = Reader(self.state)
        self.keeper = Keeper(self.state, found.consumers)

    def commit(self, pendings: Sequence[Pending]) -> None:
        """Make the appends durable and answer each. Those of one lane follow each other in the order given."""
        state = self.state
        writers = [state.writers[lane] for lane in sorted({pending.lane for pending in pendings})]
        if not state.is_here:
            _refuse(pendings, lambda: AppendUnknown(f"{state.folder} is not the folder that was opened", hint=PUT_BACK))
            return
        size_bytes = sum([pending.size_bytes for pending in pendings])
        has_room = all(writer.prepared_bytes > size_bytes for writer in writers) or state.has_room(size_bytes)
        if not has_room or not state.fits(size_bytes):
            self.keeper.collect()
            if not state.has_room(size_bytes):
                least = f"less than {state.settings.min_free_bytes:,} bytes would stay free on its disk"
                _refuse(pendings, lambda: LogFull(f"{state.folder}: {least}"))
                return
        with state.writing:
            try:
                self._commit(pendings, writers)
            except BaseException:
                for writer in state.writers:
                    writer.leave()
                self._renew(self._epoch)
                raise
            finally:
                state.count()
        if any(isinstance(pending.outcome, LogFull) for pending in pendings):
            self.keeper.collect()

    def renew(self, beyond: bytes) -> None:
        """As in `Log`."""
        with self.state.writing:
            self._renew(max(beyond, self._epoch))

    def close(self) -> None:
        """Let go of the folder. Its lanes end here, and the next opening knows it."""
        with self.state.writing:
            for writer in self.state.writers:
                writer.finish()
        self.keeper.close()
        self._identify(pairs(lane.end for lane in self.state.lanes))

    def _commit(self, pendings: Sequence[Pending], writers: Sequence[LaneWriter]) -> None:
        state = self.state
        now_us = state.machine.clock_us()
        for writer in writers:
            mine = [pending for pending in pendings if pending.lane == writer.lane.number]
            if not writer.commit(mine, self._epoch, state.segment_bytes, now_us):
                self._renew(self._epoch)

    def _renew(self, beyond: bytes) -> None:
        machine = self.state.machine
        self._epoch = next_epoch(machine.clock_us() // 1_000, machine.random(4), beyond)

    def _identify(self, ends: tuple[Pair, ...]) -> None:
        state = self.state
        identity = Identity(self._log.hex(), self._epoch.hex(), state.machine.name, *state.identity, ends)
        state.save(IDENTITY, identity)


def _refuse(pendings: Sequence[Pending], error: Callable[[], PenstockError]) -> None:
    for pending in pendings:
        pending.answer(error())  # each thread raises one of its own


def make_folders(disk: Disk, folder: Path, lanes: int) -> None:
    """Make the folders of the lanes that are not there yet."""
    missing = {str(lane) for lane in range(lanes)} - set(disk.names(folder))
    for name in missing:
        disk.make_folder(folder / name)
    if missing:
        disk.sync_folder(folder)


def _moved(disk: Disk, found: Contents, machine: Machine) -> Iterator[Finding]:
    known = found.identity
    if known and (known.machine, known.device, known.inode) != (machine.name, *disk.identity(found.folder)):
        yield Finding(found.folder, "is not the folder it was: it was copied, restored or moved. Its entries are read.")
