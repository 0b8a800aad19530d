"""Starting, stopping and being killed, as whoever runs the tests and as an ordinary user."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from penstock.stores.postgres.embedded.locks import is_free
from tests.integration.embedded.places import command_line, run, server_processes, until

if TYPE_CHECKING:
    from tests.integration.embedded.places import Place


async def test_data_and_address_survive_a_restart(place: Place) -> None:
    """What was stored is there after a stop and a start, under the same address."""
    starter = place.starter()
    first = starter.ask("start")
    await run(first["url"], "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7) RETURNING id")
    starter.ask("stop")
    assert place.postmaster is None

    second = starter.ask("start")

    assert second == first == {"url": first["url"], "owned": True}
    assert await run(second["url"], "SELECT id FROM kept") == 7


@pytest.mark.parametrize("victims", ["postmaster", "all"])
async def test_acknowledged_rows_survive_a_kill(place: Place, victims: str) -> None:
    """Every row whose insert was acknowledged before a kill -9 in the middle of inserting is there after the restart."""
    starter = place.starter()
    url = starter.ask("start")["url"]
    await run(url, "CREATE TABLE acknowledged (id int PRIMARY KEY)", "SELECT 1")
    acknowledged: list[int] = []
    enough = asyncio.Event()

    async def insert(worker: int) -> None:
        connection = await asyncpg.connect(url)
        for number in range(worker, 1_000_000, 4):
            await connection.execute("INSERT INTO acknowledged VALUES ($1)", number)
            acknowledged.append(number)
            if len(acknowledged) == 200:
                enough.set()

    inserting = [asyncio.create_task(insert(worker)) for worker in range(4)]
    await asyncio.wait_for(enough.wait(), 30)
    children = server_processes(place.cluster.data)
    assert place.postmaster is not None
    for pid in [place.postmaster.pid, *(children if victims == "all" else [])]:
        os.kill(pid, signal.SIGKILL)
    ends = await asyncio.gather(*inserting, return_exceptions=True)
    await asyncio.to_thread(until, lambda: place.postmaster is None)

    restarted = await asyncio.to_thread(starter.ask, "restart")

    assert restarted["restarted"] is True
    assert all(isinstance(end, Exception) for end in ends)
    stored = await run(restarted["url"], "SELECT array_agg(id) FROM acknowledged")
    assert isinstance(stored, list)
    assert set(acknowledged) <= set(stored)


async def test_the_server_dies_with_a_killed_parent(place: Place) -> None:
    """After a kill -9 of the process that started it, the server goes down by itself and cleanly."""
    starter = place.starter()
    starter.ask("start")
    before = place.cluster.log.stat().st_size
    processes = server_processes(place.cluster.data)
    assert processes

    starter.kill()

    until(lambda: b"database system is shut down" in place.cluster.log.read_bytes()[before:], timeout_s=10)
    until(lambda: not server_processes(place.cluster.data))


async def test_the_next_start_waits_for_a_predecessor_that_shuts_down(place: Place) -> None:
    """A server that is still on its way down is waited for; the next one starts as soon as it is gone."""
    first = place.starter()
    url = first.ask("start")["url"]
    await run(url, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7) RETURNING id")
    checkpointer = next(pid for pid in server_processes(place.cluster.data) if "checkpointer" in command_line(pid))
    os.kill(checkpointer, signal.SIGSTOP)
    first.kill()
    until(lambda: place.postmaster is not None and place.postmaster.status == "stopping")

    second = place.starter()
    second.say("start")
    until(lambda: not is_free(place.cluster.start_lock))
    assert place.postmaster is not None
    os.kill(checkpointer, signal.SIGCONT)
    answer = await asyncio.to_thread(second.hear)

    assert answer == {"url": url, "owned": True}
    assert await run(url, "SELECT id FROM kept") == 7


def test_a_zombie_postmaster_is_dead(place: Place) -> None:
    """A killed postmaster whose parent does not reap it is not waited for."""
    parent = place.starter()
    url = parent.ask("start")["url"]
    os.kill(parent.process.pid, signal.SIGSTOP)
    try:
        place.kill_postmaster()
        pid = (place.cluster.data / "postmaster.pid").read_text().split()[0]
        until(lambda: "(zombie)" in Path(f"/proc/{pid}/status").read_text())

        answer = place.starter().ask("start")
    finally:
        os.kill(parent.process.pid, signal.SIGCONT)

    assert answer == {"url": url, "owned": True}


async def test_several_starters_share_one_server(new_place: Place) -> None:
    """Of several processes that start at once on a new home, one owns the server, the others use it and leave it running."""
    starters = [new_place.starter() for _ in range(3)]
    for starter in starters:
        starter.say("start")
    answers = [starter.hear() for starter in starters]

    owners = [starter for starter, answer in zip(starters, answers, strict=True) if answer["owned"]]
    for starter in starters:
        if starter not in owners:
            starter.ask("stop")

    assert len(owners) == 1
    assert len({answer["url"] for answer in answers}) == 1
    assert await run(answers[0]["url"], "SELECT 1") == 1


async def test_a_sharer_starts_its_own_when_the_owner_is_done(place: Place) -> None:
    """A process whose shared server was stopped by its owner gets one of its own, on the same data."""
    owner, sharer = place.starter(), place.starter()
    url = owner.ask("start")["url"]
    assert sharer.ask("start")["owned"] is False
    assert sharer.ask("restart")["restarted"] is False
    owner.ask("stop")

    assert sharer.ask("restart") == {"restarted": True, "url": url}
    assert sharer.ask("start")["owned"] is True


async def test_a_killed_initialisation_is_done_again(new_place: Place) -> None:
    """A process killed in the middle of initdb leaves nothing that counts as a database; the next start makes a whole one."""
    starter = new_place.starter()
    starter.say("start")
    until(lambda: list(new_place.home.glob(".postgres-new-*/data/PG_VERSION")))
    starter.kill()
    assert not new_place.cluster.folder.exists()

    answer = new_place.starter().ask("start")

    assert await run(answer["url"], "SELECT current_database()::text") == "penstock"
    assert not list(new_place.home.glob(".postgres-new-*"))


def test_a_server_that_is_kept_outlives_its_parent(place: Place) -> None:
    """A server started to be kept goes on after the process that started it."""
    starter = place.starter()
    assert starter.ask("start kept")["owned"] is False

    starter.close()

    assert place.postmaster is not None
    assert place.postmaster.ready
