"""What a run starts for itself and takes down with it: the simulated API."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from penstock.extract.address import Address
from penstock.extract.settings import ExtractSettings
from penstock.model.errors import EXIT_USAGE, Fatal, Misconfigured


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


async def chosen_api(settings: ExtractSettings, simulator: str, children: AsyncExitStack) -> Address:
    """The API that the settings name, or else the simulated one, started as one of the `children`."""
    if settings.real_api:
        return Address(settings.base_url, settings.target_api_key or "")
    return await children.enter_async_context(simulated_api(settings.events, simulator))


def _split(options: str) -> list[str]:
    try:
        return shlex.split(options)
    except ValueError as error:
        raise UnusableOptions(f"{options}: {error}") from None
