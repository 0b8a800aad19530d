"""The folder of one database cluster: what is in it, and making it so that it is whole or not there."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.stores.home import folder_mode, owner_only
from penstock.stores.postgres.embedded.account import barrier
from penstock.stores.postgres.embedded.errors import FolderDamaged, FolderUnreachable, InitFailed, OtherMajor
from penstock.stores.postgres.embedded.locks import POLL_S
from penstock.stores.postgres.embedded.process import flush_filesystem, run
from penstock.stores.postgres.embedded.psql import DATABASE, ROLE

if TYPE_CHECKING:
    from penstock.stores.postgres.embedded.account import Account
    from penstock.stores.postgres.embedded.binaries import Installation

_FRESH = ".postgres-new-"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where things are below the home: `data` belongs to the server's account, everything else to us."""

    home: Path

    @property
    def folder(self) -> Path:
        """It is renamed into place when complete."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """The data folder of the server, 0700."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    @property
    def lifeline(self) -> Path:
        """Locked by the server and all its processes, for as long as one of them lives."""
        return self.folder / "lifeline"

    @property
    def start_lock(self) -> Path:
        """Locked by whoever makes, starts or stops the server."""
        return self.home / "postgres.lock"

    @property
    def exists(self) -> bool:
        """Whether there is a complete cluster; what was begun and not finished bears another name."""
        try:
            return (self.data / "PG_VERSION").exists()
        except PermissionError:  # there is one, and it is not ours
            return True

    def password(self) -> str:
        """The password of the role. Raises `FolderDamaged`."""
        try:
            return (self.folder / "password").read_text().strip()
        except OSError as error:
            raise FolderDamaged(f"{self.folder / 'password'}: {error.strerror}") from error

    def last_port(self) -> int | None:
        """The port of the last start, so that addresses stay the same as long as they can."""
        with suppress(OSError, ValueError):
            return int((self.folder / "port").read_text())
        return None

    def remember_port(self, port: int) -> None:
        """Keep it for the next start."""
        (self.folder / "port").write_text(f"{port}\n")

    def check(self, installation: Installation, account: Account) -> None:
        """Raises `FolderDamaged`, `OtherMajor` or `FolderUnreachable` where this server cannot run on this folder."""
        if not self.exists:
            raise FolderDamaged(str(self.folder))
        major = (self.data / "PG_VERSION").read_text().strip()
        if major != str(installation.major):
            raise OtherMajor(f"{self.data} is of version {major}, the server in {installation.bin} is {installation.version}")
        require_way(self.folder, account)


def require_way(folder: Path, account: Account) -> None:
    """Raises `FolderUnreachable`, naming the folder in the way; permissions of folders that others made are not ours to change."""
    if (obstacle := barrier(folder, account)) is not None:
        raise FolderUnreachable(f"{account.name} may not pass {obstacle} on the way to {folder}")


def create(cluster: Cluster, installation: Installation, account: Account) -> None:
    """Make a cluster with one role and one database of our name, under another name, and rename it when it is complete and durable.

    Call it with the start lock held. Raises `FolderDamaged` where something else is in its place, `FolderUnreachable` and `InitFailed`.
    """
    if cluster.folder.exists() and any(cluster.folder.iterdir()):
        raise FolderDamaged(str(cluster.folder))
    require_way(cluster.home, account)
    fresh = Path(tempfile.mkdtemp(prefix=_FRESH, dir=cluster.home))
    try:
        _fill(fresh, installation, account)
        flush_filesystem(fresh)
        fresh.rename(cluster.folder)
        flush_filesystem(cluster.home)
    except OSError as error:
        raise InitFailed(f"{fresh}: {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def clear_unfinished(cluster: Cluster) -> None:
    """Remove what `create` left behind where it was killed; its initdb may need a moment to notice."""
    for leftover in cluster.home.glob(f"{_FRESH}*"):
        for _ in range(100):
            shutil.rmtree(leftover, ignore_errors=True)
            if not leftover.exists():
                break
            time.sleep(POLL_S)


def _fill(fresh: Path, installation: Installation, account: Account) -> None:
    fresh.chmod(folder_mode())
    data = fresh / "data"
    data.mkdir()
    data.chmod(0o700)
    if account.borrowed:
        os.chown(data, account.uid, account.gid)
    password = secrets.token_urlsafe(24)
    with open(fresh / "password", "x", opener=owner_only) as file:
        file.write(f"{password}\n")
    _initdb(data, password, installation, account)
    single = [installation.program("postgres"), "--single", "-D", str(data), "-c", "exit_on_error=on", "-c", "fsync=off", "postgres"]
    _succeed(single, account, stdin=f'CREATE DATABASE "{DATABASE}"\n')


def _initdb(data: Path, password: str, installation: Installation, account: Account) -> None:
    """The password goes through memory that only has a name in /proc: a file of ours the account could not read."""
    secret = os.memfd_create("pwfile")
    try:
        os.write(secret, f"{password}\n".encode())
        options = ["-U", ROLE, "-E", "UTF8", "--no-locale", "-A", "scram-sha-256", f"--pwfile=/proc/self/fd/{secret}", "-N"]
        _succeed([installation.program("initdb"), "-D", str(data), *options], account, pass_fds=(secret,))
    finally:
        os.close(secret)


def _succeed(command: list[str], account: Account, *, stdin: str = "", pass_fds: tuple[int, ...] = ()) -> None:
    program = Path(command[0]).name
    try:
        answer = run(command, account, stdin=stdin, pass_fds=pass_fds)
    except (OSError, subprocess.SubprocessError) as error:
        raise InitFailed(f"{program} as {account.name}: {error}") from error
    if answer.returncode:
        raise InitFailed(f"{program} as {account.name}, exit code {answer.returncode}: {answer.stdout.strip()[-2000:]}")
