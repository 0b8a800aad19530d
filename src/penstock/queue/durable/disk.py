"""The calls by which a log touches its disk, so that tests can put one in their place that loses power."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
"""What the operating system says where a path leads to nothing, or to something else."""

UNREADABLE = frozenset({errno.EIO, errno.EBADMSG, getattr(errno, "EUCLEAN", errno.EIO)})
"""What it says of a disk, or a file system, that has lost something."""


class WritableFile(Protocol):
    """A new file. What was written is durable once `sync` has returned, not before, and in no order."""

    def write(self, position: int, parts: Sequence[bytes]) -> None:
        """Write the parts one behind the other, all of them. Raises `OSError`, and then any part of it may be there."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Take back what stands behind that many bytes."""
        ...

    def sync(self) -> None:
        """Make all that was written durable. After an `OSError` it is not known what is: asking again proves nothing."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Disk(Protocol):
    """Files and folders. Every call raises `OSError` as the operating system does."""

    def make_folder(self, folder: Path) -> None:
        """Make it and what is missing above it; that it is there may do no harm."""
        ...

    def names(self, folder: Path) -> Sequence[str]:
        """What is in the folder; nothing where there is none. Raises `NotADirectoryError` where there is something else."""
        ...

    def size(self, path: Path) -> int:
        """Bytes in the file. Raises `FileNotFoundError` also where there is something else: a folder, a pipe, a link to nothing."""
        ...

    def identity(self, folder: Path) -> tuple[int, int]:
        """Device and inode."""
        ...

    def modified_us(self, path: Path) -> int:
        """When it was last written, in microseconds since 1970."""
        ...

    def read(self, path: Path, position: int, length: int) -> bytes:
        """That many bytes, or as many as there are."""
        ...

    def create(self, path: Path) -> WritableFile:
        """A file that was not there; its name is durable once its folder is synced."""
        ...

    def settle(self, path: Path) -> None:
        """Make durable what can be read of the file, whoever wrote it.

        It is written once more for that: where syncing has failed before, in whichever process, the system may take for written what is
        not, and say nothing. Bytes that are the same can be torn by nothing.
        """
        ...

    def sync_folder(self, folder: Path) -> None:
        """Make the names in the folder durable."""
        ...

    def rename(self, path: Path, target: Path) -> None:
        """Give it another name, in the place of whatever had that; durable once both folders are synced."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove it."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """How much can still be written."""
        ...


_COPIED_BYTES = 1 << 20


class _File:
    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, position: int, parts: Sequence[bytes]) -> None:
        written = os.pwritev(self._descriptor, parts, position)
        left = memoryview(b"".join(parts))[written:] if written < sum(map(len, parts)) else b""
        while left:
            position += written
            written = os.pwrite(self._descriptor, left, position)
            left = left[written:]

    def truncate(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class RealDisk:
    """See `Disk`."""

    def make_folder(self, folder: Path) -> None:
        """As in `Disk`; only this user may look into what is made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self, folder: Path) -> Sequence[str]:
        """As in `Disk`."""
        try:
            return [path.name for path in folder.iterdir()]
        except OSError as error:
            if error.errno not in GONE:
                raise
            if os.path.lexists(folder):
                raise NotADirectoryError(errno.ENOTDIR, "It is no folder", str(folder)) from None
            return []

    def size(self, path: Path) -> int:
        """As in `Disk`."""
        try:
            status = path.stat()
        except OSError as error:
            if error.errno not in GONE:
                raise
        else:
            if stat.S_ISREG(status.st_mode):
                return status.st_size
        raise FileNotFoundError(errno.ENOENT, "It is no file", str(path))

    def identity(self, folder: Path) -> tuple[int, int]:
        """As in `Disk`."""
        status = os.stat(folder)  # noqa: PTH116 - asked for with every append, and Path takes twice as long
        return status.st_dev, status.st_ino

    def modified_us(self, path: Path) -> int:
        """As in `Disk`."""
        return path.stat().st_mtime_ns // 1_000

    def read(self, path: Path, position: int, length: int) -> bytes:
        """As in `Disk`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, length, position)
        finally:
            os.close(descriptor)

    def create(self, path: Path) -> WritableFile:
        """As in `Disk`."""
        return _File(path)

    def settle(self, path: Path) -> None:
        """As in `Disk`."""
        with path.open("r+b", buffering=0) as file:
            position = 0
            while content := os.pread(file.fileno(), _COPIED_BYTES, position):
                position += os.pwrite(file.fileno(), content, position)
            os.fsync(file.fileno())

    def sync_folder(self, folder: Path) -> None:
        """As in `Disk`."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, path: Path, target: Path) -> None:
        """As in `Disk`."""
        path.replace(target)

    def unlink(self, path: Path) -> None:
        """As in `Disk`."""
        path.unlink()

    def free_bytes(self, folder: Path) -> int:
        """As in `Disk`."""
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize


def unfinished(name: str) -> str:
    """What a file is called until it can take its place."""
    return f".{name}.unfinished"


def replaced(disk: Disk, path: Path, content: bytes) -> bool:
    """Write a file whole: under another name, synced, and then renamed. Whether that succeeded; if not, what was there before is there."""
    beside = path.with_name(unfinished(path.name))
    try:
        if beside.name in disk.names(path.parent):
            disk.unlink(beside)
        file = disk.create(beside)
        try:
            file.write(0, [content])
            file.sync()
        finally:
            file.close()
        disk.rename(beside, path)
        disk.sync_folder(path.parent)
    except OSError:
        return False
    return True
