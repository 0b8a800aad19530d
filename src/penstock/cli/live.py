"""The live picture of a run on a terminal."""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import partial

from rich.console import Console
from rich.live import Live as Redrawn
from rich.text import Text

from penstock.cli.frame import Canvas, frame
from penstock.cli.outlet import Outlet
from penstock.console.health import STORING
from penstock.engine.telemetry import Telemetry
from penstock.reliability.rate import RateMeter

WORKER_RATE_S = 5.0
"""Time constant of a worker's own rate, short enough to see one lose its breath."""


class Live:
    """Draws the picture over itself, and leaves the last one standing. What others write to standard error appears above it."""

    every_s = 0.25

    def __init__(self, telemetry: Telemetry, outlet: Outlet) -> None:
        self._telemetry = telemetry
        self._outlet = outlet
        self._meters: defaultdict[int, RateMeter] = defaultdict(partial(RateMeter, WORKER_RATE_S))
        self._console = _Terminal(file=outlet.stream, force_terminal=True, force_jupyter=False)
        self._redrawn = Redrawn(
            console=self._console,
            get_renderable=self._frame,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=outlet.stream is sys.stderr,
        )

    def show(self) -> None:
        """Draw this moment, if the terminal takes it."""
        if self._outlet.open:
            self._redrawn.start()
            self._redrawn.refresh()

    def finish(self) -> None:
        """Draw the last moment, and give standard error and the line below back to whoever comes next."""
        self._console.quiet = not self._outlet.open
        self._redrawn.start()
        self._redrawn.stop()

    def _frame(self) -> Text:
        now = self._telemetry.clock()
        for number, worker in self._telemetry.workers.items():
            self._meters[number].observe(now, worker.rows)
        rates = {number: meter.per_s for number, meter in self._meters.items()} if self._telemetry.variant in STORING else {}
        width, height = self._console.size
        return frame(self._telemetry, rates, Canvas(width, height, self._console.options.ascii_only))


class _Terminal(Console):
    """A console that never ends the process, and never hides the cursor: a run that is killed could not show it again."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: FBT001, FBT002 - rich's signature
        """Leave it as it is."""
        return show

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled, instead of exiting."""
        raise  # noqa: PLE0704 - called from within its except clause
