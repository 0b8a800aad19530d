"""One extraction in the foreground: its children, its display, its health endpoints, its signals, its last words."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from contextlib import AsyncExitStack
from typing import Any

import pyarrow as pa

from penstock.cli import EXIT_BY_SIGNAL, answer, tell
from penstock.cli.children import database, simulated_api
from penstock.cli.progress import showing
from penstock.cli.report import Report, result
from penstock.console.server import NotServed, serving
from penstock.engine.telemetry import Telemetry
from penstock.extract import job
from penstock.extract.api import Address
from penstock.extract.job import Extraction
from penstock.extract.settings import ExtractSettings
from penstock.model.errors import EXIT_FAILED, PenstockError
from penstock.ports.checkpoints import Outcome


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


def extract(settings: ExtractSettings, arguments: argparse.Namespace) -> int:
    """Run it; the exit code. With --json there is one object on standard output, also when the run fails."""
    # Arrow's own allocator gives pages back to the kernel and asks for them again with every batch, which costs a tenth of the run.
    pa.set_memory_pool(pa.system_memory_pool())
    telemetry, signals = Telemetry(), Signals()
    try:
        return asyncio.run(_extract(settings, arguments, telemetry, signals))
    except asyncio.CancelledError:
        return EXIT_BY_SIGNAL + (signals.received or signal.SIGINT)
    except PenstockError as error:
        if arguments.json:
            answer(json.dumps(result(Extraction(Outcome("failed", str(error)), None), telemetry)) + "\n")
        raise


async def _extract(settings: ExtractSettings, arguments: argparse.Namespace, telemetry: Telemetry, signals: Signals) -> int:
    signals.listen()
    asyncio.get_running_loop().set_exception_handler(_quietly)
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(database(settings.database_url, telemetry))
        address = await _address(settings, arguments, stack)
        pages = await stack.enter_async_context(serving(telemetry, port=settings.port))
        tell(str(pages) if isinstance(pages, NotServed) else f"{pages}/health, /ready, /metrics and /status show this run")
        async with showing(telemetry, arguments.progress):
            extraction = await job.extract(settings, address, place.dial, telemetry, signals.stop)
        if arguments.json:
            answer(json.dumps(result(extraction, telemetry)) + "\n")
        else:
            answer(Report(extraction, telemetry, place, settings.table).as_text())
    if extraction.outcome.state == "cancelled" and signals.received is not None:
        return EXIT_BY_SIGNAL + signals.received
    return EXIT_FAILED if extraction.outcome.state == "failed" else 0


def _quietly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A connection that was cut on purpose leaves a future of asyncpg's behind that nobody asks; everything else is told as usual."""
    if isinstance(context.get("exception"), ConnectionError) and "never retrieved" in context["message"]:
        return
    loop.default_exception_handler(context)


async def _address(settings: ExtractSettings, arguments: argparse.Namespace, stack: AsyncExitStack) -> Address:
    if settings.real_api:
        return Address(settings.base_url, settings.target_api_key or "")
    return await stack.enter_async_context(simulated_api(settings.events, arguments.simulator))
