"""Positions, leases, dead letters and history in PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, field
from typing import TYPE_CHECKING, NoReturn

from penstock.engine.lease import LeaseSettings, judge
from penstock.model.gaps import Loss, by_cause
from penstock.ports.checkpoints import AnotherSource, Holder, LeaseHeld, LeaseLost, Outcome, Pipeline, PositionMoved, Run
from penstock.ports.flow import Block, BlockId, Receipt, counts, dead_letters
from penstock.ports.source import Progress, Scope
from penstock.stores import kept
from penstock.stores.postgres.connections import Connections, application_name

if TYPE_CHECKING:
    import asyncpg

    from penstock.stores.postgres.connections import Connection

SAVE_FIRST = """
    insert into penstock.coverage (pipeline, epoch, strand, upto, resume, received, stored, duplicate, refused, repeated,
        unchanged, filtered, shed)
    select name, $3, $4, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 from penstock.pipelines
    where name = $1 and fence = $2 and $4::bytea = $5::bytea and $6::bytea = '' for key share
    on conflict do nothing returning true"""

SAVE_NEXT = """
    with lease as (select 1 from penstock.pipelines where name = $1 and fence = $2 for key share)
    update penstock.coverage set upto = $7, resume = $8, received = received + $9, stored = stored + $10,
        duplicate = duplicate + $11, refused = refused + $12, repeated = repeated + $13,
        unchanged = unchanged + $14, filtered = filtered + $15, shed = shed + $16
    where pipeline = $1 and epoch = $3 and strand = $4 and upto = $5 and resume = $6 and exists (select from lease)
    returning true"""

LOSE = """
    insert into penstock.losses (pipeline, cause, gaps, count, uncounted, since, until) values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (pipeline, cause) do update set gaps = losses.gaps + $3, count = losses.count + $4, uncounted = losses.uncounted + $5,
        since = least(losses.since, $6), until = greatest(losses.until, $7)"""

FORGET_INTENT = "delete from penstock.intents where pipeline = $1 and strand = $2 and after = $3 and after_resume = $4"

LOOK = """
    select source, fence, holder, extract(epoch from clock_timestamp() - beaten_at)::float8 as silent_s
    from penstock.pipelines where name = $1"""

TAKE = """
    update penstock.pipelines set fence = nextval('penstock.fences'), holder = $3, beaten_at = clock_timestamp()
    where name = $1 and fence = $2 returning fence"""


@dataclass(slots=True)
class PostgresCheckpoints:
    """Checkpoints in the schema `penstock` of a database. What decides who may write is always committed to disk before it is answered."""

    connections: Connections
    settings: LeaseSettings = field(default_factory=LeaseSettings)

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        """Take the lease; see `Runs.begin`."""
        async with self.connections.take() as connection:
            await connection.execute(
                "insert into penstock.pipelines (name, source) values ($1, $2) on conflict do nothing", pipeline.name, pipeline.source
            )
            found = await connection.fetchrow(LOOK, pipeline.name)
            assert found is not None
            before = kept.holder(found)
            _require_source(found, pipeline)
            if judge(before, found["silent_s"] or 0.0, self.settings, holder) == "held":
                raise LeaseHeld(f"{pipeline.name} is held by {before}, which was alive {found['silent_s']:.0f} s ago")
            if before is not None:
                await _cut_off(connection, before, spare=self.connections.name)
            return Run(pipeline, await self._take(connection, pipeline, found["fence"], holder), holder)

    async def _take(self, connection: Connection, pipeline: Pipeline, fence: int, holder: Holder) -> int:
        """Raise the fence. The row lock waits for a write that has passed its own check, and later checks see the new fence."""
        async with connection.transaction():
            await connection.execute("set local synchronous_commit = on; set local lock_timeout = '20s'")
            await connection.fetch("select from penstock.pipelines where name = $1 for update", pipeline.name)
            taken = await connection.fetchval(TAKE, pipeline.name, fence, json.dumps(asdict(holder)))
            if taken is None:
                raise LeaseHeld(f"{pipeline.name} was taken by another run at this moment")
            await connection.execute(
                "update penstock.runs set state = 'interrupted', ended_at = now() where pipeline = $1 and state = 'running'", pipeline.name
            )
            await connection.execute(
                "insert into penstock.runs (pipeline, fence, holder) values ($1, $2, $3)", pipeline.name, taken, json.dumps(asdict(holder))
            )
        return int(taken)

    async def beat(self, run: Run) -> None:
        """Renew the lease."""
        async with self.connections.transaction("off") as connection:
            sql = "update penstock.pipelines set beaten_at = clock_timestamp() where name = $1 and fence = $2 returning true"
            if not await connection.fetchval(sql, run.pipeline.name, run.fence):
                await self._lost(connection, run)

    async def progress(self, run: Run) -> Progress:
        """What is committed, once nothing this run had begun can still commit.

        A link may be cut while its COMMIT is on the way. Earlier connections of this process are therefore ended first, and the row lock
        waits for whatever transaction has passed its check of the fence.
        """
        await self.connections.refresh()
        name = run.pipeline.name
        async with self.connections.transaction("off") as connection:
            await connection.execute("set local lock_timeout = '20s'")
            await _cut_off(connection, run.holder, spare=self.connections.name)
            held = "select * from penstock.pipelines where name = $1 and fence = $2 for update"
            found = await connection.fetchrow(held, name, run.fence)
            if found is None:
                await self._lost(connection, run)
            return await _progress(connection, found)

    async def peek(self, pipeline: Pipeline) -> Progress:
        """What is committed, or nothing."""
        async with self.connections.take() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            found = await connection.fetchrow("select * from penstock.pipelines where name = $1", pipeline.name)
            if found is None:
                return Progress()
            _require_source(found, pipeline)
            return await _progress(connection, found)

    async def freeze(self, run: Run, scope: Scope) -> None:
        """Keep the scope, or a wider one."""
        start, end = scope.span.start, scope.span.end
        async with self.connections.transaction("on") as connection:
            sql = """
                update penstock.pipelines set epoch = $3, scope_start = $4, scope_end = $5, scope_rows = $6, facts = $7::text::json
                where name = $1 and fence = $2 and (scope_start is null or epoch = $3 and $4 <= scope_start and scope_end <= $5)
                returning true"""
            facts = json.dumps(dict(scope.facts))
            if not await connection.fetchval(sql, run.pipeline.name, run.fence, start.epoch, start.order, end.order, scope.rows, facts):
                await self._lost(connection, run)

    async def forget(self, run: Run) -> None:
        """Begin from nothing; the row lock waits for a write that has passed its own check."""
        name = run.pipeline.name
        async with self.connections.transaction("on") as connection:
            await self.require_lease(connection, run)
            for table in ("coverage", "intents", "losses", "dead_letters", "cleared_letters"):
                await connection.execute(f"delete from penstock.{table} where pipeline = $1", name)
            await connection.execute(
                "update penstock.pipelines set epoch = null, scope_start = null, scope_end = null, scope_rows = null, facts = null"
                " where name = $1",
                name,
            )

    async def require_lease(self, connection: Connection, run: Run) -> None:
        """Hold the pipeline's row in the caller's transaction: nobody takes the lease over before that ends.

        Raises:
            LeaseLost: somebody has.
        """
        held = "select name from penstock.pipelines where name = $1 and fence = $2 for update"
        if not await connection.fetchrow(held, run.pipeline.name, run.fence):
            await self._lost(connection, run)

    async def intend(self, run: Run, block: BlockId) -> int:
        """Keep the block's bounds, and count."""
        async with self.connections.transaction("on") as connection:
            sql = """
                insert into penstock.intents (pipeline, epoch, strand, after, after_resume, upto, upto_resume)
                select name, $3, $4, $5, $6, $7, $8 from penstock.pipelines where name = $1 and fence = $2 for key share
                on conflict (pipeline, strand, after, after_resume)
                do update set upto = $7, upto_resume = $8, times = intents.times + 1 returning times"""
            after, upto = block.after, block.upto
            bounds = (after.epoch, block.strand.order, after.order, after.resume, upto.order, upto.resume)
            times = await connection.fetchval(sql, run.pipeline.name, run.fence, *bounds)
            if times is None:
                await self._lost(connection, run)
        return int(times) - 1

    async def save(self, run: Run, block: Block, receipt: Receipt) -> None:
        """Advance the position."""
        async with self.connections.transaction("on") as connection:
            await self.save_within(connection, run, block, receipt)
            await connection.execute(FORGET_INTENT, run.pipeline.name, block.id.strand.order, block.id.after.order, block.id.after.resume)

    async def save_within(self, connection: Connection, run: Run, block: Block, receipt: Receipt) -> None:
        """Advance the position in the caller's transaction, with counts, gaps and dead letters.

        Raises:
            LeaseLost: another run holds the pipeline.
            PositionMoved: the stored position is not the block's start.
        """
        strand, after, upto, sums = block.id.strand, block.id.after, block.id.upto, counts(block, receipt)
        sql = SAVE_FIRST if after == strand else SAVE_NEXT
        numbers = (sums.received, sums.stored, sums.duplicate, sums.refused, sums.repeated, sums.unchanged, sums.filtered, sums.shed)
        place = (strand.epoch, strand.order, after.order, after.resume, upto.order, upto.resume)
        if not await connection.fetchval(sql, run.pipeline.name, run.fence, *place, *numbers):
            await self._lost(connection, run)
        for loss in by_cause(map(Loss.of, block.gaps)):
            await connection.execute(LOSE, run.pipeline.name, *astuple(loss))
        if sums.refused:
            dead = dead_letters(block, receipt)
            known = (run.pipeline.name, run.fence, strand.order)
            letters = [(*known, kept.text(one.reason), kept.text(one.origin), one.raw, one.records) for one in dead]
            columns = ["pipeline", "fence", "strand", "reason", "origin", "raw", "records"]
            await connection.copy_records_to_table("dead_letters", schema_name="penstock", records=letters, columns=columns)

    async def settle(self, run: Run) -> None:
        """Return when everything committed before is on disk: a commit that waits for it comes after all of them in the log."""
        async with self.connections.transaction("on") as connection:
            sql = "update penstock.pipelines set settled_at = clock_timestamp() where name = $1 and fence = $2 returning true"
            if not await connection.fetchval(sql, run.pipeline.name, run.fence):
                await self._lost(connection, run)

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Write the run's history and give the lease back; a run that was taken over is in the history as interrupted, and stays it."""
        ended = """
            update penstock.runs set state = $3, message = $4, summary = $5, ended_at = now()
            where pipeline = $1 and fence = $2 and state = 'running'"""
        async with self.connections.transaction("on") as connection:
            summary = json.dumps(dict(outcome.summary))
            await connection.execute(ended, run.pipeline.name, run.fence, outcome.state, kept.text(outcome.message), summary)
            await connection.execute(
                "update penstock.pipelines set holder = null where name = $1 and fence = $2", run.pipeline.name, run.fence
            )

    async def _lost(self, connection: Connection, run: Run) -> NoReturn:
        """Say why a compare-and-set found nothing."""
        now = await connection.fetchrow(LOOK, run.pipeline.name)
        if now is None or now["fence"] != run.fence:
            raise LeaseLost(f"{run.pipeline.name} was taken over by {kept.holder(now) or 'another run, which has ended'}")
        raise PositionMoved(run.pipeline.name)


