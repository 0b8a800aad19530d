"""Programs of the installation, run as the account of the server, with an environment that carries no secrets of ours."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.log import open_log, rotate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from penstock.stores.postgres.embedded.account import Account

ROTATE_EVERY_S = 60
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded here: between fork and exec it is too late to load anything


def environment(**extra: str) -> dict[str, str]:
    """What programs get to see: neither the caller's PG* variables nor the credentials that its environment holds."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"} | extra


def run(  # noqa: PLR0913 - how a program is run; they do not travel anywhere together
    command: Sequence[str],
    account: Account | None = None,
    *,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    pass_fds: Sequence[int] = (),
    timeout_s: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; stderr is in `stdout`. As an account: under its user id, and not longer than we live.

    Raises as `subprocess.run` does.
    """
    borrowed = account if account is not None and account.borrowed else None
    return subprocess.run(  # noqa: S603 - a program of the installation, arguments of ours
        command,
        user=borrowed.uid if borrowed else None,
        group=borrowed.gid if borrowed else None,
        extra_groups=[] if borrowed else None,
        env=env or environment(),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        cwd="/",
        pass_fds=pass_fds,
        preexec_fn=None if account is None else _end_with(os.getpid()),
        timeout=timeout_s,
        check=False,
    )


class Child:
    """A long-running child that a thread of its own forks, waits for and reaps.

    The kernel sends the parent-death signal when the *thread* that forked ends, not the process. The thread here ends with the child or
    with the process, so a server may be started from any thread, and a dead one is never left a zombie.
    """

    def __init__(self, command: Sequence[str], account: Account, *, log: Path, lifeline: int, outlives_us: bool) -> None:
        self._ended = threading.Event()
        forked: Future[subprocess.Popen[bytes]] = Future()
        fork = _forking(command, account, log=log, lifeline=lifeline, preexec=None if outlives_us else _end_with(os.getpid()))
        threading.Thread(target=_keep, args=(fork, forked, self._ended, log), name="penstock-postgres-keeper", daemon=True).start()
        self._process = forked.result()

    @property
    def pid(self) -> int:
        """The process id; it may belong to somebody else once the child is not `alive`."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not been reaped yet."""
        return not self._ended.is_set()

    @property
    def killed(self) -> bool:
        """Whether somebody else ended it, by kill -9; the kernel does that when memory runs out."""
        return self._process.returncode == -signal.SIGKILL

    def wait(self, timeout_s: float) -> bool:
        """Whether it ended within the time."""
        return self._ended.wait(timeout_s)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        self._process.send_signal(number)


def _keep(fork: Callable[[], subprocess.Popen[bytes]], forked: Future[subprocess.Popen[bytes]], ended: threading.Event, log: Path) -> None:
    try:
        process = fork()
    except Exception as error:  # noqa: BLE001 - it is raised where the child was asked for
        forked.set_exception(error)
        return
    forked.set_result(process)
    while not ended.is_set():
        try:
            process.wait(ROTATE_EVERY_S)
            ended.set()
        except subprocess.TimeoutExpired:
            rotate(log)


def _forking(
    command: Sequence[str], account: Account, *, log: Path, lifeline: int, preexec: Callable[[], None] | None
) -> Callable[[], subprocess.Popen[bytes]]:
    def fork() -> subprocess.Popen[bytes]:
        with open_log(log) as sink:
            return subprocess.Popen(  # noqa: S603 - a program of the installation, arguments of ours
                command,
                user=account.uid if account.borrowed else None,
                group=account.gid if account.borrowed else None,
                extra_groups=[] if account.borrowed else None,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd="/",
                pass_fds=(lifeline,),
                start_new_session=True,  # Ctrl-C in the terminal is for us: we drain first, then stop the server
                preexec_fn=preexec,  # noqa: PLW1509 - it runs after the change of user, which would clear what it sets
            )

    return fork


def _end_with(parent: int) -> Callable[[], None]:
    def between_fork_and_exec() -> None:  # pragma: no cover - nothing records what a child does before exec
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it died before the signal was asked for
            os._exit(1)

    return between_fork_and_exec


def flush_filesystem(folder: Path) -> None:
    """Make everything written so far on the file system of `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _LIBC.syncfs(descriptor):
            raise OSError(ctypes.get_errno(), f"cannot flush the file system of {folder}")
    finally:
        os.close(descriptor)
