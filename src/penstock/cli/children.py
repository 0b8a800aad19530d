"""What a run starts for itself and takes down with it: the simulated API and the embedded PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from penstock.engine.lease import this_process
from penstock.engine.telemetry import Telemetry
from penstock.extract.address import Address
from penstock.model.errors import EXIT_USAGE, Fatal, Misconfigured
from penstock.stores.postgres.connections import Connections, Dial
from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings


class SimulatorFailed(Fatal):
    """The simulated API did not start."""


class UnusableOptions(Misconfigured):
    """The options of --simulator are not usable."""

    default_hint = "`penstock simulate datasync --help` lists them."


@asynccontextmanager
async def simulated_api(events: int, options: str) -> AsyncIterator[Address]:
    """Run `penstock simulate datasync` as a child on a free port."""
    command = [sys.executable, "-m", "penstock", "simulate", "datasync", "--die-with-parent", f"--events={events}", *_split(options)]
    child = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, start_new_session=True)
    assert child.stdout is not None
    try:
        ready = await child.stdout.readline()
        if not ready:
            code = await child.wait()
            kind = UnusableOptions if code == EXIT_USAGE else SimulatorFailed
            raise kind(f"`penstock simulate datasync {options}` ended with {code}")
        facts = json.loads(ready)
        yield Address(facts["url"], facts["api_key"])
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


def _split(options: str) -> list[str]:
    try:
        return shlex.split(options)
    except ValueError as error:
        raise UnusableOptions(f"{options}: {error}") from None


@dataclass(frozen=True, slots=True)
class Database:
    """Where the rows go, for people: `place` without a password, and the command that shows them."""

    dial: Dial
    place: str
    command: str


@asynccontextmanager
async def database(url: str | None, telemetry: Telemetry) -> AsyncIterator[Database]:
    """The database of `url`, or the embedded one, which is restarted when it dies."""
    if url is not None:

        async def fixed() -> str:
            return url

        yield Database(fixed, "DATABASE_URL", 'psql "$DATABASE_URL" -c')
        return
    server = EmbeddedServer(EmbeddedSettings.from_environment())
    await asyncio.to_thread(server.start)

    async def dial() -> str:
        if await asyncio.to_thread(server.restart_if_dead):
            telemetry.database_restarts = server.restarts
        return server.url

    try:
        yield Database(dial, server.redacted_url, f"{_program()} db shell -c")
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def connected(url: str | None) -> AsyncIterator[Connections]:
    """Connections to the database of `url`, or to the embedded one, for a short question."""
    async with database(url, Telemetry()) as place:
        connections = Connections(place.dial, this_process())
        try:
            yield connections
        finally:
            connections.close()


def _program() -> str:
    """How this shell can call us: by name where PATH leads here, else by path."""
    here = Path(sys.executable).with_name("penstock")
    if which("penstock") == str(here):
        return "penstock"
    return os.path.relpath(here) if here.exists() else f"{sys.executable} -m penstock"