ANOTHER_SOURCE_HINT = "Name another table with --table: it gets its own positions. Penstock does not mix sources in one table."


def _require_source(found: asyncpg.Record, pipeline: Pipeline) -> None:
    if found["source"] != pipeline.source:
        raise AnotherSource(f"{pipeline.name} holds rows of {found['source']}, not of {pipeline.source}", hint=ANOTHER_SOURCE_HINT)


async def _progress(connection: Connection, found: asyncpg.Record) -> Progress:
    covered = await connection.fetch("select * from penstock.coverage where pipeline = $1 order by strand", found["name"])
    intended = await connection.fetch(
        "select * from penstock.intents where pipeline = $1 order by strand, after, after_resume", found["name"]
    )
    lost = await connection.fetch("select * from penstock.losses where pipeline = $1 order by cause", found["name"])
    return Progress(kept.scope(found), tuple(map(kept.interval, covered)), tuple(map(kept.block_id, intended)), tuple(map(kept.loss, lost)))


async def _cut_off(connection: Connection, holder: Holder, *, spare: str = "") -> None:
    """End the connections of a holder, but those of the pool named `spare`, so that nothing it had begun can still commit."""
    sql = "select pg_terminate_backend(pid) from pg_stat_activity where starts_with(application_name, $1) and application_name <> $2"
    await connection.execute(sql, application_name(holder, ""), spare)
