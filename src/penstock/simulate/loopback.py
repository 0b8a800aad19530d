"""Serve an application on loopback: inside a test's event loop, or as a process until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ipaddress
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from penstock.model.errors import Misconfigured

if TYPE_CHECKING:
    from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
KEEP_ALIVE_S = 75
GRACE_S = 1
_PR_SET_PDEATHSIG = 1


@contextlib.asynccontextmanager
async def serving(application: ASGIApp, listener: socket.socket, *, dated: bool = True) -> AsyncIterator[str]:
    """Answer at the listener in this event loop, until the block is left; yields the address.

    An application that is not `dated` states the time of its answers itself.
    """
    server = _InLoop(_config(application, dated=dated))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield _url(listener)
    finally:
        server.should_exit = True
        server.stopping.set()
        await task


def until_stopped(stand_in: AbstractAsyncContextManager[Mapping[str, object]], *, die_with_parent: bool) -> int:
    """Serve until SIGTERM or SIGINT; what the stand-in yields goes to stdout as one line of JSON. Returns the exit code, 143 or 130."""
    if die_with_parent:
        _die_with_parent()
    return asyncio.run(_until_stopped(stand_in))


async def _until_stopped(stand_in: AbstractAsyncContextManager[Mapping[str, object]]) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(signum: int) -> None:
        if not stopped.done():
            stopped.set_result(128 + signum)

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop, signum)
    async with stand_in as ready:
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        return await stopped


def listening(host: str, port: int) -> socket.socket:
    """A listener on a loopback address; port 0 takes any free one.

    Raises:
        Misconfigured: when `host` is no loopback address, or the port is taken.
    """
    try:
        address = ipaddress.ip_address(LOOPBACK if host == "localhost" else host)
    except ValueError as error:
        raise Misconfigured(f"{host} is not an address", hint=f"Use {LOOPBACK}, ::1 or localhost.") from error
    if not address.is_loopback:
        raise Misconfigured(f"a stand-in listens on loopback only, not on {host}", hint=f"Use {LOOPBACK} or ::1.")
    try:
        listener = socket.create_server((str(address), port), family=socket.AF_INET6 if address.version == 6 else socket.AF_INET)
        # asyncio does not see that these are TCP sockets, and would leave small answers waiting 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise Misconfigured(f"port {port} cannot be used: {error.strerror}", hint="Use --port 0 for any free port.") from error
    return listener


class _Reachable(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Lets the application reach its connection's transport, to break it."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _InLoop(uvicorn.Server):
    """A server that leaves signals to its caller, says when it is ready and stops at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        seconds = 0
        while not await self.on_tick(seconds * 10):
            seconds += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 1)


def _config(application: ASGIApp, *, dated: bool) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=_Reachable,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=dated,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _die_with_parent() -> None:
    """Let the kernel end this process with its parent (Linux, prctl(2)); a parent gone already is noticed by its number.

    Strictly it is the parent's thread that counts: start this process from one that lives as long as it should.
    """
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
