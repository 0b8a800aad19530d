"""A link to PostgreSQL that is cut at the worst moments: just before a COMMIT arrives, or just before its answer does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

COMMIT = b"COMMIT;"


@dataclass
class Link:
    """Forwards bytes; of the commits, `share` are cut, half of them before and half of them after the server has done them.

    The first `spared` are let through: they set the database up and take the lease, which a new process would simply do again.
    """

    host: str
    port: int
    random: random.Random
    share: float
    spared: int = 8
    cut: dict[str, int] = field(default_factory=lambda: {"before": 0, "after": 0})

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection."""
        server, to_server = await asyncio.open_connection(self.host, self.port)
        answers = asyncio.create_task(self._forward(server, to_client))
        try:
            while data := await client.read(1 << 20):
                fate = self._fate(data)
                if fate == "before":
                    break
                to_server.write(data)
                if fate == "after":
                    answers.cancel()
                    await asyncio.wait([answers])
                    await server.read(1 << 16)
                    break
                await to_server.drain()
        except ConnectionError:
            pass
        finally:
            answers.cancel()
            to_client.transport.abort()
            to_server.transport.abort()

    def _fate(self, data: bytes) -> str | None:
        if COMMIT not in data:
            return None
        self.spared -= 1
        if self.spared >= 0 or self.random.random() >= self.share:
            return None
        fate = self.random.choice(["before", "after"])
        self.cut[fate] += 1
        return fate

    async def _forward(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            while data := await server.read(1 << 20):
                to_client.write(data)
                await to_client.drain()
        except ConnectionError:
            pass
        to_client.close()


@asynccontextmanager
async def bad_link(url: str, seed: int, share: float) -> AsyncIterator[tuple[str, Link]]:
    """A URL of the same database behind such a link, and what the link did."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    link = Link(parts.hostname, parts.port, random.Random(seed), share)
    listener = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    place = parts.netloc.rpartition(":")[0] + f":{port}"
    async with listener:
        yield urlunsplit(parts._replace(netloc=place)), link
