"""Connections of one process to one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import asyncpg

from penstock.ports.checkpoints import Holder
from penstock.stores.postgres.errors import DatabaseUnreachable, UnusableAddress, translated
from penstock.stores.postgres.migrate import migrate

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

CONNECT_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 120.0
"""No statement of ours takes so long, counting a whole table apart; a link that is half open does."""

GONE = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError, ConnectionError)
"""What a connection answers that was cut, and its transaction with it."""

SyncCommit = Literal["off", "on"]

Dial = Callable[[], Awaitable[str]]
"""Answers the URL to connect to, after bringing the server back where it is ours and gone."""


def application_name(holder: Holder, pool: int | str) -> str:
    """The name under which the connections of a holder's n-th pool are found, to be cut off; at most 63 bytes."""
    return f"penstock {holder.boot[:13]} {holder.pid} {holder.started} {pool}"


@contextmanager
def readable() -> Iterator[None]:
    """Turn what asyncpg raises for an address that it cannot read into an error without the password."""
    try:
        yield
    except OverflowError:
        raise UnusableAddress("its port is not one of 1 to 65535") from None
    except UnicodeError:
        raise UnusableAddress("its host is not the name of one") from None
    except ValueError as error:  # a bare one quotes what may be part of the password
        raise UnusableAddress(str(error) if isinstance(error, asyncpg.InterfaceError) else "its port is not a number") from None


@dataclass(slots=True)
class Connections:
    """A small pool, opened when first used, and anew after `close` or where `dial` gives another address.

    One that is `reading` makes no tables of ours, may write nothing, and is not cut off with those that write for the same holder.
    """

    dial: Dial
    holder: Holder
    most: int = 10
    reading: bool = False
    _url: str | None = field(default=None, init=False, repr=False)
    _pool: Pool | None = field(default=None, init=False)
    _pools: int = field(default=0, init=False)
    _dialling: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    @property
    def name(self) -> str:
        """The application name of the pool in use."""
        return f"penstock reading {self.holder.pid}" if self.reading else application_name(self.holder, self._pools)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Connection]:
        """A connection, with failures translated."""
        with translated():
            if self._pool is None:
                await self.refresh()
            assert self._pool is not None
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                try:
                    yield connection
                except AttributeError as error:  # asyncpg reaches into what it dropped when the link is cut between two of its messages
                    if not connection.is_closed():
                        raise
                    raise DatabaseUnreachable("the connection was cut") from error

    @asynccontextmanager
    async def transaction(self, sync_commit: SyncCommit) -> AsyncIterator[Connection]:
        """A connection inside a transaction that waits, or does not wait, for the disk when it commits.

        Cancelled, it is cut at once: asking a server to cancel, and waiting for that, could take as long as a dead network likes to.
        """
        async with self.take() as connection:
            try:
                await connection.execute(f"BEGIN; SET LOCAL synchronous_commit = {sync_commit}")
                yield connection
                await connection.execute("COMMIT;")
            except asyncio.CancelledError:
                with suppress(*GONE):
                    connection.terminate()
                raise
            except BaseException:
                with suppress(*GONE):
                    await connection.execute("ROLLBACK")
                raise

    async def refresh(self) -> None:
        """Ask for the address again, which may bring a server back, and connect if it is another one."""
        async with self._dialling:
            with translated():
                await self._refresh()

    async def _refresh(self) -> None:
        url = await self.dial()
        if self._pool is not None and url == self._url:
            return
        self.close()
        self._pools += 1
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=self.most,
            server_settings={
                "application_name": self.name,
                "timezone": "UTC",
                "default_transaction_read_only": "on" if self.reading else "off",
            },
            timeout=CONNECT_TIMEOUT_S,
            max_inactive_connection_lifetime=0,
            command_timeout=COMMAND_TIMEOUT_S,
        )
        try:
            with readable():
                async with pool.acquire() as connection:
                    if not self.reading:
                        await migrate(connection)
        except BaseException:
            pool.terminate()
            raise
        self._url, self._pool = url, pool

    def close(self) -> None:
        """Drop every connection, without waiting for a server that may be gone."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None
