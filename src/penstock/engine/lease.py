"""Who holds a pipeline, and whether that process is still there."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from penstock.ports.checkpoints import Holder, Judgement

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """How long a run may be silent before another may take over, and how often it shows that it is alive; both in seconds."""

    ttl_s: float = 30.0
    beat_s: float = 5.0


def this_process() -> Holder:
    """The holder that this process is."""
    return Holder(host=socket.gethostname(), boot=_boot(), pid=os.getpid(), started=_started(os.getpid()) or 0)


def judge(holder: Holder | None, silent_s: float, settings: LeaseSettings, here: Holder) -> Judgement:
    """Whether a lease may be taken that `holder` last renewed `silent_s` seconds ago, as the process `here` sees it.

    Where there is no /proc to look into, a holder on this host is believed like one on another.
    """
    if holder is None:
        return "free"
    if holder.host == here.host and here.boot and (holder.boot != here.boot or _started(holder.pid) != holder.started):
        return "dead"
    return "held" if silent_s < settings.ttl_s else "stale"


def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Start of a process in clock ticks since boot, field 22 of proc(5) stat; None when there is none, or only its zombie."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
