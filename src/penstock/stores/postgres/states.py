"""What a database knows of its pipelines, and how to make it forget one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from penstock.engine.lease import Judgement, LeaseSettings, judge, this_process
from penstock.model.counts import Counts
from penstock.model.coverage import missing
from penstock.model.errors import Misconfigured
from penstock.ports.checkpoints import Holder, Pipeline, Run
from penstock.ports.source import Progress
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.table import Table, remark

if TYPE_CHECKING:
    import asyncpg

    from penstock.stores.postgres.connections import Connection

PIPELINES = """
    select *, extract(epoch from clock_timestamp() - beaten_at)::float8 as silent_s,
        (select count(*) from penstock.dead_letters d where d.pipeline = name) as letters,
        (select count(*) from penstock.cleared_letters c where c.pipeline = name) as cleared
    from penstock.pipelines where $1::text is null or name = $1 order by name"""

RUNS = "select * from penstock.runs where pipeline = $1 order by fence desc limit 5"


class NoSuchPipeline(Misconfigured):
    """There is no pipeline of this name in the database."""

    default_hint = "`penstock state list` shows which there are."


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of the history; one that is at work has not ended."""

    number: int
    state: str
    message: str
    began: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class State:
    """A pipeline: where its rows come from and go to, who holds its lease, what is stored, and its last runs, the newest first.

    `lease` says whether `holder`, last heard of `silent_s` seconds ago, is still believed to be at work.
    """

    name: str
    source: str
    table: str | None
    holder: Holder | None
    lease: Judgement
    silent_s: float
    progress: Progress
    dead_letters: int
    cleared: int
    runs: tuple[PastRun, ...]

    @property
    def sums(self) -> Counts:
        """All that is stored."""
        return sum((interval.counts for interval in self.progress.coverage), Counts())

    @property
    def gaps(self) -> int | None:
        """How many stretches are missing; None where nothing was set out to be read yet."""
        scope = self.progress.scope
        return None if scope is None else sum(1 for _ in missing(self.progress.coverage, scope.span))


@dataclass(frozen=True, slots=True)
class States:
    """The pipelines of a database."""

    connections: Connections

    async def all(self) -> Sequence[State]:
        """By name."""
        async with self.connections.take() as connection:
            found = await connection.fetch(PIPELINES, None)
        return [await self._state(row) for row in found]

    async def one(self, name: str) -> State:
        """One of them.

        Raises:
            NoSuchPipeline: where there is none.
        """
        async with self.connections.take() as connection:
            row = await connection.fetchrow(PIPELINES, name)
        if row is None:
            raise NoSuchPipeline(name)
        return await self._state(row)

    async def reset(self, state: State, *, drop_table: bool) -> bool:
        """Forget a pipeline with its positions, dead letters and history. Answers whether its table, where it made one, was dropped.

        Raises:
            LeaseHeld: a run of it is at work.
        """
        checkpoints = PostgresCheckpoints(self.connections)
        run = await checkpoints.begin(Pipeline(state.name, state.source), this_process())
        async with self.connections.transaction("on") as connection:
            await checkpoints.require_lease(connection, run)
            dropped = drop_table and state.table is not None and await _drop(connection, run, _named(state.table))
            await connection.execute("delete from penstock.pipelines where name = $1", state.name)
        return dropped

    async def _state(self, row: asyncpg.Record) -> State:
        progress = await PostgresCheckpoints(self.connections).peek(Pipeline(row["name"], row["source"]))
        async with self.connections.take() as connection:
            runs = await connection.fetch(RUNS, row["name"])
        holder = None if row["holder"] is None else Holder(**json.loads(row["holder"]))
        silent_s = row["silent_s"] or 0.0
        return State(
            name=row["name"],
            source=row["source"],
            table=row["target"],
            holder=holder,
            lease=judge(holder, silent_s, LeaseSettings(), this_process()),
            silent_s=silent_s,
            progress=progress,
            dead_letters=row["letters"],
            cleared=row["cleared"],
            runs=tuple(PastRun(run["fence"], run["state"], run["message"], run["started_at"], run["ended_at"]) for run in runs),
        )


async def _drop(connection: Connection, run: Run, name: TableName) -> bool:
    """Drop a table where it says that this pipeline made it, and what is left of one that was to take its place."""
    await connection.execute(f"drop table if exists {Table(name, mode='replace').into.sql}")
    said = await connection.fetchval("select obj_description(to_regclass($1), 'pg_class')", name.sql)
    if said != remark(run.pipeline):
        return False
    await connection.execute(f"drop table {name.sql}")
    return True


def _named(target: str) -> TableName:
    """A table as `penstock.pipelines` has it: see `Table.target`."""
    return TableName.parsed(target) if target.startswith('"') else TableName(target)
