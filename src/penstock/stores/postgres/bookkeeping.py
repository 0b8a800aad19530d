"""What a database knows of its pipelines and of the records that could not be stored, and how to make it forget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.engine.lease import this_process
from penstock.ports.bookkeeping import Choice, DeadLetter, PastRun, State
from penstock.ports.checkpoints import Pipeline, Run
from penstock.stores import kept
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.table import Table, remark

if TYPE_CHECKING:
    import asyncpg

    from penstock.stores.postgres.connections import Connection

PIPELINES = """
    select *, extract(epoch from clock_timestamp() - beaten_at)::float8 as silent_s, null as file,
        (select coalesce(sum(records), 0)::bigint from penstock.dead_letters d where d.pipeline = name) as letters,
        (select coalesce(sum(records), 0)::bigint from penstock.cleared_letters c where c.pipeline = name) as cleared
    from penstock.pipelines where $1::text is null or name = $1 order by name"""

RUNS = "select * from penstock.runs where pipeline = $1 order by fence desc limit 5"

CHOSEN = "($1::text is null or pipeline = $1) and ($2::text is null or reason = $2) and ($3::bigint[] is null or id = any($3))"

COUNT = f"""
    select pipeline, reason, sum(records)::bigint as letters from penstock.dead_letters where {CHOSEN}
    group by 1, 2 order by 3 desc, 1, 2"""

CLEAR = f"""
    with gone as (delete from penstock.dead_letters where {CHOSEN} returning pipeline, raw, records),
    kept as (
        insert into penstock.cleared_letters (pipeline, digest, records) select pipeline, sha256(raw), records from gone returning true)
    select count(*) from kept"""


@dataclass(frozen=True, slots=True)
class PostgresBookkeeping:
    """The books of a database: the schema `penstock`."""

    connections: Connections

    async def pipelines(self, name: str | None = None) -> Sequence[State]:
        """By name."""
        async with self.connections.take() as connection:
            found = await connection.fetch(PIPELINES, name)
        return [await self._state(row) for row in found]

    async def _state(self, row: asyncpg.Record) -> State:
        progress = await PostgresCheckpoints(self.connections).peek(Pipeline(row["name"], row["source"]))
        async with self.connections.take() as connection:
            runs = await connection.fetch(RUNS, row["name"])
        past = (PastRun(run["fence"], run["state"], run["message"], run["started_at"], run["ended_at"]) for run in runs)
        return kept.state(row, progress, past)

    async def reset(self, state: State, *, drop_table: bool) -> bool:
        """Forget a pipeline; see `Bookkeeping.reset`. Tables that it found are not dropped."""
        checkpoints = PostgresCheckpoints(self.connections)
        run = await checkpoints.begin(Pipeline(state.name, state.source), this_process())
        async with self.connections.transaction("on") as connection:
            await checkpoints.require_lease(connection, run)
            dropped = drop_table and state.table is not None and await _drop(connection, run, _named(state.table))
            await connection.execute("delete from penstock.pipelines where name = $1", state.name)
        return dropped

    async def count(self, choice: Choice) -> Sequence[tuple[str, str, int]]:
        """The commonest first."""
        async with self.connections.take() as connection:
            return [(row["pipeline"], row["reason"], row["letters"]) for row in await connection.fetch(COUNT, *arguments(choice))]

    async def latest(self, choice: Choice, limit: int) -> Sequence[DeadLetter]:
        """The newest first."""
        sql = f"select * from penstock.dead_letters where {CHOSEN} order by id desc limit $4"
        async with self.connections.take() as connection:
            return [kept.letter(row, row["refused_at"]) for row in await connection.fetch(sql, *arguments(choice), limit)]

    async def clear(self, choice: Choice) -> int:
        """Delete letters, and keep their digests, so that proofs go on adding up."""
        async with self.connections.transaction("on") as connection:
            return int(await connection.fetchval(CLEAR, *arguments(choice)))


def arguments(choice: Choice) -> tuple[str | None, str | None, Sequence[int] | None]:
    """For `CHOSEN`. A number that is no bigint is no letter's, and is refused by the driver."""
    numbers = None if choice.numbers is None else [number for number in choice.numbers if abs(number) < 2**63]
    return choice.pipeline, choice.reason, numbers


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
