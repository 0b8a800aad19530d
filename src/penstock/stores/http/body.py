"""Bodies of answers: received up to a limit, and inflated up to another."""

from __future__ import annotations

import aiohttp
from isal import isal_zlib

from penstock.model.errors import PenstockError

GZIP = b"\x1f\x8b"
DAMAGED: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment] # its stub calls the class an instance
MOST_BYTES = 256 * 2**20
"""More than this no body may hold, neither as it comes nor inflated."""
MOST_TIMES = 250
"""Nor may it inflate to more than this many times its size: pages of records shrink 4 to 50 times, a bomb 1,000 times."""
ALWAYS_BYTES = 8 * 2**20
"""Up to this it may, however well it was compressed."""


class UnusableBody(PenstockError):
    """The answer is not what was asked for."""

    default_hint = "The same request was repeated and the answer stayed unusable; look at the API."


async def received(response: aiohttp.ClientResponse) -> bytes:
    """All of a body, as it comes over the wire.

    Raises:
        UnusableBody: it is longer than any may be; the rest is not read.
    """
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MOST_BYTES:
            raise UnusableBody(f"it is longer than {MOST_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


def inflated(raw: bytes) -> bytes:
    """The body without its gzip coating, if it has one; the size stated at its end (RFC 1952) is what is set aside for it.

    Raises:
        UnusableBody: where the gzip is cut short, damaged, or out of all proportion.
    """
    if not raw.startswith(GZIP):
        return raw
    stated = int.from_bytes(raw[-4:], "little")
    if stated > min(MOST_BYTES, max(ALWAYS_BYTES, MOST_TIMES * len(raw))):
        raise UnusableBody(f"gzip: {len(raw):,} bytes that would become {stated:,}")
    try:
        unpacker = isal_zlib.decompressobj(31)
        body: bytes = unpacker.decompress(raw, stated + 1)
    except DAMAGED as error:
        raise UnusableBody(f"gzip: {error}") from error
    if not unpacker.eof:
        raise UnusableBody(f"gzip: it ends after {len(raw):,} bytes, unfinished")
    return body
