"""The simulated API as a process of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock.model.errors import Misconfigured
from penstock.simulate.datasync import DataSyncSettings, running, serve

SETTINGS = "DataSyncSettings(events=50, seed=9)"
PROGRAM = (
    "import sys; from penstock.simulate.datasync import DataSyncSettings, serve;"
    f"sys.exit(serve({SETTINGS}, die_with_parent='--die' in sys.argv))"
)


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process and the first line it prints."""
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_process(signum: signal.Signals) -> None:
    """One line says where the API is; it answers there until a signal ends it cleanly, with nothing more to say."""
    with started("-c", PROGRAM) as (process, ready):
        with urllib.request.urlopen(ready["url"] + "/api/v1/events?api_key=" + ready["api_key"]) as response:  # noqa: S310 - our own
            page = json.load(response)
        process.send_signal(signum)
        rest, _ = process.communicate(timeout=10)

    assert (ready["events"], ready["seed"], ready["api_key"]) == (50, 9, DataSyncSettings(events=50, seed=9).api_key)
    assert len(page["data"]) == 50
    assert (process.returncode, rest) == (128 + signum, "")


def test_dies_with_its_parent() -> None:
    """When the process that started it is killed, the API ends too."""
    parent = (
        f"import os, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {PROGRAM!r}, '--die'], stdout=subprocess.PIPE);"
        "child.stdout.readline(); print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = os.pidfd_open(int(process.stdout.readline()))
        process.kill()

        ended, _, _ = select.select([child], [], [], 10)
        os.close(child)

    assert ended
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_loopback_only(host: str) -> None:
    """An address that others could reach is refused before anything is opened."""
    with pytest.raises(Misconfigured):
        serve(DataSyncSettings(events=1), host=host)


async def test_port_taken() -> None:
    """A port in use is the caller's mistake, not a stack trace."""
    async with running(DataSyncSettings(events=1)) as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(Misconfigured, match=str(port)):
            async with running(DataSyncSettings(events=1), port=port):
                pass


@pytest.mark.parametrize(("host", "url"), [("localhost", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
async def test_hosts(host: str, url: str) -> None:
    """Every loopback address will do."""
    async with running(DataSyncSettings(events=1, warm=True), host=host) as server:
        assert server.url.startswith(url)
