"""Start a postmaster on a cluster, however its predecessor ended, and wait until it answers."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.disk import free_space
from penstock.stores.postgres.embedded.errors import ServerBusy, StartFailed
from penstock.stores.postgres.embedded.locks import POLL_S, try_lock
from penstock.stores.postgres.embedded.log import rotate, size, tail
from penstock.stores.postgres.embedded.postmaster import clear_stale, cluster_tag, end_orphans, living, recorded
from penstock.stores.postgres.embedded.process import Child
from penstock.stores.postgres.embedded.psql import HOST, Address, ask
from penstock.stores.postgres.embedded.tuning import memory_bytes, server_settings

if TYPE_CHECKING:
    from penstock.stores.postgres.embedded.account import Account
    from penstock.stores.postgres.embedded.binaries import Installation
    from penstock.stores.postgres.embedded.cluster import Cluster

WHO = "SELECT coalesce(current_setting('penstock.lifetime', true), 'kept') || ' ' || current_setting('data_directory')"
PASSING = re.compile(
    r'lock file "postmaster\.pid" already exists|shared memory block .* is still in use|Address already in use'
    r"|startup process \(PID \d+\) was terminated by signal 9"
)


class Lifetime(Enum):
    """How long a server lives: as long as the process that started it, however that ends; or until somebody stops it."""

    RUN = "run"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Site:
    """What a server is started from: a cluster, the programs, and the account they run as."""

    cluster: Cluster
    installation: Installation
    account: Account


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: for others to get out of the way; for recovery, which may have gigabytes to replay; for a stop, and a hard one."""

    others_s: float = 60
    orphans_s: float = 5
    recovery_s: float = 900
    stop_s: float = 60
    immediate_s: float = 15


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers; `child` is None when somebody else had started it."""

    address: Address
    pid: int
    lifetime: Lifetime
    child: Child | None = None


def adopt_or_launch(site: Site, lifetime: Lifetime, patience: Patience) -> Started:
    """A server that answers: the one that already lives on the cluster, else a new one as soon as its predecessor is gone.

    Call it with the start lock held. Raises `ServerBusy`, `StartFailed`.
    """
    deadline = time.monotonic() + patience.others_s
    orphans_end = time.monotonic() + patience.orphans_s
    while True:
        if (adopted := adopt(site)) is not None:
            return adopted
        if (started := _launch(site, lifetime, patience)) is not None:
            return started
        if time.monotonic() > deadline:
            raise ServerBusy(f"what ran on {site.cluster.data} did not end within {patience.others_s:.0f} s\n{tail(site.cluster.log)}")
        if time.monotonic() > orphans_end and living(site.cluster.data) is None:
            end_orphans(site.cluster.data)
            orphans_end = time.monotonic() + 1
        time.sleep(POLL_S)


def adopt(site: Site) -> Started | None:
    """The server that lives on the cluster, if it says that it is ready and answers as itself."""
    postmaster = living(site.cluster.data)
    if postmaster is None or not postmaster.ready:
        return None
    address = Address(postmaster.port, site.cluster.password())
    lifetime = _answer(site, address)
    return Started(address, postmaster.pid, lifetime) if lifetime is not None else None


def _launch(site: Site, lifetime: Lifetime, patience: Patience) -> Started | None:
    """None while something of a predecessor is in the way."""
    lifeline = try_lock(site.cluster.lifeline)
    if lifeline is None:
        return None
    try:
        if not clear_stale(site.cluster.data):
            return None
        rotate(site.cluster.log)
        logged = size(site.cluster.log)
        address = Address(_free_port(site.cluster.last_port()), site.cluster.password())
        child = _spawn(site, address.port, lifeline, lifetime)
    finally:
        os.close(lifeline)  # from here on it is the server that holds it
    try:
        ready = _ready(site, child, address, patience)
    except BaseException:
        child.signal(signal.SIGQUIT)
        raise
    if ready:
        site.cluster.remember_port(address.port)
        return Started(address, child.pid, lifetime, child)
    said = tail(site.cluster.log, since=logged)
    if child.killed or PASSING.search(said):
        return None
    raise StartFailed(f"{site.installation.program('postgres')} on {site.cluster.data} as {site.account.name}\n{said}")


def _spawn(site: Site, port: int, lifeline: int, lifetime: Lifetime) -> Child:
    settings = server_settings(memory_bytes(), free_space(site.cluster.data))
    settings |= {"port": str(port), "cluster_name": cluster_tag(site.cluster.data), "penstock.lifetime": lifetime.value}
    command = [site.installation.program("postgres"), "-D", str(site.cluster.data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    try:
        return Child(command, site.account, log=site.cluster.log, lifeline=lifeline, outlives_us=lifetime is Lifetime.KEPT)
    except (OSError, subprocess.SubprocessError) as error:
        raise StartFailed(f"{command[0]} as {site.account.name}: {error}") from error


def _ready(site: Site, child: Child, address: Address, patience: Patience) -> bool:
    """Wait until the server answers; False when it ended instead."""
    deadline = time.monotonic() + patience.recovery_s
    while child.alive:
        postmaster = recorded(site.cluster.data)
        if postmaster is not None and postmaster.pid == child.pid and postmaster.ready and _answer(site, address):
            return True
        if time.monotonic() > deadline:
            raise StartFailed(f"no answer from {address.redacted_url} within {patience.recovery_s:.0f} s\n{tail(site.cluster.log)}")
        child.wait(POLL_S)
    return False


def _answer(site: Site, address: Address) -> Lifetime | None:
    """How long the server lives, by its own word; None when it gives no answer or is not the one on this very folder."""
    lifetime, _, data = (ask(site.installation, address, WHO) or "").partition(" ")
    return Lifetime(lifetime) if data == str(site.cluster.data) else None


def _free_port(preferred: int | None) -> int:
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartFailed(f"no free port on {HOST}")
