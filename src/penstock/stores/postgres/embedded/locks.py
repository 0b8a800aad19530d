"""Locks that the kernel releases when their holders are dead."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.errors import ServerBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL_S = 0.02


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until the last copy of it is closed, or None while somebody else holds it.

    A child that inherits the descriptor holds the lock too, and so do its children.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock."""
    descriptor = try_lock(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


@contextmanager
def exclusive(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock. Raises `ServerBusy` when somebody else does not let go in time."""
    deadline = time.monotonic() + timeout_s
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise ServerBusy(f"{path} was not released within {timeout_s:.0f} s")
        time.sleep(POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)
