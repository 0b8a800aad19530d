"""Attempts to submit to a source that counts them: remembered before they are made, so that none is repeated by mistake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penstock.stores.postgres.connections import Connections


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that may have reached the source: `begun` as long as nothing is known of it."""

    ids: int
    repository: str
    begun_at: datetime
    state: str
    message: str


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of all pipelines that read `source`."""

    connections: Connections
    source: str

    async def latest(self) -> Attempt | None:
        """The last one, if there is any."""
        sql = "select ids, repository, begun_at, state, message from penstock.submissions where source = $1 order by id desc limit 1"
        async with self.connections.take() as connection:
            row = await connection.fetchrow(sql, self.source)
        return None if row is None else Attempt(**row)

    async def begin(self, pipeline: str, repository: str, ids: int) -> int:
        """Remember one before it is made, on disk; answers its number."""
        sql = "insert into penstock.submissions (source, pipeline, repository, ids) values ($1, $2, $3, $4) returning id"
        async with self.connections.transaction("on") as connection:
            return int(await connection.fetchval(sql, self.source, pipeline, repository, ids))

    async def end(self, number: int, state: str, status: int | None, message: str) -> None:
        """What became of it."""
        sql = "update penstock.submissions set state = $2, status = $3, message = $4 where id = $1"
        async with self.connections.transaction("on") as connection:
            await connection.execute(sql, number, state, status, message)

    async def forget(self, number: int) -> None:
        """It cannot have reached the source."""
        async with self.connections.transaction("on") as connection:
            await connection.execute("delete from penstock.submissions where id = $1", number)
