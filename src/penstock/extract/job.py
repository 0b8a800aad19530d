"""The main job: the API into PostgreSQL, and the proof at the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from penstock.engine.lease import LeaseSettings, this_process
from penstock.engine.ledger import RefusalLimit
from penstock.engine.run import EngineSettings
from penstock.engine.tasks import Task
from penstock.engine.telemetry import Telemetry
from penstock.extract.address import Address
from penstock.extract.alike import alike
from penstock.extract.api import EventsApi
from penstock.extract.events import JSONB_SCHEMA, SCHEMA
from penstock.extract.proof import Proof, Seam, prove
from penstock.extract.settings import ExtractSettings, identity
from penstock.extract.source import EventSource
from penstock.extract.stream import StreamSettings
from penstock.extract.submission import Submission, Submitter
from penstock.ports.checkpoints import Outcome, Pipeline
from penstock.ports.source import Progress
from penstock.stores.postgres.census import Census
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections, Dial
from penstock.stores.postgres.destination import PostgresDestination
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.submissions import Attempts
from penstock.stores.postgres.table import Table

KEY, TIME = "id", "occurred_at"


@dataclass(frozen=True, slots=True)
class Extraction:
    """How it ended: the outcome in the history, and the proof and the submission where the run got that far."""

    outcome: Outcome
    proof: Proof | None
    submission: Submission | None = None


async def extract(settings: ExtractSettings, address: Address, dial: Dial, telemetry: Telemetry, stop: asyncio.Event) -> Extraction:
    """Run the extraction to its end, or until `stop`; see `Task.perform` for what it raises."""
    pipeline = Pipeline(f"extract/{settings.table}", identity(address.base_url, address.key))
    lease = LeaseSettings(ttl_s=settings.lease_seconds, beat_s=settings.lease_seconds / 6)
    connections = Connections(dial, this_process())
    proofs, submissions = list[Proof](), list[Submission]()
    try:
        stream = StreamSettings(settings.stream_tokens, telemetry.notice) if settings.stream == "on" else None
        async with EventsApi.connected(address, telemetry.counters, settings.workers + 1, settings.in_flight, stream) as api:
            source = EventSource(
                api,
                pipeline.source,
                settings.partition_count,
                settings.batch_size,
                stealing=not settings.fixed,
                schema=JSONB_SCHEMA if settings.jsonb else SCHEMA,
            )
            census = Census(connections, settings.table, KEY, TIME, alike)

            async def conclude(done: Progress) -> Outcome:
                increment = telemetry.counters["rows_received_total"] > 0
                earlier = await census.last_summary(pipeline.name) if increment else {}
                held = [Seam(**seam) for seam in earlier.get("proof", {}).get("seams", ())]
                proofs.append(await prove(done, source, census, pipeline.name, held))
                if settings.auto_submit:
                    telemetry.message = "submitting the ids"
                    submissions.append(await _submitter(settings, api, connections, pipeline, telemetry).submit(pipeline.name, proofs[-1]))
                return _outcome(proofs[-1], *submissions[-1:])

            table = Table(TableName(settings.table), (KEY,), alike=alike)
            destination = PostgresDestination(table, PostgresCheckpoints(connections, lease), settings.pg_sync_commit)
            task = Task(pipeline, source, destination, _engine(settings, lease), telemetry, conclude, stop)
            outcome = await task.perform()
    finally:
        connections.close()
    return Extraction(outcome, proofs[-1] if proofs else None, submissions[-1] if submissions else None)


def _submitter(settings: ExtractSettings, api: EventsApi, connections: Connections, pipeline: Pipeline, telemetry: Telemetry) -> Submitter:
    attempts = Attempts(connections, pipeline.source)
    table = settings.table, KEY, settings.repository_url or ""
    return Submitter(api.address, api.client, connections, attempts, *table, settings.submit_again, telemetry.alive)


def _engine(settings: ExtractSettings, lease: LeaseSettings) -> EngineSettings:
    return EngineSettings(
        workers=settings.workers,
        stall_s=settings.stall_minutes * 60,
        lease=lease,
        refusals=RefusalLimit(percent=settings.max_refused_percent),
    )


def _outcome(proof: Proof, submission: Submission | None = None) -> Outcome:
    """What the proof, and the submission where one was asked for, make of the run."""
    summary: dict[str, object] = {"proof": proof.as_json()}
    if submission is not None:
        summary["submission"] = submission.as_json()
    if not proof.complete:
        return Outcome("failed", f"the proof does not hold: {'; '.join(proof.faults)}", summary)
    if proof.sums.refused:
        return Outcome("completed with rejected rows", f"{proof.sums.stored:,} rows stored, {proof.sums.refused:,} rejected", summary)
    if submission is not None and submission.failed:
        return Outcome("failed", f"{proof.sums.stored:,} rows stored and proven, but not submitted: {submission.message}", summary)
    return Outcome("completed", f"{proof.sums.stored:,} rows stored", summary)
