"""Dead letters of extractions once more: those that can be stored by now are, and what is counted of their stretches changes with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.engine.lease import this_process
from penstock.extract import events
from penstock.extract.alike import alike
from penstock.extract.job import KEY
from penstock.model.counts import counted
from penstock.model.errors import Misconfigured
from penstock.ports.bookkeeping import Choice
from penstock.ports.checkpoints import Outcome, Pipeline, PositionMoved, Run
from penstock.stores import kept
from penstock.stores.postgres.bookkeeping import CHOSEN, arguments
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.loading import Loader
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.table import Table
from penstock.stores.tables import TableGone

if TYPE_CHECKING:
    import asyncpg

    from penstock.stores.postgres.connections import Connection

PREFIX = "extract/"
"""Names of pipelines whose letters are events of the API; the table's name follows."""

AT_ONCE = 500
"""Letters of one transaction."""

STORED_BEFORE = "the same row is stored already"

NEXT = f"select * from penstock.dead_letters where {CHOSEN} and id > $4 order by id limit {AT_ONCE} for update"

CREDIT = """
    update penstock.coverage set stored = stored + 1, refused = refused - 1 where pipeline = $1 and strand = $2 and refused > 0
    returning true"""


class NotEvents(Misconfigured):
    """The dead letters of this pipeline are no events of the API."""

    default_hint = (
        "Only letters of `penstock extract` can be tried again. For a pipeline file mend its source or its stages, and begin from nothing:"
        " `penstock state reset FILE`. Mode upsert or replace then takes no row twice."
    )


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of letters: they are stored now, were stored before (and stay letters), or are refused again."""

    stored: int = 0
    stored_before: int = 0
    refused: int = 0

    def __add__(self, other: Retried) -> Retried:
        return Retried(self.stored + other.stored, self.stored_before + other.stored_before, self.refused + other.refused)

    def __str__(self) -> str:
        return f"{counted(self.stored, 'dead letter')} stored, {self.stored_before:,} were stored before, {self.refused:,} refused again"


async def retry(connections: Connections, pipeline: Pipeline, choice: Choice) -> Retried:
    """Read the letters of a pipeline again that are meant, under its lease.

    A letter whose row is stored already stays one, with that for its reason: the record came twice, which a proof has to tell.

    Raises:
        NotEvents: the pipeline is no extraction.
        LeaseHeld: a run of it is at work.
        TableGone: its table is not there.
    """
    if not pipeline.name.startswith(PREFIX):
        raise NotEvents(pipeline.name)
    checkpoints = PostgresCheckpoints(connections)
    run = await checkpoints.begin(pipeline, this_process())
    outcome = Outcome("failed", "dead letters were read again, but not to the end")
    try:
        async with connections.take() as connection:
            loader = await _loader(connection, pipeline.name)
        sums = await _retry(checkpoints, run, loader, choice)
        outcome = Outcome("completed", str(sums))
    finally:
        await checkpoints.end(run, outcome)
    return sums


async def _loader(connection: Connection, pipeline: str) -> Loader:
    table = Table(TableName(pipeline.removeprefix(PREFIX)), (KEY,), alike=alike)
    found = await table.examine(connection, pipeline, events.JSONB_SCHEMA)
    if not found:
        raise TableGone(str(table.name))
    return Loader(table, {name: column.type for name, column in found.items()})


async def _retry(checkpoints: PostgresCheckpoints, run: Run, loader: Loader, choice: Choice) -> Retried:
    sums, last = Retried(), 0
    while True:
        await checkpoints.beat(run)
        async with checkpoints.connections.transaction("on") as connection:
            await checkpoints.require_lease(connection, run)
            found = await connection.fetch(NEXT, run.pipeline.name, *arguments(choice)[1:], last)
            for row in found:
                sums += await _one(connection, run, loader, row)
        if len(found) < AT_ONCE:
            return sums
        last = found[-1]["id"]


async def _one(connection: Connection, run: Run, loader: Loader, letter: asyncpg.Record) -> Retried:
    row = events.alone(letter["raw"])
    if isinstance(row, str):
        return await _refused(connection, letter, row)
    receipt = await loader.sift(connection, [row])
    if receipt.refused:
        return await _refused(connection, letter, receipt.refused[0].reason)
    if not receipt.stored:
        await _refused(connection, letter, STORED_BEFORE)
        return Retried(stored_before=1)
    if not await connection.fetchval(CREDIT, run.pipeline.name, letter["strand"]):
        raise PositionMoved(f"dead letter {letter['id']} is in the counts of no stretch")
    await connection.execute("delete from penstock.dead_letters where id = $1", letter["id"])
    return Retried(stored=1)


async def _refused(connection: Connection, letter: asyncpg.Record, reason: str) -> Retried:
    await connection.execute("update penstock.dead_letters set reason = $2 where id = $1", letter["id"], kept.text(reason))
    return Retried(refused=1)
