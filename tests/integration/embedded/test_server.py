"""One server in our own process: what it refuses, what it survives, what it keeps to itself."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from penstock.stores.postgres.embedded import EmbeddedServer, EmbeddedSettings
from penstock.stores.postgres.embedded.binaries import PROGRAMS, locate
from penstock.stores.postgres.embedded.cluster import Cluster
from penstock.stores.postgres.embedded.errors import (
    DiskTooFull,
    FolderDamaged,
    InitFailed,
    KeepsDying,
    NotRunning,
    OtherMajor,
    ServerBusy,
    StartFailed,
)
from penstock.stores.postgres.embedded.locks import is_free, try_lock
from penstock.stores.postgres.embedded.postmaster import living, send
from tests.integration.embedded.places import IMPATIENT, command_line, processes, run, server_processes, until


def kill(settings: EmbeddedSettings) -> int:
    """Kill -9 the postmaster, only that, and return the id it had."""
    data = Cluster(settings.home).data
    postmaster = living(data)
    assert postmaster is not None
    send(signal.SIGKILL, postmaster, data)
    until(lambda: living(data) is None)
    return postmaster.pid


async def test_orphaned_sessions_are_ended(server: EmbeddedServer, settings: EmbeddedSettings) -> None:
    """A session so busy that it does not notice the death of its postmaster does not keep the next start waiting for its end."""
    connection = await asyncpg.connect(server.url)
    busy = asyncio.create_task(connection.fetchval("SELECT count(*) FROM generate_series(1, 1000000000) AS a"))
    data = Cluster(settings.home).data
    await asyncio.to_thread(until, lambda: any("SELECT" in command_line(pid) for pid in server_processes(data)))
    kill(settings)
    orphans = server_processes(data)
    assert not is_free(Cluster(settings.home).lifeline)

    restarted = await asyncio.to_thread(server.restart_if_dead)

    assert restarted
    assert orphans
    assert not set(orphans) & set(server_processes(data))
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await busy


def test_a_stale_process_id_of_somebody_else_is_no_server(settings: EmbeddedSettings) -> None:
    """A postmaster.pid whose number now belongs to another process of the account is removed, and that process left alone."""
    with EmbeddedServer(settings, IMPATIENT):
        pidfile = Cluster(settings.home).data / "postmaster.pid"
        owner = pidfile.stat()
        lines = pidfile.read_text().splitlines()
    account: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "60"], **account) as foreign:
        pidfile.write_text("\n".join([str(foreign.pid), *lines[1:]]) + "\n")
        os.chown(pidfile, owner.st_uid, owner.st_gid)

        with EmbeddedServer(settings, IMPATIENT) as server:
            assert server.alive
            assert server.owned

        assert foreign.poll() is None
        foreign.kill()


def test_the_fourth_restart_is_refused(server: EmbeddedServer, settings: EmbeddedSettings) -> None:
    """Three restarts in one run are made, the fourth is an error that quotes the log."""
    for _ in range(3):
        kill(settings)
        assert server.restart_if_dead()
    assert not server.restart_if_dead()
    kill(settings)

    with pytest.raises(KeepsDying, match=r"3 restarts in one run\n(.*\n)*.*database system was not properly shut down"):
        server.restart_if_dead()


def test_callers_at_the_same_moment_make_one_restart(server: EmbeddedServer, settings: EmbeddedSettings) -> None:
    """When every worker finds its connection lost and asks for a restart, there is one."""
    kill(settings)

    with ThreadPoolExecutor(8) as pool:
        restarted = list(pool.map(lambda _: server.restart_if_dead(), range(8)))

    assert sum(restarted) == server.restarts == 1


async def test_a_server_started_from_a_thread_outlives_the_thread(settings: EmbeddedSettings) -> None:
    """The end of the thread that called start, which asyncio.to_thread may bring about, does not end the server."""
    server = EmbeddedServer(settings, IMPATIENT)
    caller = threading.Thread(target=server.start)
    caller.start()
    caller.join()

    assert await run(server.url, "SELECT 1") == 1
    assert server.alive
    server.stop()
    assert not server.alive


def test_the_terminal_does_not_reach_the_server(server: EmbeddedServer, settings: EmbeddedSettings) -> None:
    """Ctrl-C goes to our process group; the server is in none of ours, so that we can drain first."""
    postmaster = living(Cluster(settings.home).data)
    assert postmaster is not None

    assert server.alive
    assert os.getsid(postmaster.pid) != os.getsid(0)


async def test_only_loopback_and_only_with_the_password(server: EmbeddedServer) -> None:
    """The server listens on 127.0.0.1 only, has no unix socket, and asks for the password by SCRAM."""
    assert await run(server.url, "SHOW listen_addresses") == "127.0.0.1"
    assert await run(server.url, "SHOW unix_socket_directories") == ""
    assert await run(server.url, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'penstock'") is True
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url, password="wrong")


async def test_no_acknowledged_commit_is_traded_for_speed(server: EmbeddedServer) -> None:
    """The settings that durability hangs on are on."""
    for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert await run(server.url, f"SHOW {name}") == "on"


@contextmanager
def looking(seen: set[str]) -> Iterator[None]:
    """Add every command line there is while the block runs."""
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.update(map(command_line, processes()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def test_the_password_appears_nowhere(new_settings: EmbeddedSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither command lines, seen all through the first start, nor the log, nor a repr show it; our credentials do not reach the server."""
    monkeypatch.setenv("TARGET_API_KEY", "a-key-of-ours")
    seen: set[str] = set()

    for number in range(5):  # a program that ends at once may do so between two looks
        settings = dataclasses.replace(new_settings, home=new_settings.home / str(number))
        with looking(seen), EmbeddedServer(settings, IMPATIENT) as server:
            password = server.address.password
            with pytest.raises(asyncpg.PostgresError):
                await run(server.url, f"CREATE ROLE penstock PASSWORD '{password}'", "SELECT 1")
            shown = [repr(server), repr(server.address), repr(server.__dict__), server.redacted_url]
            postmaster = living(Cluster(settings.home).data)
            assert postmaster is not None
            environ = await asyncio.to_thread(Path(f"/proc/{postmaster.pid}/environ").read_text)
        assert not [text for text in [*seen, *shown, environ, Cluster(settings.home).log.read_text()] if password in text]
        assert "already exists" in Cluster(settings.home).log.read_text()
        assert "a-key-of-ours" not in environ
        if any("psql" in line for line in seen):
            break

    assert any("initdb" in line for line in seen)
    assert any("psql" in line for line in seen)


