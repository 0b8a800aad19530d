"""The pages of a run on a loopback port, served by the run's own event loop."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from penstock.console.pages import Pages
from penstock.engine.telemetry import Telemetry
from penstock.model.errors import Misconfigured, PenstockError

PORT = 8080
PORTS_TRIED = 100
LAST_PORT = 65535
KEEP_ALIVE_S = 75


class NotServed(PenstockError):
    """The health endpoints are not served."""

    default_hint = "The run goes on without them. Name another port to have them."


@asynccontextmanager
async def serving(
    telemetry: Telemetry, *, port: int = PORT, host: str = "127.0.0.1", stall_s: float = 120.0
) -> AsyncIterator[str | NotServed]:
    """Serve `/health`, `/ready`, `/metrics` and `/status` while the block runs; the URL, or why there is none: no reason to end a run.

    The port is `port` or, when taken, the next free one of a hundred; 0 is any. A run is called stalled after `stall_s` without progress.
    Signals stay the caller's. Leaving takes 0.1 s where somebody is still connected.

    Raises:
        Misconfigured: `host` is not a loopback address. The pages ask for no credentials, so nobody else may reach them.
    """
    address = _loopback(host)
    try:
        listener = _listener(address, port)
    except OSError as error:
        yield NotServed(f"no free port from {port} on, the last one said: {error.strerror}")
        return
    server = _Server(Pages(telemetry, stall_s=stall_s).application())
    await server.open(listener)
    try:
        yield _url(listener)
    finally:
        await server.close(listener)


class _Server(uvicorn.Server):
    """Uvicorn without its main loop, which only tells the time and waits for signals: the connections live in the event loop anyway."""

    def __init__(self, application: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=0,
            )
        )

    async def open(self, listener: socket.socket) -> None:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup([listener])

    async def close(self, listener: socket.socket) -> None:
        """Idle connections end at once, answers have 0.1 s; what is left then belongs to somebody who does not read."""
        if self.server_state.connections:
            await self.shutdown([listener])
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _loopback(host: str) -> str:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise Misconfigured(f"the health endpoints listen on loopback only, not on {host}", hint="Use 127.0.0.1, ::1 or localhost.")


def _listener(address: str, port: int) -> socket.socket:
    """Listen on the first port that can be had; raises the last port's `OSError`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    last = min(port + PORTS_TRIED - 1, LAST_PORT) if port else 0
    for candidate in range(port, last):
        try:
            return socket.create_server((address, candidate), family=family)
        except OSError:
            continue
    return socket.create_server((address, last), family=family)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
