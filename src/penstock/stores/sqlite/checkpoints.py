"""Positions, leases, dead letters and history in a SQLite file."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

from penstock.engine.lease import LeaseSettings, judge
from penstock.model.gaps import Loss, by_cause
from penstock.ports.checkpoints import AnotherSource, Holder, LeaseHeld, LeaseLost, Outcome, Pipeline, PositionMoved, Run
from penstock.ports.flow import Became, Block, BlockId, Receipt
from penstock.ports.source import Progress, Scope
from penstock.stores import kept
from penstock.stores.sqlite.database import Database, kept_in

T = TypeVar("T")

FREEZE = """
    update penstock_pipelines set epoch = :epoch, scope_start = :start, scope_end = :end, scope_rows = :rows, facts = :facts
    where name = :name and (scope_start is null or epoch = :epoch and :start <= scope_start and scope_end <= :end)"""

FORGET = "update penstock_pipelines set epoch = null, scope_start = null, scope_end = null, scope_rows = null, facts = null where name = ?"

SAVE_FIRST = """
    insert into penstock_coverage (pipeline, epoch, strand, upto, resume, received, stored, duplicate, refused, repeated,
        unchanged, filtered, shed)
    values (:name, :epoch, :strand, :upto, :resume, :received, :stored, :duplicate, :refused, :repeated, :unchanged, :filtered,
        :shed)
    on conflict do nothing"""

SAVE_NEXT = """
    update penstock_coverage set upto = :upto, resume = :resume, received = received + :received, stored = stored + :stored,
        duplicate = duplicate + :duplicate, refused = refused + :refused, repeated = repeated + :repeated,
        unchanged = unchanged + :unchanged, filtered = filtered + :filtered, shed = shed + :shed
    where pipeline = :name and epoch = :epoch and strand = :strand and upto = :after and resume = :after_resume"""

INTEND = """
    insert into penstock_intents (pipeline, epoch, strand, after, after_resume, upto, upto_resume)
    values (:name, :epoch, :strand, :after, :after_resume, :upto, :resume)
    on conflict do update set upto = excluded.upto, upto_resume = excluded.upto_resume, times = times + 1 returning times"""

FORGET_INTENT = "delete from penstock_intents where (pipeline, strand, after, after_resume) = (:name, :strand, :after, :after_resume)"

LETTER = "insert into penstock_dead_letters (pipeline, fence, refused_at, reason, origin, raw, records) values (?, ?, ?, ?, ?, ?, ?)"

LOSE = """
    insert into penstock_losses (pipeline, cause, gaps, count, uncounted, since, until)
    values (:name, :cause, :gaps, :count, :uncounted, :since, :until)
    on conflict do update set gaps = gaps + excluded.gaps, count = count + excluded.count, uncounted = uncounted + excluded.uncounted,
        since = min(coalesce(since, excluded.since), coalesce(excluded.since, since)),
        until = max(coalesce(until, excluded.until), coalesce(excluded.until, until))"""

NEXT_FENCE = "update penstock_fences set last = last + 1 returning last"

TAKE = "update penstock_pipelines set fence = ?, holder = ?, beaten_at = ? where name = ?"

INTERRUPT = "update penstock_runs set state = 'interrupted', ended_at = ? where pipeline = ? and state = 'running'"

END = """
    update penstock_runs set state = ?, message = ?, summary = ?, ended_at = ?
    where pipeline = ? and fence = ? and state = 'running'"""


@dataclass(slots=True)
class SqliteCheckpoints:
    """Checkpoints in the tables `penstock_…` of a SQLite file; every answer is on disk. `clock` answers Unix seconds.

    A process that is stopped in the middle of a transaction keeps all others waiting, and they say so; it cannot be cut off.
    """

    database: Database
    settings: LeaseSettings = field(default_factory=LeaseSettings)
    clock: Callable[[], float] = time.time

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        """Take the lease; see `Runs.begin`."""
        return await self.database.transact(lambda connection: self._begin(connection, pipeline, holder))

    def _begin(self, connection: sqlite3.Connection, pipeline: Pipeline, holder: Holder) -> Run:
        name, now = pipeline.name, self.clock()
        connection.execute("insert into penstock_pipelines (name, source) values (?, ?) on conflict do nothing", (name, pipeline.source))
        found = _look(connection, name)
        assert found is not None
        _require_source(found, pipeline)
        before, silent_s = kept.holder(found), now - found["beaten_at"]
        if judge(before, silent_s, self.settings, holder) == "held":
            raise LeaseHeld(f"{name} is held by {before}, which was alive {silent_s:.0f} s ago")
        words = json.dumps(asdict(holder))
        fence = int(connection.execute(NEXT_FENCE).fetchone()[0])
        connection.execute(TAKE, (fence, words, now, name))
        connection.execute(INTERRUPT, (now, name))
        connection.execute("insert into penstock_runs (pipeline, fence, holder, started_at) values (?, ?, ?, ?)", (name, fence, words, now))
        return Run(pipeline, fence, holder)

    async def beat(self, run: Run) -> None:
        """Renew the lease."""
        sql = "update penstock_pipelines set beaten_at = ? where name = ?"
        await self.within(run, lambda connection: connection.execute(sql, (self.clock(), run.pipeline.name)))

    async def progress(self, run: Run) -> Progress:
        """What is committed; whatever this run had begun before has ended by then."""
        return await self.within(run, lambda connection: progress_of(connection, run.pipeline.name))

    async def peek(self, pipeline: Pipeline) -> Progress:
        """What is committed, or nothing; neither a file nor a table is made."""
        return await asyncio.to_thread(_peek, self.database.path, pipeline)

    async def freeze(self, run: Run, scope: Scope) -> None:
        """Keep the scope, or a wider one."""
        start, end = scope.span.start, scope.span.end
        facts = json.dumps(dict(scope.facts), sort_keys=True)
        bounds = {"epoch": start.epoch, "start": start.order, "end": end.order, "rows": scope.rows, "facts": facts}

        def freeze(connection: sqlite3.Connection) -> None:
            if not connection.execute(FREEZE, {"name": run.pipeline.name, **bounds}).rowcount:
                raise PositionMoved(f"{run.pipeline.name} has another scope already")

        await self.within(run, freeze)

    async def forget(self, run: Run) -> None:
        """Begin from nothing."""

        def forget(connection: sqlite3.Connection) -> None:
            for table in ("coverage", "intents", "losses", "dead_letters"):
                connection.execute(f"delete from penstock_{table} where pipeline = ?", (run.pipeline.name,))
            connection.execute(FORGET, (run.pipeline.name,))

        await self.within(run, forget)

    async def intend(self, run: Run, block: BlockId) -> int:
        """Keep the block's bounds, and count."""
        times = await self.within(run, lambda connection: connection.execute(INTEND, _place(run, block)).fetchone()[0])
        return int(times) - 1

    async def save(self, run: Run, block: Block, receipt: Receipt) -> None:
        """Advance the position."""
        await self.within(run, lambda connection: self.save_within(connection, run, block, receipt))

    async def within(self, run: Run, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in one transaction, in a thread, while nobody can take the run's lease; undone where `work` raises.

        A store without transactions commits a file by its name or length in here, beside `save_within`, so that no run that was replaced
        does it: a successor begins before, and this raises `LeaseLost`, or after, and finds the file.
        """

        def fenced(connection: sqlite3.Connection) -> T:
            _require_lease(connection, run)
            return work(connection)

        return await self.database.transact(fenced)

    def save_within(self, connection: sqlite3.Connection, run: Run, block: Block, receipt: Receipt) -> None:
        """Advance the position in the transaction of `within`, with counts, gaps and dead letters.

        Raises:
            PositionMoved: the stored position is not the block's start.
        """
        self.advance_within(connection, run, Became.of(block, receipt))

    def advance_within(self, connection: sqlite3.Connection, run: Run, became: Became) -> None:
        """The same for a block of which only is known what became of its records; raises as `save_within` does."""
        place, name = _place(run, became.id), run.pipeline.name
        sql = SAVE_FIRST if became.id.after == became.id.strand else SAVE_NEXT
        if not connection.execute(sql, {**place, **asdict(became.counts)}).rowcount:
            raise PositionMoved(name)
        connection.executemany(LOSE, ({"name": name, **asdict(loss)} for loss in by_cause(map(Loss.of, became.gaps))))
        now = self.clock()
        known = (name, run.fence, now)
        letters = ((*known, kept.text(one.reason), kept.text(one.origin), one.raw, one.records) for one in became.dead)
        connection.executemany(LETTER, letters)
        connection.execute(FORGET_INTENT, place)

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Write the run's history and give the lease back; a run that was taken over is in the history as interrupted, and stays it."""
        summary, name = json.dumps(dict(outcome.summary)), run.pipeline.name

        def end(connection: sqlite3.Connection) -> None:
            connection.execute(END, (outcome.state, kept.text(outcome.message), summary, self.clock(), name, run.fence))
            connection.execute("update penstock_pipelines set holder = null where name = ? and fence = ?", (name, run.fence))

        await self.database.transact(end)


ANOTHER_SOURCE_HINT = "Give the pipeline another name: it gets its own positions. Penstock does not mix sources."


def _look(connection: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = connection.execute("select * from penstock_pipelines where name = ?", (name,)).fetchone()
    return found


def _require_source(found: sqlite3.Row, pipeline: Pipeline) -> None:
    if found["source"] != pipeline.source:
        raise AnotherSource(f"{pipeline.name} holds rows of {found['source']}, not of {pipeline.source}", hint=ANOTHER_SOURCE_HINT)


def _peek(path: Path, pipeline: Pipeline) -> Progress:
    with kept_in(path) as connection:
        if connection is None or (found := _look(connection, pipeline.name)) is None:
            return Progress()
        _require_source(found, pipeline)
        return progress_of(connection, pipeline.name)


def _require_lease(connection: sqlite3.Connection, run: Run) -> None:
    now = _look(connection, run.pipeline.name)
    if now is None or now["fence"] != run.fence:
        _lost(run, now)


def _lost(run: Run, now: sqlite3.Row | None) -> NoReturn:
    raise LeaseLost(f"{run.pipeline.name} was taken over by {kept.holder(now) or 'another run, which has ended'}")


def progress_of(connection: sqlite3.Connection, name: str) -> Progress:
    """What is committed of a pipeline that there is."""
    found = _look(connection, name)
    assert found is not None
    covered = connection.execute("select * from penstock_coverage where pipeline = ? order by strand", (name,))
    intended = connection.execute("select * from penstock_intents where pipeline = ? order by strand, after, after_resume", (name,))
    lost = connection.execute("select * from penstock_losses where pipeline = ? order by cause", (name,))
    return Progress(kept.scope(found), tuple(map(kept.interval, covered)), tuple(map(kept.block_id, intended)), tuple(map(kept.loss, lost)))


def _place(run: Run, block: BlockId) -> dict[str, object]:
    """A block's bounds, by the names of the statements' parameters."""
    return {
        "name": run.pipeline.name,
        "epoch": block.after.epoch,
        "strand": block.strand.order,
        "after": block.after.order,
        "after_resume": block.after.resume,
        "upto": block.upto.order,
        "resume": block.upto.resume,
    }
