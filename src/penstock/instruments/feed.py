"""Between a thread that reads and what makes samples durable: while one batch is being written the next one gathers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """Takes items one by one, and hands them on in order, as many at once as have come by then.

    No more than `most` wait; who brings another one then waits himself. `deliver` is called in a thread of the feed, with no items where
    none have come for `idle_s`; what it raises is raised to who brings the next item, asks with `check`, or leaves the feed. Entering it
    starts that thread, leaving it delivers what is waiting.
    """

    def __init__(self, deliver: Callable[[Sequence[T]], None], most: int, idle_s: float = 1.0) -> None:
        self._deliver = deliver
        self._most = most
        self._idle_s = idle_s
        self._changed = Condition()
        self._waiting = list[T]()
        self._closed = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="penstock-feed", daemon=True)

    def __enter__(self) -> Feed[T]:
        self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Bring an item."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._most or self._error is not None)
            self._waiting.append(item)
            self._changed.notify_all()
        self.check()

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raise what delivering has raised, if it has."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._deliver(batch)
            except BaseException as error:  # noqa: BLE001 - handed to the thread that has to know
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return

    def _next(self) -> Sequence[T] | None:
        """What is waiting, as soon as there is something; None when the feed is closed and all is delivered."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, self._idle_s)
            batch, self._waiting = self._waiting, []
            self._changed.notify_all()
            return None if self._closed and not batch else batch
