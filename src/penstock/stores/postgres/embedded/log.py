"""The server's log file: kept small, and quoted when something goes wrong."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, BinaryIO

from penstock.stores.home import owner_only

if TYPE_CHECKING:
    from pathlib import Path

KEPT_BYTES = 4 << 20
QUOTED_BYTES = 4096
QUOTED_LINES = 15


def size(log: Path) -> int:
    """Bytes written so far."""
    return log.stat().st_size if log.exists() else 0


def open_log(log: Path) -> BinaryIO:
    """For a server to write to. Appending is what lets `rotate` cut the file while the server goes on."""
    return open(log, "ab", opener=owner_only)


def rotate(log: Path, kept_bytes: int = KEPT_BYTES) -> None:
    """Copy a log that has grown beside, in place of the copy before, and empty it; what is written in between is lost."""
    if size(log) > kept_bytes:
        with log.open("rb") as grown, open(log.with_name(f"{log.name}.1"), "wb", opener=owner_only) as copy:
            shutil.copyfileobj(grown, copy)
        os.truncate(log, 0)


def tail(log: Path, since: int = 0) -> str:
    """The last lines, of what was written after byte `since`."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(since, size(log) - QUOTED_BYTES), os.SEEK_SET)
        lines = file.read(QUOTED_BYTES).decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-QUOTED_LINES:])
