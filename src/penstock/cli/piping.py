"""A pipeline as a task in the foreground."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from penstock.cli import pipeline_report
from penstock.cli.foreground import LastWords
from penstock.engine.telemetry import Telemetry
from penstock.model.errors import PenstockError
from penstock.model.redaction import redacted
from penstock.pipelines import job, journal
from penstock.pipelines.definition import Definition
from penstock.pipelines.job import Ending
from penstock.pipelines.surroundings import surroundings
from penstock.ports.checkpoints import Outcome


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Where a run can be watched."""

    port: Annotated[int, Ge(0), Le(65_535)] = field(default=8_080, metadata={"variable": "PENSTOCK_{}"})


@dataclass(frozen=True, slots=True)
class PipelineWork:
    """A run of the pipeline in `file`."""

    file: Path
    definition: Definition

    async def perform(self, telemetry: Telemetry, stop: asyncio.Event, children: AsyncExitStack) -> LastWords:
        """See `Work`."""
        del children
        journal.note(self.file, journal.RUNNING)
        ending = await job.perform(self.definition, telemetry, stop)
        journal.note(self.file, ending.outcome.state, redacted(ending.outcome.message), telemetry.total.stored)
        around = surroundings(self.definition, telemetry.counters)
        text = pipeline_report.text(self.file, self.definition, around, ending, telemetry)
        return LastWords(ending.outcome, text, pipeline_report.result(self.definition, ending, telemetry))

    def failed(self, error: PenstockError, telemetry: Telemetry) -> dict[str, object]:
        """See `Work`."""
        journal.note(self.file, "failed", redacted(str(error)), telemetry.total.stored)
        return pipeline_report.result(self.definition, Ending(Outcome("failed", str(error)), None), telemetry)
