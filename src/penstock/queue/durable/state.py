"""What the parts of a store share: the folder, its lanes, and the locks that guard them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penstock.queue.durable.disk import Disk, replaced
from penstock.queue.durable.displacing import Finding
from penstock.queue.durable.documents import ConsumersRecord, Identity, encoded
from penstock.queue.durable.lane import Lane
from penstock.queue.durable.writing import LaneWriter
from penstock.queue.log import Kept, LogSettings, Place
from penstock.queue.machine import Machine


@dataclass(slots=True)
class State:
    """The state of an open log. `lock` guards what readers see and is held for moments; who writes segments holds `writing` first.

    `held_bytes` is the size of all segments in which something is kept, after each change of that. `identity` is that of the folder.
    """

    disk: Disk
    folder: Path
    settings: LogSettings
    machine: Machine
    lanes: Sequence[Lane]
    findings: list[Finding]
    lock: threading.Lock
    writers: Sequence[LaneWriter]
    writing: threading.Lock = field(default_factory=threading.Lock)
    held_bytes: int = 0
    identity: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.identity = self.disk.identity(self.folder)

    @property
    def is_here(self) -> bool:
        """Whether the folder is the one that was opened. Where it was moved or removed, another process may have made one in its place."""
        try:
            return self.disk.identity(self.folder) == self.identity
        except OSError:
            return False

    @property
    def segment_bytes(self) -> int:
        """The size at which a segment is full."""
        return min(self.settings.segment_bytes, self.settings.max_bytes // (8 * len(self.lanes)))

    def kept(self) -> Sequence[Kept]:
        """As in `Log`."""
        with self.lock:
            return [lane.kept() for lane in self.lanes]

    def at(self, lane: int, offset: int) -> Place:
        """As in `Log`."""
        with self.lock:
            return self.lanes[lane].at(offset)

    def ends(self) -> Sequence[int]:
        """As in `Log`."""
        with self.lock:
            return [lane.end.offset for lane in self.lanes]

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much can be written, and the disk keeps what the settings leave to others."""
        return self.disk.free_bytes(self.folder) - size_bytes >= self.settings.min_free_bytes

    def fits(self, size_bytes: int) -> bool:
        """Whether so much may be appended to what is held."""
        return self.held_bytes + size_bytes <= self.settings.max_bytes

    def save(self, name: str, document: Identity | ConsumersRecord) -> bool:
        """Write one of the small files; whether that succeeded."""
        return self.is_here and replaced(self.disk, self.folder / name, encoded(document))

    def count(self) -> None:
        """Add up what is held."""
        with self.lock:
            self.held_bytes = sum([lane.size_bytes for lane in self.lanes])
