"""Operations that wait, on threads and on event loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any

import pytest

from penstock.queue.ingestion.steps import Bell, Blocking, Certain, Steps, finish, finish_async
from penstock.queue.log import Place
from penstock.queue.pending import Group, Pending
from penstock.testing.clock import in_simulated_time

PLACE = Place(0, bytes(10), 7)


class Answer:
    """Something to wait for that is there, or raises."""

    def __init__(self, *results: object) -> None:
        self.results = list(results)

    def result(self) -> Any:  # noqa: ANN401 - whatever it was made with
        """The next one."""
        result = self.results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from asyncio.sleep(0).__await__()
        return self.result()


def adding(*wanted: Any) -> Steps[list[object]]:  # noqa: ANN401 - things to wait for
    """What all of them gave, errors included."""
    found: list[object] = []
    for one in wanted:
        try:
            found.append((yield one))
        except ValueError as error:
            found.append(str(error))
    return found


def test_steps_are_carried_out() -> None:
    """Results are sent to where they are waited for, and errors thrown there."""
    assert finish(adding(Answer(1), Answer(ValueError("two")), Answer(3))) == [1, "two", 3]
    with pytest.raises(KeyError):
        finish(adding(Answer(KeyError())))


async def test_steps_are_carried_out_on_an_event_loop() -> None:
    """The same operation."""
    assert await finish_async(adding(Answer(1), Answer(ValueError("two")), Answer(3))) == [1, "two", 3]
    with pytest.raises(KeyError):
        await finish_async(adding(Answer(KeyError())))


def test_an_interruption_waits_for_what_is_certain() -> None:
    """Ctrl-C while an append is on its way: what follows from it is done first."""
    done: list[object] = []

    class Interrupted(Certain):
        """An append during which somebody presses Ctrl-C, once."""

        def __init__(self) -> None:
            self.pressed = False

        def result(self) -> Place:
            """As of the append."""
            if not self.pressed:
                self.pressed = True
                raise KeyboardInterrupt
            return PLACE

    def steps() -> Steps[None]:
        done.append((yield Interrupted()))

    with pytest.raises(KeyboardInterrupt):
        finish(steps())
    assert done == [PLACE]
    with pytest.raises(KeyboardInterrupt):
        finish(adding(Answer(KeyboardInterrupt())))


@in_simulated_time
async def test_a_cancellation_waits_for_what_is_certain() -> None:
    """The same on an event loop; whatever else is waited for is given up."""
    pending, done = Pending(0, [b"x"]), list[object]()
    pending.group = Group()

    def steps() -> Steps[None]:
        done.append((yield Certain(pending)))

    task = asyncio.ensure_future(finish_async(steps()))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    assert not task.done()
    pending.answer(PLACE)
    pending.group.announce()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [PLACE]

    bell = Bell()
    waiting = asyncio.ensure_future(finish_async(adding(bell.wait(bell.ticket, 1_000.0))))
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_bell_is_not_missed() -> None:
    """Neither before one waits nor while one does; and not waited for longer than was said."""
    bell = Bell()
    ticket = bell.ticket
    bell.ring()
    bell.wait(ticket, 1_000.0).result()
    bell.wait(bell.ticket, 0.0).result()

    waiting = bell.wait(bell.ticket, 30.0)
    threading.Timer(0.01, bell.ring).start()
    waiting.result()

    assert bell.ticket == 2


@in_simulated_time
async def test_a_bell_wakes_tasks() -> None:
    """In time, or when it is rung."""
    bell, loop = Bell(), asyncio.get_running_loop()
    began = loop.time()
    await bell.wait(bell.ticket, 5.0)
    assert loop.time() - began == 5.0

    loop.call_later(2.0, bell.ring)
    await bell.wait(bell.ticket, 5.0)
    assert loop.time() - began <= 10.0


async def test_blocking_work_leaves_the_event_loop_alone() -> None:
    """It is done on another thread; without an event loop on this one."""
    threads: list[int] = []

    await Blocking(lambda: threads.append(threading.get_ident()))
    Blocking(lambda: threads.append(threading.get_ident())).result()

    assert threads[0] != threads[1] == threading.get_ident()
