"""What a person sees while a run goes on, on standard error: a live picture, a line every 15 s, or an object every second."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.util import find_spec
from typing import Literal, Protocol, TextIO

import msgspec

from penstock.cli.lines import log_line
from penstock.cli.outlet import Outlet
from penstock.console.snapshot import snapshot
from penstock.engine.telemetry import ENDED, Telemetry, Variant
from penstock.model.errors import Misconfigured

Way = Literal["live", "log", "json"]
Mode = Literal["auto"] | Way
LOG_EVERY_S = 15.0
LOOK_EVERY_S = 0.25
JSON_EVERY_S = 1.0


class NoDisplay(Misconfigured):
    """The live display needs the package rich."""

    default_hint = "Install penstock[terminal], or use --progress log."


class Display(Protocol):
    """One way to show a run. `show` is called every `every_s` seconds and `finish` once; both raise `OSError` when nobody can see it."""

    every_s: float

    def show(self) -> None:
        """Show this moment, if it is time."""
        ...

    def finish(self) -> None:
        """Show the last moment and leave the terminal as it was."""
        ...


@asynccontextmanager
async def showing(
    telemetry: Telemetry, mode: Mode = "auto", *, stream: TextIO | None = None, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[None]:
    """Show the run while the block runs, on `stream` or else on standard error.

    Nothing that happens to the display reaches the run: a stream that has gone ends the showing, and so does a defect, which asyncio logs.

    Raises:
        NoDisplay: `live` was asked for and cannot be had.
    """
    stream = sys.stderr if stream is None else stream
    if stream is None:  # Python's way to say that a process was started without one
        yield
        return
    way = chosen(mode, stream, os.environ)
    if way == "live" and find_spec("rich") is None:
        raise NoDisplay
    task = asyncio.create_task(_show(way, telemetry, Outlet(stream), sleep))
    await asyncio.sleep(0)  # lets it show the beginning
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        _tell_defect(task)


def chosen(mode: Mode, stream: TextIO, environment: Mapping[str, str]) -> Way:
    """What `auto` means here: `live` on a terminal that can move its cursor, else `log`."""
    if mode != "auto":
        return mode
    able = environment.get("TERM", "dumb") not in ("", "dumb", "unknown") and find_spec("rich") is not None
    return "live" if able and not stream.closed and stream.isatty() else "log"


ROUND: frozenset[Variant | None] = frozenset({"waiting", "planning", "running"})
"""States between which a run of a live source goes round and round."""


class Log:
    """A line at the start, at the end, at each change of state, and every 15 s; the rounds of a live source are none."""

    every_s = LOOK_EVERY_S

    def __init__(self, telemetry: Telemetry, outlet: Outlet, wall: Callable[[], datetime] = datetime.now) -> None:
        self._telemetry = telemetry
        self._outlet = outlet
        self._wall = wall
        self._told: Variant | None = None
        self._due = telemetry.clock()

    def show(self) -> None:
        """Write a line when one is due."""
        changed = self._telemetry.variant != self._told and not (self._goes_round and self._told in ROUND)
        if changed or self._telemetry.clock() >= self._due:
            self._write()

    @property
    def _goes_round(self) -> bool:
        return self._telemetry.variant in ROUND and self._telemetry.waiting() is not None

    def finish(self) -> None:
        """Write how it ended, unless that was the last line anyway."""
        if self._telemetry.variant != self._told or self._told not in ENDED:
            self._write()

    def _write(self) -> None:
        if self._outlet.line(log_line(self._telemetry, self._wall())):
            self._told, self._due = self._telemetry.variant, self._telemetry.clock() + LOG_EVERY_S


class Json:
    """The object of `/status`, one a line, each second and at the end."""

    every_s = JSON_EVERY_S

    def __init__(self, telemetry: Telemetry, outlet: Outlet) -> None:
        self._telemetry = telemetry
        self._outlet = outlet

    def show(self) -> None:
        """Write this moment."""
        self._outlet.line(msgspec.json.encode(snapshot(self._telemetry)).decode())

    finish = show


def _display(way: Way, telemetry: Telemetry, outlet: Outlet) -> Display:
    if way == "log":
        return Log(telemetry, outlet)
    if way == "json":
        return Json(telemetry, outlet)
    from penstock.cli.live import Live  # noqa: PLC0415 - rich is heavy, and not needed by a log

    return Live(telemetry, outlet)


async def _show(way: Way, telemetry: Telemetry, outlet: Outlet, sleep: Callable[[float], Awaitable[None]]) -> None:
    display = _display(way, telemetry, outlet)
    try:
        try:
            while True:
                display.show()
                await sleep(display.every_s)
        finally:
            display.finish()
    except OSError:
        outlet.give_up()


def _tell_defect(task: asyncio.Task[None]) -> None:
    defect = None if task.cancelled() else task.exception()
    if defect is not None:
        task.get_loop().call_exception_handler({"message": "the display of progress failed", "exception": defect, "task": task})
