"""A task in the foreground: it takes the lease, carries, concludes, and leaves an honest final state in the history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from penstock.engine.lease import this_process
from penstock.engine.run import Conclude, EngineSettings, Transfer
from penstock.engine.telemetry import Telemetry
from penstock.model.coverage import missing
from penstock.model.errors import PenstockError, Transient
from penstock.ports.checkpoints import Outcome, Pipeline, Run
from penstock.ports.sink import Destination
from penstock.ports.source import Progress, Source


@dataclass(slots=True)
class Task:
    """One run of a pipeline. `conclude` makes the outcome of a run that carried everything; set `stop` to end it early, drained.

    `anew` tells of the progress of earlier runs whether this one begins from nothing. Where they had carried everything, their rows are
    published before their positions are forgotten.
    """

    pipeline: Pipeline
    source: Source
    destination: Destination
    settings: EngineSettings
    telemetry: Telemetry
    conclude: Conclude
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    anew: Callable[[Progress], bool] = lambda _: False

    async def perform(self) -> Outcome:
        """Run to the end.

        Raises:
            LeaseHeld, AnotherSource: before anything was touched.
            PenstockError: what made the run fail; the history has it by then, if the store can still be reached.

        Whatever else a source or a plugin raises fails the run in the same way, so that this process does not go on holding the lease.
        """
        run = await self.destination.begin(self.pipeline, this_process())
        try:
            outcome = await self._outcome(run)
        except Exception as error:
            told = str(error) if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
            with suppress(PenstockError):  # the first failure is the one to tell
                await self._end(run, Outcome("failed", told))
            raise
        await self._end(run, outcome)
        return outcome

    async def _outcome(self, run: Run) -> Outcome:
        self.telemetry.begin(await self._before(run))
        transfer = Transfer(run, self.source, self.destination, self.settings, self.telemetry, self.stop, self.conclude)
        await transfer.carry()
        return transfer.outcome or Outcome("cancelled", "stopped on request; everything read was stored")

    async def _before(self, run: Run) -> Progress:
        """What earlier runs have stored."""
        done = await self.destination.progress(run)
        if not self.anew(done):
            return done
        if complete(done):
            await self.destination.publish(run)
        await self.destination.forget(run)
        return Progress()

    async def _end(self, run: Run, outcome: Outcome) -> None:
        """Write the history; where the store is gone, the next run finds this one interrupted."""
        self.telemetry.enter(outcome.state, outcome.message)
        try:
            await self.destination.end(run, outcome)
        except Transient:
            return


def complete(done: Progress) -> bool:
    """Whether everything that was set out to be read is stored."""
    return done.scope is not None and not any(missing(done.coverage, done.scope.span))