def test_private_files_are_private(server: EmbeddedServer, settings: EmbeddedSettings) -> None:
    """Password, log and data are for their owners only."""
    cluster = Cluster(settings.home)

    assert server.alive
    assert [path.stat().st_mode & 0o777 for path in (cluster.folder / "password", cluster.log, cluster.data)] == [0o600, 0o600, 0o700]


def test_a_disk_too_full_is_said_before_anything_is_made(new_settings: EmbeddedSettings) -> None:
    """Below the floor nothing is initialised, and the error says what is free, what is needed and where."""
    demanding = dataclasses.replace(new_settings, free_bytes=1 << 60)

    with pytest.raises(DiskTooFull, match=rf"MB free at {new_settings.home}, 1,099,511,627,776 MB needed"):
        EmbeddedServer(demanding).start()

    assert not Cluster(new_settings.home).folder.exists()


def test_what_does_not_get_out_of_the_way_is_told(settings: EmbeddedSettings) -> None:
    """Something of a former server that does not end, or a starter that never finishes, is an error to try again after."""
    cluster = Cluster(settings.home)
    hasty = dataclasses.replace(IMPATIENT, others_s=0.1)
    for path, message in ((cluster.lifeline, "did not end within"), (cluster.start_lock, "was not released within")):
        held = try_lock(path)
        assert held is not None
        with pytest.raises(ServerBusy, match=message) as caught:
            EmbeddedServer(settings, hasty).start()
        os.close(held)

        assert caught.value.exit_code == 75


