"""A server in a thread of its own: each test of a suite has its own event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def in_thread(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """What the server yields, while it runs."""
    ready: Future[T] = Future()
    closing: Future[None] = Future()

    async def serve() -> None:
        async with server as running:
            ready.set_result(running)
            await asyncio.wrap_future(closing)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield ready.result(timeout=20)
    finally:
        closing.set_result(None)
        thread.join()
