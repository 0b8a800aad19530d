"""One task in the foreground: its display, its health endpoints, its signals, its last words."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from penstock.cli import EXIT_BY_SIGNAL, answer, tell
from penstock.cli.progress import Mode, showing
from penstock.console.server import NotServed, serving
from penstock.engine.telemetry import Telemetry
from penstock.model.errors import EXIT_FAILED, PenstockError
from penstock.ports.checkpoints import Outcome


@dataclass(frozen=True, slots=True)
class View:
    """How a run is watched: the way of its display, the port of its pages, and whether it ends with one JSON object."""

    progress: Mode
    port: int
    json: bool


@dataclass(frozen=True, slots=True)
class LastWords:
    """How a run ended, for the history, for people and for programs."""

    outcome: Outcome
    text: str
    result: dict[str, object]


class Work(Protocol):
    """What runs in the foreground."""

    async def perform(self, telemetry: Telemetry, stop: asyncio.Event, children: AsyncExitStack) -> LastWords:
        """Run to the end, or until `stop`. What is entered in `children` is left after the last words."""
        ...

    def failed(self, error: PenstockError, telemetry: Telemetry) -> dict[str, object]:
        """The object of --json after an error; called for every error, also where nobody asked for it."""
        ...


class Signals:
    """The first SIGINT or SIGTERM asks for a drained stop, the second one cancels."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.received: int | None = None

    def listen(self) -> None:
        """Take the signals from here on, for the task that asks."""
        task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._on, number, task)

    def _on(self, number: int, task: asyncio.Task[Any] | None) -> None:
        if self.received is not None and task is not None:
            task.cancel()
        self.received = number
        self.stop.set()
        tell("stopping, what is read will be stored; once more stops at once")


def run(work: Work, view: View) -> int:
    """Run it; the exit code. With --json there is one object on standard output, also when the run fails."""
    # Arrow's own allocator gives pages back to the kernel and asks for them again with every batch, which costs a tenth of the run.
    pa.set_memory_pool(pa.system_memory_pool())
    gc.freeze()  # what was imported stays: the collector need not look at it again and again
    telemetry, signals = Telemetry(tell=tell), Signals()
    try:
        return asyncio.run(_run(work, view, telemetry, signals))
    except asyncio.CancelledError:
        return EXIT_BY_SIGNAL + (signals.received or signal.SIGINT)
    except PenstockError as error:
        result = work.failed(error, telemetry)
        if view.json:
            answer(json.dumps(result) + "\n")
        raise


async def _run(work: Work, view: View, telemetry: Telemetry, signals: Signals) -> int:
    signals.listen()
    asyncio.get_running_loop().set_exception_handler(_quietly)
    async with AsyncExitStack() as children:
        pages = await children.enter_async_context(serving(telemetry, port=view.port))
        tell(str(pages) if isinstance(pages, NotServed) else f"{pages}/health, /ready, /metrics and /status show this run")
        async with showing(telemetry, view.progress):
            words = await work.perform(telemetry, signals.stop, children)
        answer(json.dumps(words.result) + "\n" if view.json else words.text)
    if words.outcome.state == "cancelled" and signals.received is not None:
        return EXIT_BY_SIGNAL + signals.received
    return EXIT_FAILED if words.outcome.state == "failed" else 0


def _quietly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A connection that was cut on purpose leaves a future of asyncpg's behind that nobody asks; everything else is told as usual."""
    if isinstance(context.get("exception"), ConnectionError) and "never retrieved" in context["message"]:
        return
    loop.default_exception_handler(context)
