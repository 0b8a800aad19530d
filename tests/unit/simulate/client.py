"""A plain client of the simulated API, and a clock that stands still."""

from __future__ import annotations

import contextlib
import gzip
import json
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp

from penstock.simulate.cursor import Cursor
from penstock.simulate.datasync import Clock, DataSyncSettings, Server, running
from penstock.simulate.keys import Key

EVENTS = "/api/v1/events"
NEVER = 10**14
"""Epoch ms of an expiry nobody lives to see."""


@dataclass
class Stopped:
    """Time that passes only when somebody waits."""

    now_s: float = 1_800_000_000.0
    waits: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        """For the API to go by."""
        return Clock(now=lambda: self.now_s, sleep=self._wait)

    async def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds


@dataclass(frozen=True)
class Reply:
    """What came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> bytes:
        """The body, inflated."""
        return gzip.decompress(self.body) if self.headers.get("Content-Encoding") == "gzip" else self.body

    @property
    def json(self) -> Any:  # noqa: ANN401 - it is JSON
        """The body, decoded."""
        return json.loads(self.text)

    @property
    def ids(self) -> list[str]:
        """The ids of a page's events."""
        return [event["id"] for event in self.json["data"]]

    @property
    def next_cursor(self) -> str:
        """The cursor a nested page gives."""
        cursor: str = self.json["pagination"]["nextCursor"]
        return cursor


@dataclass(frozen=True)
class Client:
    """Asks a server; every answer is taken as it comes."""

    server: Server
    session: aiohttp.ClientSession

    async def get(self, path: str = EVENTS, *, key: str | None = "", headers: Mapping[str, str] | None = None, **query: object) -> Reply:
        """Ask once; a `key` of None sends none."""
        return await self.ask("GET", path, key=key, headers=headers, query=query)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Reply:
        """The same with any method and a body."""
        sent = {"Accept-Encoding": "gzip", **(headers or {})}
        if key is not None:
            sent["X-API-Key"] = key or self.server.api_key
        params = {name: str(value) for name, value in (query or {}).items()}
        async with self.session.request(method, self.server.url + path, params=params, headers=sent, data=body) as response:
            return Reply(response.status, response.headers, await response.read())

    async def walk(self, limit: int) -> list[str]:
        """The ids of every page, followed by `nextCursor`."""
        page = await self.get(limit=limit)
        ids = page.ids
        while page.json["pagination"]["hasMore"]:
            page = await self.get(limit=limit, cursor=page.next_cursor)
            ids += page.ids
        return ids


@contextlib.asynccontextmanager
async def talking_to(settings: DataSyncSettings, clock: Clock | None = None) -> AsyncIterator[Client]:
    """A running API and a client of it."""
    async with (
        running(settings, clock=clock) as server,
        aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        yield Client(server, session)


def forged(ts: int, identity: UUID, exp: int = NEVER) -> str:
    """A cursor that no page gave."""
    return Cursor(Key(ts, identity.bytes), exp).encode()


def crc_and_size(body: bytes) -> tuple[int, int]:
    """The trailer of a gzip member."""
    crc, size = struct.unpack("<II", body[-8:])
    return crc, size