def test_a_server_that_does_not_answer_is_not_left_running(settings: EmbeddedSettings) -> None:
    """When recovery takes longer than we wait for it, the start fails and the server is ended."""
    with pytest.raises(StartFailed, match=r"no answer from postgresql://penstock:\*\*\*@127.0.0.1"):
        EmbeddedServer(settings, dataclasses.replace(IMPATIENT, recovery_s=-1)).start()

    until(lambda: is_free(Cluster(settings.home).lifeline))


def test_a_damaged_folder_is_not_overwritten(new_settings: EmbeddedSettings) -> None:
    """A folder with something in it that is no database is refused and left as it is."""
    remains = Cluster(new_settings.home).data / "base"
    remains.mkdir(parents=True)

    with pytest.raises(FolderDamaged, match=str(Cluster(new_settings.home).folder)):
        EmbeddedServer(new_settings).start()

    assert remains.exists()


@pytest.mark.parametrize("program", ["initdb", "postgres"])
def test_a_failed_initialisation_leaves_nothing(new_settings: EmbeddedSettings, folder: Path, program: str) -> None:
    """When a program of the initialisation fails, what it said is in the error, and no folder is left that looks like a database."""
    binaries = folder / "bin"
    binaries.mkdir()
    for name in PROGRAMS:
        fails = 'case "$*" in *-D*) echo "no can do"; exit 3 ;; esac\n' if name == program else ""
        (binaries / name).write_text(f'#!/bin/sh\n{fails}echo "postgres (PostgreSQL) 18.4"\n')
        (binaries / name).chmod(0o755)

    with pytest.raises(InitFailed, match=f"{program} as .*, exit code 3: no can do"):
        EmbeddedServer(dataclasses.replace(new_settings, binaries=binaries)).start()

    assert [path.name for path in new_settings.home.iterdir()] == ["postgres.lock"]


def test_a_lost_password_is_told(settings: EmbeddedSettings) -> None:
    """Data without the password file is refused, naming the file."""
    with EmbeddedServer(settings, IMPATIENT):
        pass
    (Cluster(settings.home).folder / "password").unlink()

    with pytest.raises(FolderDamaged, match="password"):
        EmbeddedServer(settings).start()


def test_a_server_that_cannot_start_quotes_its_log(settings: EmbeddedSettings) -> None:
    """What the server said when it gave up is in the error, at once and not after a minute of trying."""
    with EmbeddedServer(settings, IMPATIENT):
        pass
    (Cluster(settings.home).data / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(StartFailed, match='unrecognized configuration parameter "no_such_setting"'):
        EmbeddedServer(settings).start()


async def test_a_taken_port_is_given_way_to(settings: EmbeddedSettings) -> None:
    """When another process listens on the port of the last start, the next start takes another one."""
    with EmbeddedServer(settings, IMPATIENT) as server:
        first = server.address.port
    listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", first)

    async with listener:
        await asyncio.to_thread(server.start)
        assert server.address.port != first
        assert await run(server.url, "SELECT 1") == 1
        await asyncio.to_thread(server.stop)
    with pytest.raises(NotRunning):
        server.address  # noqa: B018 - reading it is what is tested


def other_installations() -> list[Path]:
    """The bin folders of every other version that is installed here: another one in the wheel, those of the system."""
    older = locate().bin.parent.with_name("pginstall") / "bin"
    return [folder for folder in (older, *sorted(Path("/usr/lib/postgresql").glob("*/bin"))) if folder.is_dir()]


@pytest.mark.parametrize("binaries", other_installations(), ids=str)
async def test_other_versions_serve_too_but_not_each_others_data(new_settings: EmbeddedSettings, binaries: Path) -> None:
    """Any version serves a home of its own; the data of one is refused by another, which names both."""
    with EmbeddedServer(dataclasses.replace(new_settings, binaries=binaries), IMPATIENT) as server:
        version = await run(server.url, "SHOW server_version_num")
    major = str(version)[:2]

    with pytest.raises(OtherMajor, match=rf"is of version {major}, the server in .* is {locate().version}"):
        EmbeddedServer(new_settings).start()
