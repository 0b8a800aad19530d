"""The two small files beside the segments: whose log this is, and how far its consumers are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, TypeVar
from zlib import crc32

import msgspec
from msgspec import Meta

from penstock.queue.consumers import Consumer
from penstock.queue.log import MOST_LANES, Place

IDENTITY = "log.json"
CONSUMERS = "consumers.json"
VERSION = 1

MOST_BYTES = 64 << 20
"""More is in no file that was written here."""

Epoch = Annotated[str, Meta(pattern=r"^(?!ff)[0-9a-f]{20}\Z")]
"""Hexadecimal. One that begins with ff leaves no room for a greater one."""

Pair = tuple[Epoch, Annotated[int, Meta(ge=0, le=1 << 62)]]
"""A place as the files say it: epoch and offset. Its lane is its number in the list."""

Pairs = Annotated[tuple[Pair, ...], Meta(max_length=MOST_LANES)]


class DocumentDamaged(Exception):
    """A file is not what was written."""


class Identity(msgspec.Struct, frozen=True):
    """`log.json`: a name for the log, the greatest epoch that was used, where the folder was, and where the lanes ended at a clean close.

    `log` is hexadecimal. `ends` stay when the log is opened again: no lane ends before.
    """

    log: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    epoch: Epoch
    machine: str
    device: int
    inode: int
    ends: Pairs = ()
    version: int = VERSION


class Versioned(msgspec.Struct, frozen=True):
    """What files of every version say."""

    version: Annotated[int, Meta(ge=1)]


class ConsumerRecord(msgspec.Struct, frozen=True):
    """A consumer in `consumers.json`."""

    seen_us: int
    cursors: Pairs


class ConsumersRecord(msgspec.Struct, frozen=True):
    """`consumers.json`: up to where each lane was given back, and who reads it."""

    released: Pairs
    consumers: dict[str, ConsumerRecord]
    version: int = VERSION


T = TypeVar("T", Identity, ConsumersRecord, Versioned)


def pairs(ends: Iterable[Place]) -> tuple[Pair, ...]:
    """Places, lane by lane, as the files say them."""
    return tuple((place.epoch.hex(), place.offset) for place in ends)


def places(record: Iterable[Pair]) -> Sequence[Place]:
    """The places that a file says."""
    return [Place(lane, bytes.fromhex(epoch), offset) for lane, (epoch, offset) in enumerate(record)]


def record_of(released: Iterable[Place], known: Mapping[str, Consumer]) -> ConsumersRecord:
    """What is written of the consumers."""
    consumers = {
        name: ConsumerRecord(consumer.seen_us, pairs(consumer.cursors[lane] for lane in sorted(consumer.cursors)))
        for name, consumer in known.items()
    }
    return ConsumersRecord(pairs(released), consumers)


def known_from(record: ConsumersRecord) -> dict[str, Consumer]:
    """The consumers that are written down."""
    return {
        name: Consumer({place.lane: place for place in places(consumer.cursors)}, consumer.seen_us)
        for name, consumer in record.consumers.items()
    }


def encoded(document: Identity | ConsumersRecord) -> bytes:
    """A line of JSON, and a line with its CRC-32: a position that a flipped bit has put forward would lose entries."""
    line = msgspec.json.encode(document)
    return b"%s\n%d\n" % (line, crc32(line))


def version_of(content: bytes) -> int:
    """Of what version a file is. Raises `DocumentDamaged`."""
    return decoded(content, Versioned).version


def decoded(content: bytes, kind: type[T]) -> T:
    """What a file says. Raises `DocumentDamaged`, also where what it says cannot be."""
    try:
        return msgspec.json.decode(checked(content), type=kind)
    except (msgspec.DecodeError, RecursionError):
        raise DocumentDamaged from None


def checked(content: bytes) -> bytes:
    """The line of JSON. Raises `DocumentDamaged`."""
    line, _, rest = content.partition(b"\n")
    if rest != b"%d\n" % crc32(line):
        raise DocumentDamaged
    return line
