"""Disk, log, locks, settings, tuning, and what postmaster.pid says."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import Misconfigured
from penstock.stores.postgres.embedded.cluster import Cluster
from penstock.stores.postgres.embedded.disk import require_free_space
from penstock.stores.postgres.embedded.errors import DiskTooFull, ServerBusy, StopFailed
from penstock.stores.postgres.embedded.launch import Patience
from penstock.stores.postgres.embedded.locks import exclusive, is_free
from penstock.stores.postgres.embedded.log import open_log, rotate, tail
from penstock.stores.postgres.embedded.postmaster import Postmaster, clear_stale, living, recorded, send
from penstock.stores.postgres.embedded.psql import Address, shell_environment
from penstock.stores.postgres.embedded.settings import EmbeddedSettings
from penstock.stores.postgres.embedded.stop import end
from penstock.stores.postgres.embedded.tuning import memory_bytes, server_settings

if TYPE_CHECKING:
    from collections.abc import Callable

GIBIBYTE = 1 << 30
PIDFILE = "{pid}\n/data\n1790000000\n5433\n\n127.0.0.1\n  2146353        14\n{status}\n"


def disk(free_bytes: int) -> Callable[[Path], os.statvfs_result]:
    """A disk with so much free for ordinary users, and a lot more for root."""
    return lambda _: os.statvfs_result((4096, 4096, 1 << 30, 1 << 30, free_bytes // 4096, 0, 0, 0, 0, 255))


def test_free_space_is_what_ordinary_users_may_use(tmp_path: Path) -> None:
    """Exactly enough is enough; one byte more is an error with place and sizes, for a folder not yet made too."""
    folder = tmp_path / "not" / "made"

    assert require_free_space(folder, 512 << 20, statvfs=disk(512 << 20)) == 512 << 20
    with pytest.raises(DiskTooFull, match=rf"512 MB free at {folder}, 513 MB needed"):
        require_free_space(folder, (512 << 20) + 1, statvfs=disk(512 << 20))


def test_a_log_is_cut_while_it_is_written(tmp_path: Path) -> None:
    """A grown log moves aside, and what is written afterwards through the same open file stands at its beginning."""
    log = tmp_path / "server.log"
    with open_log(log) as file:
        file.write(b"x" * 100)
        file.flush()
        rotate(log, kept_bytes=100)
        assert log.stat().st_size == 100

        rotate(log, kept_bytes=99)
        file.write(b"after")

    assert log.read_bytes() == b"after"
    assert (tmp_path / "server.log.1").stat().st_size == 100
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    """Fifteen lines, none of what was there before, and nothing of a log that is not there."""
    log = tmp_path / "server.log"
    assert tail(log) == ""
    log.write_text("before\n" + "".join(f"line {number}\n" for number in range(20)))

    assert tail(log).splitlines() == [f"  line {number}" for number in range(5, 20)]
    assert tail(log, since=log.stat().st_size - len("line 19\n")) == "  line 19"


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    """While it is held nobody else gets it, and it is free again afterwards."""
    with exclusive(tmp_path / "lock", timeout_s=0):
        assert not is_free(tmp_path / "lock")
        with pytest.raises(ServerBusy, match=f"{tmp_path}/lock was not released"), exclusive(tmp_path / "lock", timeout_s=0):
            pass

    assert is_free(tmp_path / "lock")


def test_settings_come_from_the_environment() -> None:
    """Every setting has a variable; empty ones count as unset."""
    environ = {"PENSTOCK_HOME": "/h", "PENSTOCK_PG_BIN": "/b", "PENSTOCK_PG_USER": "u", "PENSTOCK_PG_FREE_MB": "3"}

    assert EmbeddedSettings.from_environment(environ) == EmbeddedSettings(Path("/h"), Path("/b"), "u", 3 << 20)
    assert EmbeddedSettings.from_environment(dict.fromkeys(environ, "") | {"PENSTOCK_HOME": "/h"}) == EmbeddedSettings(Path("/h"))
    with pytest.raises(Misconfigured, match="PENSTOCK_PG_FREE_MB is 'much'"):
        EmbeddedSettings.from_environment(environ | {"PENSTOCK_PG_FREE_MB": "much"})


@given(memory=st.integers(64 << 20, 1 << 45), free=st.integers(0, 1 << 50))
def test_settings_fit_every_machine(memory: int, free: int) -> None:
    """Shared buffers stay within an eighth of memory and 1 GB, the log between checkpoints within 8 GB; commits are always durable."""
    settings = server_settings(memory, free)
    sizes = {name: int(value.removesuffix("MB")) << 20 for name, value in settings.items() if value.endswith("MB")}

    assert 32 << 20 <= sizes["shared_buffers"] <= max(memory // 8, 32 << 20)
    assert sizes["shared_buffers"] <= GIBIBYTE
    assert sizes["min_wal_size"] <= sizes["max_wal_size"] <= max(free // 10, 512 << 20)
    assert sizes["max_wal_size"] <= 8 * GIBIBYTE
    assert {settings[name] for name in ("fsync", "full_page_writes", "synchronous_commit")} == {"on"}


def test_a_container_has_the_memory_it_is_allowed(tmp_path: Path) -> None:
    """A limit counts where it is lower than the machine; `max` and a missing file are no limit."""
    for name, text in (("limited", "1048576\n"), ("unlimited", "max\n")):
        (tmp_path / name).write_text(text)

    assert memory_bytes((tmp_path / "unlimited", tmp_path / "missing")) == memory_bytes(()) > 1 << 20
    assert memory_bytes((tmp_path / "limited",)) == 1 << 20


def test_what_postmaster_pid_says(tmp_path: Path) -> None:
    """Process id, port, shared memory segment and status are read; a missing or half-written file says nothing."""
    assert recorded(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text("4711\n/da")
    assert recorded(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text(PIDFILE.format(pid=4711, status="ready   "))

    assert recorded(tmp_path) == Postmaster(pid=4711, port=5433, segment=14, status="ready")


def test_a_process_that_is_no_postgres_is_no_postmaster(tmp_path: Path) -> None:
    """Our own process id in postmaster.pid names no server; the file is stale and goes."""
    (tmp_path / "postmaster.pid").write_text(PIDFILE.format(pid=os.getpid(), status="ready").replace("  2146353        14", ""))

    assert living(tmp_path) is None
    assert clear_stale(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_only_the_server_is_signalled(tmp_path: Path) -> None:
    """A process id that is gone, or belongs to somebody else by now (here: to us), gets no signal."""
    for pid in (os.getpid(), 1 << 22):
        assert not send(signal.SIGKILL, Postmaster(pid, 5433, None, "ready"), tmp_path)


def test_a_stop_becomes_urgent(tmp_path: Path) -> None:
    """A server that does not heed the fast shutdown is stopped at once; one that outlives that is an error."""
    sent: list[signal.Signals] = []
    patience = Patience(stop_s=0.01, immediate_s=0.01)

    end(sent.append, lambda: signal.SIGQUIT in sent, Cluster(tmp_path), patience)
    assert sent == [signal.SIGINT, signal.SIGQUIT]
    with pytest.raises(StopFailed, match=f"{tmp_path}/postgres/data"):
        end(sent.append, lambda: False, Cluster(tmp_path), patience)


def test_the_shell_gets_our_server_and_the_callers_terminal() -> None:
    """PG* variables of the caller would lead psql elsewhere; everything else of its environment is kept."""
    environ = shell_environment(Address(5433, "secret"), {"TERM": "xterm", "PGSERVICE": "other", "PGPORT": "1"})

    assert environ["TERM"] == "xterm"
    assert "PGSERVICE" not in environ
    assert (environ["PGPORT"], environ["PGPASSWORD"]) == ("5433", "secret")
