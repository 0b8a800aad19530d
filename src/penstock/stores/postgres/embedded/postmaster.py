"""Which server process, if any, lives on a data folder; a process id alone proves nothing, ids are reused."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says: lines 1, 4, 7 and 8 of it; `status` is empty until the server has one."""

    pid: int
    port: int
    segment: int | None
    status: str

    @property
    def ready(self) -> bool:
        """Whether it says that it takes connections."""
        return self.status == "ready"


def cluster_tag(data: Path) -> str:
    """The `cluster_name` of a data folder: backends show it in their titles, so orphans can be told from anybody else's."""
    return f"penstock-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"


def recorded(data: Path) -> Postmaster | None:
    """Read `postmaster.pid`; None when there is none, or when it is only half written."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    lines += [""] * (8 - len(lines))
    if not lines[0].strip().isdigit() or not lines[3].strip().isdigit():
        return None
    segment = lines[6].split()
    return Postmaster(int(lines[0]), int(lines[3]), int(segment[1]) if len(segment) == 2 else None, lines[7].strip())


def living(data: Path) -> Postmaster | None:
    """The postmaster that `postmaster.pid` names, if that process is alive and a postgres on this very folder."""
    postmaster = recorded(data)
    return postmaster if postmaster is not None and _serves(postmaster.pid, data) else None


def clear_stale(data: Path) -> bool:
    """Remove a `postmaster.pid` that names nobody, or somebody else; False while anything of the old server may still live.

    PostgreSQL removes the file itself unless its process id was given to another process of the account, or is a zombie nobody reaps.
    Call it with the lifeline held: then no process of a server that we started is left.
    """
    postmaster = recorded(data)
    if postmaster is None:
        return True
    if _serves(postmaster.pid, data) or _attached(postmaster.segment):
        return False
    if _exists(postmaster.pid):
        (data / "postmaster.pid").unlink(missing_ok=True)
    return True


def send(number: signal.Signals, postmaster: Postmaster, data: Path) -> bool:
    """Signal the postmaster, if that process still is one; False when it is not."""
    return _signal_if(postmaster.pid, number, lambda pid: _serves(pid, data))


def end_orphans(data: Path) -> list[int]:
    """End server processes whose postmaster is dead (SIGQUIT: at once, recovery follows); a busy one does not notice its death."""
    title = f"postgres: {cluster_tag(data)}: ".encode()
    owner = data.stat().st_uid

    def ours(pid: int) -> bool:
        return _command_line(pid).startswith(title) and _owner(pid) == owner

    return [pid for pid in _processes() if ours(pid) and _signal_if(pid, signal.SIGQUIT, ours)]


def _serves(pid: int, data: Path) -> bool:
    """By command line and owner, which everybody may read; `exe` and `cwd` would ask for privileges that root lacks in a container."""
    words = _command_line(pid).split(b"\0")
    named = Path(os.fsdecode(words[0])).name in {"postgres", "postmaster"}
    return named and os.fsencode(data) in words and _owner(pid) == data.stat().st_uid


def _signal_if(pid: int, number: signal.Signals, condition: Callable[[int], bool]) -> bool:
    if not condition(pid):
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _command_line(pid: int) -> bytes:
    """Empty for a process that is gone, and for a zombie."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _owner(pid: int) -> int | None:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return None


def _exists(pid: int) -> bool:
    return (PROC / str(pid)).exists()


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _attached(segment: int | None) -> bool:
    """Whether any process still holds the shared memory segment of a server."""
    if segment is None:
        return False
    try:
        rows = (PROC / "sysvipc" / "shm").read_text().splitlines()[1:]
    except FileNotFoundError:
        return False
    return any(int(row.split()[1]) == segment and int(row.split()[6]) > 0 for row in rows)
