"""Dead letters: records that could not be stored, to be looked at, and to be cleared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from penstock.model.errors import Misconfigured
from penstock.stores.postgres.connections import Connections

if TYPE_CHECKING:
    import asyncpg

CHOSEN = "($1::text is null or pipeline = $1) and ($2::text is null or reason = $2) and ($3::bigint[] is null or id = any($3))"

CLEAR = f"""
    with gone as (delete from penstock.dead_letters where {CHOSEN} returning pipeline, raw),
    kept as (insert into penstock.cleared_letters (pipeline, digest) select pipeline, sha256(raw) from gone returning true)
    select count(*) from kept"""


class NoSuchLetter(Misconfigured):
    """There is no dead letter with this number."""

    default_hint = "`penstock dead list` shows which there are."


class NothingChosen(Misconfigured):
    """No dead letter is meant."""

    default_hint = "`penstock dead list` shows which there are."


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record as received, of which pipeline and run, when, why, and where it stood in the source.

    `strand` is where the stored stretch starts whose counts it is in.
    """

    id: int
    pipeline: str
    run: int
    refused_at: datetime
    reason: str
    origin: str
    raw: bytes
    strand: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant: those of a pipeline, for a reason, with these numbers; whatever is None does not matter."""

    pipeline: str | None = None
    reason: str | None = None
    numbers: Sequence[int] | None = None

    @property
    def arguments(self) -> tuple[str | None, str | None, Sequence[int] | None]:
        """For `CHOSEN`."""
        return self.pipeline, self.reason, self.numbers


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of a database."""

    connections: Connections

    async def count(self) -> Sequence[tuple[str, str, int]]:
        """(pipeline, reason, how many), the commonest first."""
        return await self._count(Choice())

    async def chosen(self, choice: Choice) -> Sequence[tuple[str, str, int]]:
        """(pipeline, reason, how many) of those that are meant.

        Raises:
            NoSuchLetter: one of the numbers is none.
            NothingChosen: none fits.
        """
        found = await self._count(choice)
        if choice.numbers is not None:
            async with self.connections.take() as connection:
                rows = await connection.fetch("select id from penstock.dead_letters where id = any($1)", choice.numbers)
            if unknown := set(choice.numbers) - {row["id"] for row in rows}:
                raise NoSuchLetter(", ".join(map(str, sorted(unknown))))
        if not found:
            raise NothingChosen
        return found

    async def latest(self, limit: int) -> Sequence[DeadLetter]:
        """The newest ones first."""
        async with self.connections.take() as connection:
            rows = await connection.fetch("select * from penstock.dead_letters order by id desc limit $1", limit)
        return [letter(row) for row in rows]

    async def one(self, number: int) -> DeadLetter:
        """One of them.

        Raises:
            NoSuchLetter: where there is none.
        """
        async with self.connections.take() as connection:
            row = await connection.fetchrow("select * from penstock.dead_letters where id = $1", number)
        if row is None:
            raise NoSuchLetter(str(number))
        return letter(row)

    async def clear(self, choice: Choice) -> int:
        """Delete those that are meant, and keep their digests, so that proofs go on adding up. Answers how many."""
        async with self.connections.transaction("on") as connection:
            return int(await connection.fetchval(CLEAR, *choice.arguments))

    async def _count(self, choice: Choice) -> Sequence[tuple[str, str, int]]:
        sql = f"select pipeline, reason, count(*) as letters from penstock.dead_letters where {CHOSEN} group by 1, 2 order by 3 desc, 1, 2"
        async with self.connections.take() as connection:
            return [(row["pipeline"], row["reason"], row["letters"]) for row in await connection.fetch(sql, *choice.arguments)]


def letter(row: asyncpg.Record) -> DeadLetter:
    """A row of the table."""
    return DeadLetter(row["id"], row["pipeline"], row["fence"], row["refused_at"], row["reason"], row["origin"], row["raw"], row["strand"])
