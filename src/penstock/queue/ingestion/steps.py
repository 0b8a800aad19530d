"""Operations that wait, written once: for threads, which block, and for event loops, which do not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any, Protocol, TypeAlias, TypeVar

from penstock.model.errors import PenstockError
from penstock.queue.log import Place
from penstock.queue.pending import Pending

T = TypeVar("T")


class Waitable(Protocol):
    """Something to wait for: block for its result, or await it."""

    def result(self) -> Any:  # noqa: ANN401 - each has its own
        """Block until it is there."""
        ...

    def __await__(self) -> Generator[Any, Any, Any]: ...


Steps: TypeAlias = Generator[Waitable, Any, T]
"""An operation that yields what it waits for, and is sent what came of it."""


def finish(steps: Steps[T]) -> T:
    """Carry an operation out on this thread."""
    carrying = _carried(steps, _blocked)
    while True:  # once is enough: nothing in it is awaited
        try:
            carrying.send(None)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def finish_async(steps: Steps[T]) -> Coroutine[Any, Any, T]:
    """Carry an operation out on this event loop."""
    return _carried(steps, _awaited)


async def _blocked(wanted: Waitable) -> Any:  # noqa: ANN401 - each has its own
    return wanted.result()


async def _awaited(wanted: Waitable) -> Any:  # noqa: ANN401 - each has its own
    return await wanted


async def _carried(steps: Steps[T], wait: Callable[[Waitable], Awaitable[Any]]) -> T:
    """What comes of the steps: each result is sent to where it is waited for, and each error thrown there.

    Whatever interrupts the wait for what is `Certain` (Ctrl-C, a cancellation, the handler of a signal) is kept until the operation ends.
    """
    interrupted: BaseException | None = None
    try:
        wanted = next(steps)
        while True:
            try:
                result = await wait(wanted)
            except BaseException as error:  # noqa: BLE001 - it is the operation's, which waits for it
                if not isinstance(wanted, Certain) or isinstance(error, PenstockError | GeneratorExit):
                    wanted = steps.throw(error)
                else:
                    interrupted = error
            else:
                wanted = steps.send(result)
    except StopIteration as end:
        if interrupted is not None:
            raise interrupted from None
        return end.value  # type: ignore[no-any-return]


class Certain:
    """An append that has to be waited for also by one who is interrupted, because of what follows from it."""

    def __init__(self, pending: Pending) -> None:
        self._pending = pending

    def result(self) -> Place:
        """As of the append."""
        return self._pending.result()

    def __await__(self) -> Generator[Any, Any, Place]:
        return self._pending.__await__()


class Blocking:
    """Work that blocks: done at once on a thread, and for an event loop on another one."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work

    def result(self) -> None:
        """Do it."""
        self._work()

    def __await__(self) -> Generator[Any, Any, None]:
        yield from asyncio.to_thread(self._work).__await__()


class Bell:
    """Wakes all who wait for something to change.

    Take the `ticket` before looking, and wait with it: a bell that was rung in between is not missed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[Future[None]] = set()
        self.ticket = 0

    def ring(self) -> None:
        """Something has changed."""
        with self._lock:
            self.ticket += 1
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            with suppress(InvalidStateError):  # a task that waited was cancelled just now
                future.set_result(None)

    def wait(self, ticket: int, timeout_s: float) -> Rung:
        """What is over when the bell has been rung since the ticket was taken, or after a time."""
        future: Future[None] = Future()
        with self._lock:
            if ticket == self.ticket:
                self._waiting.add(future)
            else:
                future.set_result(None)
        return Rung(self, future, timeout_s)

    def leave(self, future: Future[None]) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._waiting.discard(future)


class Rung:
    """That the bell was rung, or that it was not for so long."""

    def __init__(self, bell: Bell, future: Future[None], timeout_s: float) -> None:
        self._bell = bell
        self._future = future
        self._timeout_s = timeout_s

    def result(self) -> None:
        """Block until then."""
        with suppress(FutureTimeoutError):
            self._future.result(self._timeout_s)
        self._bell.leave(self._future)

    def __await__(self) -> Generator[Any, Any, None]:
        yield from asyncio.wait([asyncio.wrap_future(self._future)], timeout=self._timeout_s).__await__()
        self._bell.leave(self._future)
