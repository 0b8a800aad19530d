"""Whether a process that held a lease is still there."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.engine import lease
from penstock.engine.lease import LeaseSettings, judge, this_process
from penstock.ports.checkpoints import Holder, Judgement

SETTINGS = LeaseSettings(ttl_s=30)
HERE = Holder("here.example", "this boot", 100, 5_000)
FRESH_S, STALE_S = 29.9, 30.0


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc with one process, number 200, started at tick 7000; its name is chosen to confuse."""
    monkeypatch.setattr(lease, "PROC", tmp_path)
    write_stat(tmp_path, 200, "S", 7_000)
    return tmp_path


def write_stat(proc: Path, pid: int, state: str, started: int) -> None:
    """Field 3 of proc(5) stat is the state, field 22 the start."""
    between = " ".join(str(number) for number in range(4, 22))
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a) S 1 (b) {state} {between} {started} 23 24\n")


@pytest.mark.parametrize(
    ("holder", "silent_s", "judgement"),
    [
        (None, STALE_S, "free"),
        (replace(HERE, pid=200, started=7_000), FRESH_S, "held"),
        (replace(HERE, pid=200, started=7_000), STALE_S, "stale"),
        (replace(HERE, pid=200, started=6_999), FRESH_S, "dead"),
        (replace(HERE, pid=201, started=7_000), FRESH_S, "dead"),
        (replace(HERE, pid=200, started=7_000, boot="another boot"), FRESH_S, "dead"),
        (replace(HERE, host="there.example", pid=201), FRESH_S, "held"),
        (replace(HERE, host="there.example", boot="another boot"), FRESH_S, "held"),
        (replace(HERE, host="there.example", pid=201), STALE_S, "stale"),
    ],
    ids=[
        "nobody",
        "alive",
        "hung",
        "its pid reused",
        "gone",
        "rebooted since",
        "out of sight",
        "out of sight, booted",
        "out of sight, silent",
    ],
)
@pytest.mark.usefixtures("proc")
def test_who_may_be_replaced(holder: Holder | None, silent_s: float, judgement: Judgement) -> None:
    """On this host what counts is the process, elsewhere only how long nothing was heard of it."""
    assert judge(holder, silent_s, SETTINGS, HERE) == judgement


def test_a_zombie_is_dead(proc: Path) -> None:
    """A process that nobody has buried yet holds nothing."""
    write_stat(proc, 200, "Z", 7_000)

    assert judge(replace(HERE, pid=200, started=7_000), FRESH_S, SETTINGS, HERE) == "dead"


def test_without_proc_only_the_heartbeat_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where processes cannot be looked at, a holder on this host is believed as long as it beats, like one elsewhere."""
    monkeypatch.setattr(lease, "PROC", tmp_path / "none")
    here = this_process()

    assert judge(here, FRESH_S, SETTINGS, here) == "held"
    assert judge(here, STALE_S, SETTINGS, here) == "stale"


def test_this_process_is_alive() -> None:
    """What this process says of itself is found to be alive, and is not mistaken for another of the same number."""
    here = this_process()

    assert (here.host, here.pid) == (socket.gethostname(), os.getpid())
    assert here.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert judge(here, FRESH_S, SETTINGS, here) == "held"
    assert judge(replace(here, started=here.started + 1), FRESH_S, SETTINGS, here) == "dead"


def test_a_real_zombie_is_dead() -> None:
    """The kernel's own account of a dead child that was not waited for."""
    child = subprocess.Popen(["/bin/sleep", "60"])
    holder = replace(this_process(), pid=child.pid, started=lease._started(child.pid) or 0)
    alive = judge(holder, FRESH_S, SETTINGS, this_process())

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    dead = judge(holder, FRESH_S, SETTINGS, this_process())
    child.wait()

    assert (alive, dead) == ("held", "dead")
