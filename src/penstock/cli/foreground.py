"""One extraction in the foreground: its children, its display, its health endpoints, its signals, its last words."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack

import pyarrow as pa

from penstock.cli import tell
from penstock.cli.children import database, simulated_api
from penstock.cli.progress import showing
from penstock.cli.report import Report
from penstock.console.server import NotServed, serving
from penstock.engine.telemetry import Telemetry
from penstock.extract import job
from penstock.extract.api import Address
from penstock.extract.settings import ExtractSettings

EXIT_BY_SIGNAL = 128


class Signals:
    """The first SIGINT or SIGTERM asks for a drained stop, the second one cancels."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.received: int | None = None
        self._task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._on, number)

    def _on(self, number: int) -> None:
        if self.received is not None and self._task is not None:
            self._task.cancel()
        self.received = number
        self.stop.set()
        tell("stopping, what is read will be stored; once more stops at once")


def extract(settings: ExtractSettings, arguments: argparse.Namespace) -> int:
    """Run it; the exit code."""
    # Arrow's own allocator gives pages back to the kernel and asks for them again with every batch, which costs a tenth of the run.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        return asyncio.run(_extract(settings, arguments))
    except asyncio.CancelledError:
        return EXIT_BY_SIGNAL + signal.SIGINT


async def _extract(settings: ExtractSettings, arguments: argparse.Namespace) -> int:
    signals, telemetry = Signals(), Telemetry()
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(database(settings.database_url, telemetry))
        address = await _address(settings, arguments, stack)
        pages = await stack.enter_async_context(serving(telemetry, port=settings.port))
        tell(str(pages) if isinstance(pages, NotServed) else f"{pages}/health, /ready, /metrics and /status show this run")
        async with showing(telemetry, arguments.progress):
            extraction = await job.extract(settings, address, place.dial, telemetry, signals.stop)
        report = Report(extraction, telemetry, place, settings.table)
        sys.stdout.write(json.dumps(report.as_json()) + "\n" if arguments.json else report.as_text())
    if extraction.outcome.state == "cancelled" and signals.received is not None:
        return EXIT_BY_SIGNAL + signals.received
    return 1 if extraction.outcome.state == "failed" else 0


async def _address(settings: ExtractSettings, arguments: argparse.Namespace, stack: AsyncExitStack) -> Address:
    if settings.real_api:
        return Address(settings.base_url, settings.target_api_key or "")
    return await stack.enter_async_context(simulated_api(settings.events, arguments.simulator))
