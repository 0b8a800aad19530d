"""A server that answers as it is told, one answer after the other, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from penstock.extract.address import Address
from penstock.extract.api import EventsApi
from penstock.model.metrics import Counters

from .bodies import event, nested

KEY = "top-secret-0815"
GOOD = nested([event()], has_more=False, total=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back; `ending` says how it ends: whole, reset before the answer, cut in its body, or never."""

    status: int = 200
    body: bytes = GOOD
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Literal["whole", "reset", "cut", "never"] = "whole"


@dataclass(slots=True)
class Answering:
    """The answers to come, the last one for ever; requests as they came, with the loop's time."""

    answers: list[Answer]
    requests: list[web.Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The next one."""
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        self.arrived.set()
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        transport = request.transport
        assert transport is not None
        if told.ending == "never":
            await self.held.wait()
        if told.ending == "reset":
            transport.abort()
        if told.ending != "cut":
            return web.Response(status=told.status, body=told.body, headers=told.headers)
        response = web.StreamResponse(status=told.status, headers={**told.headers, "Content-Length": str(len(told.body))})
        await response.prepare(request)
        await response.write(told.body[: len(told.body) // 2])
        transport.close()
        return response


@asynccontextmanager
async def answering(answers: Sequence[Answer], *, connections: int = 1) -> AsyncIterator[tuple[Answering, EventsApi]]:
    """A server on loopback, and a client of it."""
    server = Answering(list(answers))
    application = web.Application()
    application.router.add_route("*", "/api/v1/events", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        async with EventsApi.connected(Address(f"http://{host}:{port}", KEY), Counters.zero(), connections) as api:
            yield server, api
    finally:
        server.held.set()
        await runner.cleanup()
