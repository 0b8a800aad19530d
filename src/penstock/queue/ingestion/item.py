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


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What items of one stretch have in common: whose lease they are in, the lane where they stand, and when they were enqueued.

    The id of each is `prefix` and its offset; an item that was appended again has an origin of its own, with its `id`.
    """

    token: int
    lane: int
    prefix: str
    priority: QueuePriority
    enqueued_us: int
    id: str = ""
    due_us: int = 0


class QueueItem(msgspec.Struct, frozen=True, gc=False):
    """An item as a processor gets it, or as a dead letter.

    `attempts` counts earlier ones, so that it is 0 the first time. `error` says why the last attempt failed. `origin` and `offset` are for
    the queue: whose lease it is in, and where it stands.
    """

    source: str
    data: Any
    attempts: int
    error: str
    origin: Origin
    offset: int

    @property
    def id(self) -> str:
        """What `enqueue` returned for it; it stays the same however often the item is tried."""
        return self.origin.id or f"{self.origin.prefix}{self.offset}"

    @property
    def priority(self) -> QueuePriority:
        """As it was enqueued."""
        return self.origin.priority

    @property
    def enqueued_us(self) -> int:
        """When it was enqueued, in microseconds since 1970."""
        return self.origin.enqueued_us

    def __repr__(self) -> str:
        return f"QueueItem({self.id!r}, {self.source!r}, {self.data!r}, {self.priority.name}, attempts={self.attempts})"


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
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encoded(items: Iterable[tuple[str, Any] | tuple[str, Any, str] | Envelope]) -> list[bytes]:
    """The entries of new items: of each its source, its data, and perhaps its key.

    Raises:
        NotQueueable: one of them cannot be written down.
    """
    try:
        return list(map(_encode, items))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise NotQueueable(str(error)) from error


def require_text(value: object, what: str) -> None:
    """Raise `NotQueueable` for a source or key that could not be read back."""
    if type(value) is not str:
        raise NotQueueable(f"{what} is text")


def told(error: object) -> str:
    """An error as text that can be written down: what the operating system says may hold halves of characters."""
    return str(error).encode(errors="backslashreplace").decode()


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
