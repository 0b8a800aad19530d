"""One process per folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from penstock.queue.log import LogLocked

NAME = "lock"


class FolderLock:
    """Held from the moment it is made until `release`; the kernel releases it when the process ends, however that happens."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise LogLocked(f"{folder} by process {holder or 'unknown'}") from None
        with suppress(OSError):  # the number is for a person: a full disk has no room for it, and has to be emptied all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let another have it."""
        os.close(self._descriptor)
