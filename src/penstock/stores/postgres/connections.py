"""Connections of one process to one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import asyncpg

from penstock.ports.checkpoints import Holder
from penstock.stores.postgres.errors import translated
from penstock.stores.postgres.migrate import migrate

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

CONNECT_TIMEOUT_S = 20.0

SyncCommit = Literal["off", "on"]

Dial = Callable[[], Awaitable[str]]
"""Answers the URL to connect to, after bringing the server back where it is ours and gone."""


def application_name(holder: Holder) -> str:
    """The name under which a holder's connections are found, and cut off when another takes over; at most 63 bytes."""
    return f"penstock {holder.boot[:13]} {holder.pid} {holder.started}"


@dataclass(slots=True)
class Connections:
    """A small pool, opened when first used, and anew where `dial` gives another address."""

    dial: Dial
    holder: Holder
    most: int = 10
    _url: str | None = field(default=None, init=False, repr=False)
    _pool: Pool | None = field(default=None, init=False)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Connection]:
        """A connection, with failures translated."""
        with translated():
            if self._pool is None:
                await self.refresh()
            assert self._pool is not None
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self, sync_commit: SyncCommit) -> AsyncIterator[Connection]:
        """A connection inside a transaction that waits, or does not wait, for the disk when it commits."""
        async with self.take() as connection, connection.transaction():
            await connection.execute(f"set local synchronous_commit = {sync_commit}")
            yield connection

    async def refresh(self) -> None:
        """Ask for the address again, which may bring a server back, and connect if it is another one."""
        with translated():
            url = await self.dial()
            if self._pool is not None and url == self._url:
                return
            self.close()
            settings = {"application_name": application_name(self.holder), "timezone": "UTC"}
            pool = await asyncpg.create_pool(
                url,
                min_size=0,
                max_size=self.most,
                server_settings=settings,
                timeout=CONNECT_TIMEOUT_S,
                max_inactive_connection_lifetime=0,
            )
            async with pool.acquire() as connection:
                await migrate(connection)
            self._url, self._pool = url, pool

    def close(self) -> None:
        """Drop every connection, without waiting for a server that may be gone."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None
