"""What a SQLite file knows of its pipelines and of the records that could not be stored, and how to make it forget."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from penstock.engine.lease import this_process
from penstock.ports.bookkeeping import Choice, DeadLetter, NotDropped, PastRun, State
from penstock.ports.checkpoints import Pipeline
from penstock.stores import kept
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints, progress_of
from penstock.stores.sqlite.database import Database, kept_in

T = TypeVar("T")

PIPELINES = """
    select *, ? - beaten_at as silent_s,
        (select path from penstock_written_files w where w.pipeline = name order by length(path) limit 1) as file,
        (select coalesce(sum(records), 0) from penstock_dead_letters d where d.pipeline = name) as letters,
        (select coalesce(sum(refused), 0) from penstock_coverage c where c.pipeline = name)
            - (select coalesce(sum(records), 0) from penstock_dead_letters d where d.pipeline = name) as cleared
    from penstock_pipelines where ?2 is null or name = ?2 order by name"""

RUNS = "select * from penstock_runs where pipeline = ? order by fence desc limit 5"

CHOSEN = """
    (:pipeline is null or pipeline = :pipeline) and (:reason is null or reason = :reason)
    and (:numbers is null or id in (select value from json_each(:numbers)))"""

COUNT = f"select pipeline, reason, sum(records) from penstock_dead_letters where {CHOSEN} group by 1, 2 order by 3 desc, 1, 2"

LATEST = f"select * from penstock_dead_letters where {CHOSEN} order by id desc limit :limit"


@dataclass(frozen=True, slots=True)
class SqliteBookkeeping:
    """The books of a file: its tables `penstock_…`. A file that is not there, or has none of them, knows nothing, and stays so."""

    database: Database
    clock: Callable[[], float] = time.time

    async def pipelines(self, name: str | None = None) -> Sequence[State]:
        """By name."""

        def states(connection: sqlite3.Connection) -> list[State]:
            found = connection.execute(PIPELINES, (self.clock(), name)).fetchall()
            return [kept.state(row, progress_of(connection, row["name"]), _runs(connection, row["name"])) for row in found]

        return await asyncio.to_thread(self._look, states)

    async def reset(self, state: State, *, drop_table: bool) -> bool:
        """Forget a pipeline; see `Bookkeeping.reset`. No table says here who made it."""
        if drop_table:
            raise NotDropped(state.table or state.file or state.name)
        checkpoints = SqliteCheckpoints(self.database, clock=self.clock)
        run = await checkpoints.begin(Pipeline(state.name, state.source), this_process())
        sql = "delete from penstock_pipelines where name = ?"
        await checkpoints.within(run, lambda connection: connection.execute(sql, (state.name,)))
        return False

    async def count(self, choice: Choice) -> Sequence[tuple[str, str, int]]:
        """The commonest first."""
        return await asyncio.to_thread(
            self._look,
            lambda connection: [(name, reason, number) for name, reason, number in connection.execute(COUNT, _arguments(choice))],
        )

    async def latest(self, choice: Choice, limit: int) -> Sequence[DeadLetter]:
        """The newest first."""

        def letters(connection: sqlite3.Connection) -> list[DeadLetter]:
            rows = connection.execute(LATEST, {**_arguments(choice), "limit": limit})
            return [kept.letter(row, _moment(row["refused_at"])) for row in rows]

        return await asyncio.to_thread(self._look, letters)

    async def clear(self, choice: Choice) -> int:
        """Delete letters; coverage goes on counting them."""
        if not await self.count(choice):
            return 0
        sql = f"delete from penstock_dead_letters where {CHOSEN}"
        return await self.database.transact(lambda connection: connection.execute(sql, _arguments(choice)).rowcount)

    def _look(self, work: Callable[[sqlite3.Connection], list[T]]) -> list[T]:
        """What `work` finds; nothing where there are no books."""
        with kept_in(self.database.path) as connection:
            return [] if connection is None else work(connection)


def _runs(connection: sqlite3.Connection, name: str) -> Iterable[PastRun]:
    for run in connection.execute(RUNS, (name,)).fetchall():
        ended = None if run["ended_at"] is None else _moment(run["ended_at"])
        yield PastRun(run["fence"], run["state"], run["message"], _moment(run["started_at"]), ended)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _arguments(choice: Choice) -> dict[str, str | None]:
    """For `CHOSEN`."""
    numbers = None if choice.numbers is None else json.dumps(list(choice.numbers))
    return {"pipeline": choice.pipeline, "reason": choice.reason, "numbers": numbers}
