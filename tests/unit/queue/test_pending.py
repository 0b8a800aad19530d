"""Those who wait for an append are told once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from penstock.queue.log import LogFull, Place
from penstock.queue.pending import Group, Pending

PLACE = Place(0, b"0123456789", 7)


def waiting(group: Group) -> Pending:
    """An append of the group."""
    pending = Pending(0, [b"x"])
    pending.group = group
    return pending


def test_a_result_that_does_not_come_in_time() -> None:
    """Who has waited long enough hears of it, and may ask again."""
    pending = waiting(group := Group())

    with pytest.raises(TimeoutError):
        pending.result(0.001)
    pending.answer(PLACE)
    group.announce()

    assert pending.result(0) == PLACE


def test_all_threads_are_woken() -> None:
    """Each gets the answer of its own append."""
    group = Group()
    pendings = [waiting(group) for _ in range(20)]
    places: list[Place] = []
    threads = [threading.Thread(target=lambda pending=pending: places.append(pending.result(30.0))) for pending in pendings]
    for thread in threads:
        thread.start()

    for number, pending in enumerate(pendings):
        pending.answer(Place(0, b"0123456789", number))
    group.announce()
    for thread in threads:
        thread.join(30.0)

    assert sorted(place.offset for place in places) == list(range(20))


async def test_a_task_hears_what_went_wrong() -> None:
    """Awaiting raises the error."""
    pending = waiting(group := Group())
    task = asyncio.ensure_future(awaited(pending))
    await asyncio.sleep(0)
    pending.answer(LogFull("here"))
    group.announce()

    with pytest.raises(LogFull, match="here"):
        await task


async def awaited(pending: Pending) -> Place:
    """The place."""
    return await pending


def test_an_event_loop_that_is_closed_harms_nobody() -> None:
    """Its tasks are gone; the others are told."""
    pending = waiting(group := Group())
    loop = asyncio.new_event_loop()
    task = loop.create_task(awaited(pending))
    loop.call_soon(loop.stop)
    loop.run_forever()
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()

    pending.answer(PLACE)
    group.announce()

    assert pending.result(0) == PLACE
