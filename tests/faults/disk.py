"""A disk in memory that loses power: what was not synced is dropped, torn, or there, in any order. It also fails, and fills up."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SECTOR_BYTES = 512


@dataclass(eq=False)
class Node:
    """A file: what a process sees of it, what is on disk, and the writes in between."""

    seen: bytearray = field(default_factory=bytearray)
    stored: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)

    def write(self, position: int, content: bytes) -> None:
        """Not durable yet."""
        self.unsynced.append((position, content))
        put(self.seen, position, content)

    def truncate(self, size: int) -> None:
        """Not durable yet."""
        self.unsynced.append((size, None))
        del self.seen[size:]

    def settle(self, random: Random | None) -> None:
        """All that was written is on disk; with a `random`, any part of it, and nobody will ask for the rest again."""
        unsynced, self.unsynced = self.unsynced, []
        if random:
            random.shuffle(unsynced)
        for position, content in unsynced:
            if content is None:
                if not random or random.random() < 0.5:
                    del self.stored[position:]
            elif random:
                tear(self.stored, position, content, random)
            else:
                put(self.stored, position, content)


def put(target: bytearray, position: int, content: bytes) -> None:
    """As a file does: what lies between its end and the position are zeros."""
    target.extend(bytes(max(0, position - len(target))))
    target[position : position + len(content)] = content


def tear(target: bytearray, position: int, content: bytes, random: Random) -> None:
    """Write all of it, nothing, or some of the sectors."""
    keep = random.choice((0.0, 0.5, 0.9, 1.0))
    at = 0
    while at < len(content):
        behind = at + SECTOR_BYTES - (position + at) % SECTOR_BYTES
        if random.random() < keep:
            put(target, position + at, content[at:behind])
        at = behind


@dataclass(frozen=True)
class Naming:
    """A change of names in a folder that is not durable yet."""

    folders: tuple[Path, ...]
    removed: Path | None
    added: Path | None
    node: Node

    def apply(self, names: dict[Path, Node]) -> None:
        """Make it."""
        if self.removed:
            names.pop(self.removed, None)
        if self.added:
            names[self.added] = self.node


@dataclass
class SimulatedFile:
    """See `WritableFile`."""

    disk: SimulatedDisk
    path: Path
    node: Node

    def write(self, position: int, parts: Sequence[bytes]) -> None:
        """As far as there is room, or until it fails."""
        content = b"".join(parts)
        try:
            self.disk.meet("write", self.path)
        except OSError:
            self.node.write(position, content[: self.disk.random.randint(0, len(content) - 1)])
            raise
        room = self.disk.free_bytes(self.path.parent) + max(0, len(self.node.seen) - position)
        self.node.write(position, content[:room])
        if room < len(content):
            raise OSError(errno.ENOSPC, "No space left on device")

    def truncate(self, size_bytes: int) -> None:
        """As a file does."""
        self.disk.meet("truncate", self.path)
        self.node.truncate(size_bytes)

    def sync(self) -> None:
        """Make it durable, or fail, and then any part of it is."""
        self.disk.sync_node(self.path, self.node)

    def close(self) -> None:
        """Nothing becomes durable by it."""


@dataclass
class SimulatedDisk:
    """See `Disk`. `failing` names the next calls that fail, and how: (call, error number)."""

    random: Random
    capacity_bytes: int = 1 << 30
    failing: list[tuple[str, int]] = field(default_factory=list)
    names_seen: dict[Path, Node] = field(default_factory=dict)
    names_stored: dict[Path, Node] = field(default_factory=dict)
    unsynced: list[Naming] = field(default_factory=list)
    lies: bool = False
    """Whether syncing does nothing: for seeing that it is needed."""

    def cut(self) -> None:
        """Lose power, and come back."""
        self._settle_names(self.random.randint(0, len(self.unsynced)))
        self.unsynced.clear()
        self.failing.clear()
        self.names_seen = dict(self.names_stored)
        for node in self.names_seen.values():
            node.settle(self.random)
            node.seen[:] = node.stored

    def backup(self) -> dict[Path, bytes]:
        """All files as a process sees them."""
        return {path: bytes(node.seen) for path, node in self.names_seen.items()}

    def restore(self, backup: dict[Path, bytes]) -> None:
        """These files, and no others."""
        self.unsynced.clear()
        self.names_seen = {path: Node(bytearray(content), bytearray(content)) for path, content in backup.items()}
        self.names_stored = dict(self.names_seen)

    def meet(self, call: str, path: Path) -> None:
        """Fail if that is due."""
        if self.failing and self.failing[0][0] == call:
            _, number = self.failing.pop(0)
            raise OSError(number, "Input/output error", str(path))

    def sync_node(self, path: Path, node: Node) -> None:
        """Make the content durable, or fail for good."""
        try:
            self.meet("sync", path)
        except OSError:
            node.settle(self.random)
            raise
        if not self.lies:
            node.settle(None)

    def make_folder(self, folder: Path) -> None:
        """Folders are there as soon as anything is in them."""
        self.meet("make_folder", folder)

    def names(self, folder: Path) -> Sequence[str]:
        """Files, and folders in which files are."""
        inside = (path.relative_to(folder).parts for path in self.names_seen if path.is_relative_to(folder))
        return sorted({parts[0] for parts in inside})

    def size(self, path: Path) -> int:
        """Bytes in the file."""
        return len(self._node(path).seen)

    def identity(self, folder: Path) -> tuple[int, int]:
        """Always the same."""
        del folder
        return 1, 2

    def modified_us(self, path: Path) -> int:
        """Long ago, but not too long."""
        self._node(path)
        return 1_799_999_999_000_000

    def read(self, path: Path, position: int, length: int) -> bytes:
        """What a process sees."""
        self.meet("read", path)
        return bytes(self._node(path).seen[position : position + length])

    def create(self, path: Path) -> SimulatedFile:
        """An empty file."""
        self.meet("create", path)
        if path in self.names_seen:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        node = Node()
        self._name(Naming((path.parent,), None, path, node))
        return SimulatedFile(self, path, node)

    def settle(self, path: Path) -> None:
        """Write the content once more, and make it durable."""
        node = self._node(path)
        node.write(0, bytes(node.seen))
        self.sync_node(path, node)

    def sync_folder(self, folder: Path) -> None:
        """Names become durable in the order in which they were given, as in a journal."""
        self.meet("sync_folder", folder)
        if not self.lies:
            behind = max((number + 1 for number, naming in enumerate(self.unsynced) if folder in naming.folders), default=0)
            self._settle_names(behind)

    def rename(self, path: Path, target: Path) -> None:
        """At once, or not at all."""
        self.meet("rename", path)
        self._name(Naming((path.parent, target.parent), path, target, self._node(path)))

    def unlink(self, path: Path) -> None:
        """Remove it."""
        self.meet("unlink", path)
        self._name(Naming((path.parent,), path, None, self._node(path)))

    def free_bytes(self, folder: Path) -> int:
        """What the capacity leaves."""
        del folder
        return max(0, self.capacity_bytes - sum(len(node.seen) for node in self.names_seen.values()))

    def _node(self, path: Path) -> Node:
        try:
            return self.names_seen[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path)) from None

    def _name(self, naming: Naming) -> None:
        naming.apply(self.names_seen)
        self.unsynced.append(naming)

    def _settle_names(self, count: int) -> None:
        for naming in self.unsynced[:count]:
            naming.apply(self.names_stored)
        del self.unsynced[:count]
