"""Items, and how they are written: MessagePack arrays, as short as what there is to say.

`[source, data]`, or `[source, data, key]`, as an item is first appended. One that is appended again (a failed attempt, a dead letter, a
dead letter that is tried again) has a fourth member, `Again`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import msgspec

from penstock.queue.ingestion.errors import NotQueueable
from penstock.queue.log import Place


class QueuePriority(IntEnum):
    """Who goes first; each is a lane of the log of its own."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    BATCH = 4


PRIORITIES = tuple(QueuePriority)


class QueueItem(msgspec.Struct, frozen=True, gc=False):
    """An item as a processor gets it, or as a dead letter.

    `attempts` counts earlier ones, so that it is 0 the first time; `enqueued_us` is in microseconds since 1970 and stays the same however
    often the item is tried, as `id` does. `error` says why the last attempt failed. The rest is the queue's own: whose lease
    it is in, and where it stands.
    """

    id: str
    source: str
    data: Any
    priority: QueuePriority
    attempts: int
    enqueued_us: int
    error: str
    token: int
    lane: int
    offset: int
    due_us: int = 0


class Again(msgspec.Struct, frozen=True, array_like=True):
    """What is known of an item that is appended again in place of the entry at (`lane`, `offset`): that one is settled by this one.

    An unmarked one in the lane of dead letters stands in nobody's place, and has no `id` but its own place. `token` is that of the lease
    under which it was done. `due_us`: not to be handed out before (microseconds since 1970).
    """

    lane: int
    offset: int
    token: int
    id: str
    priority: int
    attempts: int
    enqueued_us: int
    due_us: int
    error: str


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an entry of the log says."""

    source: str
    data: Any
    key: str | None = None
    again: Again | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


def encoded(items: Iterable[tuple[str, Any] | tuple[str, Any, str] | Envelope]) -> list[bytes]:
    """The entries of new items: of each its source, its data, and perhaps its key.

    Raises:
        NotQueueable: one of them cannot be written down.
    """
    try:
        return [_encode(item) for item in items]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise NotQueueable(str(error)) from error


def rewritten(found: Envelope) -> bytes:
    """The entry of an item that is appended again."""
    return _encode(found)


def envelope(body: bytes) -> Envelope | None:
    """What an entry says, None for one that is not of a queue."""
    try:
        return _decode(body)
    except UNREADABLE:
        return None


def envelopes(bodies: Iterable[bytes]) -> list[Envelope] | None:
    """What entries say; None where one of them is not of a queue."""
    try:
        return list(map(_decode, bodies))
    except UNREADABLE:
        return None


def identity(first: Place, offset: int | str) -> str:
    """The id of an item: where it was first appended, in the stretch that begins at `first`."""
    return f"{first.lane}-{first.epoch.hex()}-{offset}"
