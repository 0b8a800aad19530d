"""One process per folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from penstock.queue.log import LogLocked

NAME = "lock"
"""Of the file in which the number of the process is, for a person."""

_PLAIN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Whatever else stands in the place of the file is neither followed nor waited for."""


class FolderLock:
    """Held from the moment it is made until `release`; the kernel releases it when the process ends, however that happens.

    The folder itself is locked: a file in it can be deleted, and made again by another process.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            if isinstance(error, BlockingIOError):
                raise LogLocked(f"{folder} by process {_signed(folder / NAME)}") from None
            raise
        with suppress(OSError):  # a full disk has no room for the number, and has to be emptied all the same
            _sign(folder / NAME)

    def release(self) -> None:
        """Let another have it."""
        os.close(self._descriptor)


def holder(folder: Path) -> int | None:
    """The process that has the folder open, as far as this machine tells: it is looked what the process has open whose number is there."""
    try:
        number, locked = int(_signed(folder / NAME)), folder.stat()
        return number if any(os.path.samestat(locked, one) for one in _open_files(number)) else None
    except (OSError, ValueError):
        return None


def _open_files(process: int) -> Iterator[os.stat_result]:
    for one in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):  # it may be closed meanwhile
            yield one.stat()


def _sign(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | _PLAIN, 0o600)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    finally:
        os.close(descriptor)


def _signed(path: Path) -> str:
    """The number of the process, as far as the file can tell."""
    number = ""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | _PLAIN)
        try:
            number = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        finally:
            os.close(descriptor)
    return number if number.isdecimal() else "unknown"
