"""Homes that an unprivileged account can reach, and processes that start servers on them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from penstock.stores.postgres.embedded.account import Account
from penstock.stores.postgres.embedded.binaries import Installation
from penstock.stores.postgres.embedded.cluster import Cluster
from penstock.stores.postgres.embedded.launch import Patience
from penstock.stores.postgres.embedded.postmaster import Postmaster, cluster_tag, living, send

if TYPE_CHECKING:
    from collections.abc import Callable

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root borrows an account")
IMPATIENT = Patience(others_s=30, orphans_s=0.3, recovery_s=30, stop_s=30)


def roomy_folder() -> str:
    """Memory, where there is enough of it: making and removing thousands of small files takes most of the time on some disks."""
    memory = Path("/dev/shm")  # noqa: S108 - a name nobody can guess is made in it
    status = os.statvfs(memory) if memory.is_dir() else None
    fit = status and status.f_bavail * status.f_frsize > 4 << 30 and not status.f_flag & os.ST_NOEXEC
    return str(memory) if fit else tempfile.gettempdir()


class Starter:
    """A process that starts servers, as the user it is told to."""

    def __init__(self, home: Path, installation: Installation, user: Account) -> None:
        command = [
            sys.executable,
            str(Path(__file__).with_name("starter.py")),
            str(home),
            str(installation.bin),
            str(user.uid),
            str(user.gid),
        ]
        environ = {**os.environ, "PGDATA": "/nowhere", "PGPORT": "1", "PGOPTIONS": "-c nonsense=1", "TARGET_API_KEY": "not-for-servers"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environ)

    def say(self, command: str) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for an answer."""
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command and wait for the answer."""
        self.say(command)
        return self.hear()

    def kill(self) -> None:
        """Kill -9 the process."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it, and with it the server it started."""
        with suppress(BrokenPipeError):
            self.process.communicate(timeout=60)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the servers of one test live, and who starts them."""

    home: Path
    installation: Installation
    user: Account
    starters: list[Starter]

    @property
    def cluster(self) -> Cluster:
        """The folders."""
        return Cluster(self.home)

    @property
    def postmaster(self) -> Postmaster | None:
        """The server that lives here."""
        return living(self.cluster.data)

    def starter(self) -> Starter:
        """Another process that can start one."""
        self.starters.append(Starter(self.home, self.installation, self.user))
        return self.starters[-1]

    def close(self) -> None:
        """End the starters, and whatever still runs."""
        for starter in self.starters:
            starter.close()
        if (postmaster := self.postmaster) is not None:
            send(signal.SIGINT, postmaster, self.cluster.data)
        until(lambda: self.postmaster is None)

    def kill_postmaster(self) -> None:
        """Kill -9 the postmaster and see it gone; its children are left to themselves."""
        postmaster = self.postmaster
        assert postmaster is not None
        send(signal.SIGKILL, postmaster, self.cluster.data)
        until(lambda: self.postmaster is None)


def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    """Wait until something outside of us has happened."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


async def run(url: str, *statements: str) -> object:
    """Run statements; the value the last one returns."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def server_processes(data: Path) -> list[int]:
    """The processes that a server on this folder has besides its postmaster."""
    title = f"postgres: {cluster_tag(data)}: "
    return [pid for pid in processes() if command_line(pid).startswith(title)]


def command_line(pid: int) -> str:
    """Its words and title, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def processes() -> list[int]:
    """The ids of all processes."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
