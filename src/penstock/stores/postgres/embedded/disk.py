"""Free disk space, asked for before work begins instead of missed in the middle of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.errors import DiskTooFull

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def free_space(path: Path, *, statvfs: Callable[[Path], os.statvfs_result] = os.statvfs) -> int:
    """Bytes an unprivileged account can still write where `path` is, or would be once it is made."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    status = statvfs(existing)
    return status.f_bavail * status.f_frsize


def require_free_space(path: Path, needed_bytes: int, *, statvfs: Callable[[Path], os.statvfs_result] = os.statvfs) -> int:
    """The free bytes where `path` is (or would be), when they are at least `needed_bytes`.

    Raises `DiskTooFull`, which names the place, what is free and what is needed.
    """
    free = free_space(path, statvfs=statvfs)
    if free < needed_bytes:
        raise DiskTooFull(f"{free >> 20:,} MB free at {path}, {-(-needed_bytes >> 20):,} MB needed")
    return free
