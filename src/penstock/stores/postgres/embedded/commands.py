"""What `penstock db url|shell|start|stop` do: answers go to stdout, talk to stderr, the exit code is returned."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.errors import NotRunning, RunningForAnother
from penstock.stores.postgres.embedded.launch import Lifetime
from penstock.stores.postgres.embedded.psql import shell_environment
from penstock.stores.postgres.embedded.server import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.stores.postgres.embedded.settings import EmbeddedSettings


def url(settings: EmbeddedSettings) -> int:
    """Print the address of the running server, password included. Raises `NotRunning`: nothing is started, and the port changes."""
    server = EmbeddedServer(settings)
    if not server.attach():
        raise NotRunning(str(settings.home))
    _answer(server.url)
    return 0


def shell(settings: EmbeddedSettings, arguments: Sequence[str] = ()) -> int:
    """Run psql on the server, which is started for the duration when none runs; returns psql's exit code.

    `arguments` are handed to psql, such as `["-c", "select 1"]`. Raises what `EmbeddedServer.start` raises.
    """
    with EmbeddedServer(settings) as server:
        # Ctrl-C cancels the query in psql; we have to outlive it. A handler, unlike SIG_IGN, is not inherited by psql.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return _psql(server, arguments)
        finally:
            signal.signal(signal.SIGINT, before)


def start(settings: EmbeddedSettings) -> int:
    """Leave a server running and print where, without the password.

    Raises `RunningForAnother` where one runs that will not stay, and what `EmbeddedServer.start` raises.
    """
    server = EmbeddedServer(settings)
    server.start(Lifetime.KEPT)
    if server.lifetime is not Lifetime.KEPT:
        raise RunningForAnother(server.redacted_url)
    _say("PostgreSQL runs until `penstock db stop`; `penstock db url` prints the address with the password.")
    _answer(server.redacted_url)
    return 0


def stop(settings: EmbeddedSettings) -> int:
    """Stop the server, whoever started it; a run that needs it starts it again. Without one there is nothing to do.

    Raises `StopFailed`, `ServerBusy`.
    """
    stopped = EmbeddedServer(settings).shut_down()
    _say("PostgreSQL is stopped." if stopped else "PostgreSQL was not running.")
    return 0


def _psql(server: EmbeddedServer, arguments: Sequence[str]) -> int:
    command = [server.installation.program("psql"), *arguments]
    finished = subprocess.run(command, env=shell_environment(server.address), check=False)  # noqa: S603 - the user's own arguments
    return finished.returncode


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
