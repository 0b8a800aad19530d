"""Which database: the one of an address, or the embedded one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from penstock.engine.lease import this_process
from penstock.stores.postgres.connections import Connections, Dial
from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings


@dataclass(frozen=True, slots=True)
class Database:
    """Where the rows go, for people: `place` without a password, and the command that shows them."""

    dial: Dial
    place: str
    command: str


@asynccontextmanager
async def database(url: str | None, restarted: Callable[[int], None] = lambda _: None) -> AsyncIterator[Database]:
    """The database of `url`, or the embedded one, which is restarted when it dies; `restarted` is told how often that was."""
    if url is not None:

        async def fixed() -> str:
            return url

        yield Database(fixed, "DATABASE_URL", 'psql "$DATABASE_URL" -c')
        return
    server = EmbeddedServer(EmbeddedSettings.from_environment())
    await asyncio.to_thread(server.start)

    async def dial() -> str:
        if await asyncio.to_thread(server.restart_if_dead):
            restarted(server.restarts)
        return server.url

    try:
        yield Database(dial, server.redacted_url, embedded_shell())
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def connected(url: str | None, *, reading: bool = False) -> AsyncIterator[Connections]:
    """Connections to the database of `url`, or to the embedded one; see `Connections` for those that are `reading`."""
    async with database(url) as place:
        connections = Connections(place.dial, this_process(), reading=reading)
        try:
            yield connections
        finally:
            connections.close()


def embedded_shell() -> str:
    """The command that asks the embedded database, as this shell can call it: by name where PATH leads here, else by path."""
    here = Path(sys.executable).with_name("penstock")
    path = os.path.relpath(here) if here.exists() else f"{sys.executable} -m penstock"
    return f"{'penstock' if which('penstock') == str(here) else path} db shell -c"
