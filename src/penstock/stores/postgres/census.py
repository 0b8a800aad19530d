"""Counting what a table really holds: the evidence of a proof that does not come from our own bookkeeping."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import eq
from typing import Any

from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.names import quoted

SCAN_TIMEOUT_S = 3_600.0
"""Counting reads the whole table, however large it has become."""

MOST_LONGER = 40
"""Bytes by which one way to write a record may be longer than another: no timestamp is."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of a table in one stretch of time: how many, their oldest and newest time (Unix milliseconds; None without rows)."""

    rows: int = 0
    oldest: int | None = None
    newest: int | None = None


@dataclass(frozen=True, slots=True)
class Census:
    """Questions to the column `time` and the key `key` of a table; `alike` as `Table` has it, of bytes."""

    connections: Connections
    table: str
    key: str
    time: str
    alike: Callable[[bytes, bytes], bool] = eq

    async def stretches(self, bounds: Sequence[int]) -> list[Stretch]:
        """Rows below the first bound, from each bound (inclusive) to the next, and from the last one on; bounds in rising order."""
        sql = f"""
            select width_bucket({quoted(self.time)}, $1::timestamptz[]) as bucket, count(*) as rows,
                min({quoted(self.time)}) as oldest, max({quoted(self.time)}) as newest
            from {quoted(self.table)} group by 1"""
        async with self.connections.take() as connection:
            rows = await connection.fetch(sql, [_moment(bound) for bound in bounds], timeout=SCAN_TIMEOUT_S)
        found = {row["bucket"]: row for row in rows}
        return [
            Stretch(found[bucket]["rows"], _milliseconds(found[bucket]["oldest"]), _milliseconds(found[bucket]["newest"]))
            if bucket in found
            else Stretch()
            for bucket in range(len(bounds) + 1)
        ]

    async def at(self, moments: Sequence[int]) -> dict[int, set[str]]:
        """Keys of the rows at each of these milliseconds."""
        key, time = quoted(self.key), quoted(self.time)
        sql = f"select {key}::text as key, {time} as time from {quoted(self.table)} where {time} = any($1)"
        keys: dict[int, set[str]] = defaultdict(set)
        async with self.connections.take() as connection:
            for row in await connection.fetch(sql, [_moment(moment) for moment in moments], timeout=SCAN_TIMEOUT_S):
                keys[_milliseconds(row["time"])].add(row["key"])
        return keys

    async def dead_letters(self, pipeline: str) -> int:
        """How many records of this pipeline were refused and are kept, or were cleared on request."""
        async with self.connections.take() as connection:
            sql = """
                select (select count(*) from penstock.dead_letters where pipeline = $1)
                    + (select count(*) from penstock.cleared_letters where pipeline = $1)"""
            return int(await connection.fetchval(sql, pipeline, timeout=SCAN_TIMEOUT_S))

    async def last_summary(self, pipeline: str) -> Mapping[str, Any]:
        """What the last run of this pipeline that completed with a proof kept of it; nothing where none did."""
        sql = """
            select summary from penstock.runs where pipeline = $1 and state like 'completed%' and summary -> 'proof' is not null
            order by fence desc limit 1"""
        async with self.connections.take() as connection:
            summary = await connection.fetchval(sql, pipeline)
        return json.loads(summary) if summary else {}

    async def is_dead_letter(self, pipeline: str, raw: bytes) -> bool:
        """Whether a record was refused by this pipeline, written as it is here or in another way; of cleared ones only as it is here."""
        sql = """
            select exists (select from penstock.dead_letters where pipeline = $1 and raw = $2)
                or exists (select from penstock.cleared_letters where pipeline = $1 and digest = sha256($2))"""
        async with self.connections.take() as connection:
            if await connection.fetchval(sql, pipeline, raw):
                return True
            async with connection.transaction():
                sql = "select raw from penstock.dead_letters where pipeline = $1 and abs(length(raw) - $2) <= $3"
                async for row in connection.cursor(sql, pipeline, len(raw), MOST_LONGER, prefetch=1_000):
                    if self.alike(row["raw"], raw):
                        return True
        return False


def _moment(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)
