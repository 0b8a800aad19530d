"""Dead letters: records that could not be stored, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from penstock.model.errors import Misconfigured
from penstock.stores.postgres.connections import Connections


class NoSuchLetter(Misconfigured):
    """There is no dead letter with this number."""

    default_hint = "`penstock dead list` shows which there are."


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record as received, of which pipeline and run, when, why, and where it stood in the source."""

    id: int
    pipeline: str
    run: int
    refused_at: datetime
    reason: str
    origin: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of a database."""

    connections: Connections

    async def count(self) -> Sequence[tuple[str, str, int]]:
        """(pipeline, reason, how many), the commonest first."""
        sql = "select pipeline, reason, count(*) as letters from penstock.dead_letters group by 1, 2 order by 3 desc, 1, 2"
        async with self.connections.take() as connection:
            return [(row["pipeline"], row["reason"], row["letters"]) for row in await connection.fetch(sql)]

    async def latest(self, limit: int) -> Sequence[DeadLetter]:
        """The newest ones first."""
        async with self.connections.take() as connection:
            rows = await connection.fetch("select * from penstock.dead_letters order by id desc limit $1", limit)
        return [_letter(row) for row in rows]

    async def one(self, number: int) -> DeadLetter:
        """One of them.

        Raises:
            NoSuchLetter: where there is none.
        """
        async with self.connections.take() as connection:
            row = await connection.fetchrow("select * from penstock.dead_letters where id = $1", number)
        if row is None:
            raise NoSuchLetter(str(number))
        return _letter(row)


def _letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(row["id"], row["pipeline"], row["fence"], row["refused_at"], row["reason"], row["origin"], row["raw"])
