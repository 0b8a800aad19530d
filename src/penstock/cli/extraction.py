"""The extraction as a task in the foreground, with the children it starts where no API and no database are named."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from penstock.cli.children import chosen_api
from penstock.cli.foreground import LastWords
from penstock.cli.report import Report, result
from penstock.engine.telemetry import Telemetry
from penstock.extract import job
from penstock.extract.job import Extraction
from penstock.extract.settings import ExtractSettings
from penstock.model.errors import PenstockError
from penstock.ports.checkpoints import Outcome
from penstock.stores.postgres.place import database


@dataclass(frozen=True, slots=True)
class ExtractionWork:
    """An extraction; `simulator` are the options of the simulated API."""

    settings: ExtractSettings
    simulator: str

    async def perform(self, telemetry: Telemetry, stop: asyncio.Event, children: AsyncExitStack) -> LastWords:
        """See `Work`."""

        def restarted(times: int) -> None:
            telemetry.database_restarts = times

        place = await children.enter_async_context(database(self.settings.database_url, restarted))
        address = await chosen_api(self.settings, self.simulator, children)
        extraction = await job.extract(self.settings, address, place.dial, telemetry, stop)
        text = Report(extraction, telemetry, place, self.settings.table).as_text()
        return LastWords(extraction.outcome, text, result(extraction, telemetry))

    def failed(self, error: PenstockError, telemetry: Telemetry) -> dict[str, object]:
        """See `Work`."""
        return result(Extraction(Outcome("failed", str(error)), None), telemetry)
