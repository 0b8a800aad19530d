"""What stands in a log's folder where the log has a folder or a file of its own, and is none: it makes way."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from penstock.queue.durable.disk import UNREADABLE, Disk, unfinished
from penstock.queue.durable.documents import CONSUMERS, IDENTITY
from penstock.queue.durable.lock import NAME as LOCK

QUARANTINE = "quarantine"
FOREIGN = "foreign"
DISPLACED = ".displaced"

NOT_MOVED = ", and could not be moved"
_NO_FOLDER = UNREADABLE | {errno.ENOTDIR}
_NO_FILE = UNREADABLE | {errno.ENOENT}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was left, and what was done about it."""

    path: Path
    what: str

    def __str__(self) -> str:
        """It can be printed, whatever bytes are in a name."""
        return os.fsencode(f"{self.path}: {self.what}").decode(errors="backslashreplace")


def displace(disk: Disk, folder: Path, lanes: int) -> Iterator[Finding]:
    """Rename what is in the way of the log's folders and small files."""
    quarantine = folder / QUARANTINE
    numbers = [str(lane) for lane in range(lanes)]
    folders = [quarantine, quarantine / FOREIGN, *(parent / number for parent in (folder, quarantine) for number in numbers)]
    for path in folders:
        if not _is_folder(disk, path):
            yield _displaced(disk, path, "folder")
    present = set(listed(disk, folder))
    for path in (folder / name for name in (IDENTITY, CONSUMERS, unfinished(IDENTITY), unfinished(CONSUMERS), LOCK)):
        if path.name in present and size_of(disk, path) is None:
            yield _displaced(disk, path, "file")


def listed(disk: Disk, folder: Path) -> Sequence[str]:
    """What is in a folder; nothing where it is none, or the disk cannot read it."""
    try:
        return disk.names(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER:
            raise
        return ()


def size_of(disk: Disk, path: Path) -> int | None:
    """Bytes in a file; None where it is none, or the disk has lost it."""
    try:
        return disk.size(path)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        return None


def _is_folder(disk: Disk, path: Path) -> bool:
    """Whether a log can use the path as a folder, which it is or may become."""
    try:
        disk.names(path)
    except OSError as error:
        if error.errno not in _NO_FOLDER:
            raise
        return False
    return True


def _displaced(disk: Disk, path: Path, wanted: str) -> Finding:
    """Rename it where it is: a full disk may have no room for another folder."""
    taken, moved = set(listed(disk, path.parent)), NOT_MOVED
    names = (path.name + DISPLACED + (f".{number}" if number else "") for number in count())
    target = path.with_name(next(name for name in names if name not in taken))
    with suppress(OSError):
        disk.rename(path, target)
        moved = f", and was renamed to {target.name}"
    return Finding(path, f"is no {wanted} that can be read{moved}. The log goes on without it.")
