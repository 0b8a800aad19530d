"""Blocks as they stand in a segment: docs/formats/queue.md is this module in words."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

from penstock.model.gaps import Gap
from penstock.queue.log import Entries, Place

MAGIC = b"PLOG"
HEADER = struct.Struct("<4sIBBH10sQIqII")
CHECKED_FROM = 8
"""The header's checksum covers what stands behind it."""

BEYOND = 1 << 63
"""No log comes to such an offset."""

LOG_BYTES = 16
"""Of the name of a log, which is the body of a segment's first block."""

MARKED = 1
"""Flag of entries that were appended as marked."""

_SEAL = struct.Struct("<qII")
_POINT = struct.Struct("<QQ")
_TRAILER = struct.Struct("<I4s")
TRAILER_BYTES = _TRAILER.size
_SEALED = b"PEND"


class Kind(IntEnum):
    """What a block is."""

    ENTRIES = 0
    GAP = 1
    START = 2
    SEAL = 3


class Damaged(Exception):
    """A block is not what was written; `position` is where in the file."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class Header(NamedTuple):
    """What stands before each body."""

    magic: bytes
    header_crc: int
    kind: int
    flags: int
    lane: int
    epoch: bytes
    first: int
    offsets: int
    appended_us: int
    length: int
    body_crc: int

    @property
    def end(self) -> int:
        """The offset behind the last entry."""
        return self.first + self.offsets

    @property
    def size_bytes(self) -> int:
        """Of header and body."""
        return HEADER.size + self.length

    @property
    def marked(self) -> bool:
        """Whether its entries were appended as marked."""
        return bool(self.flags & MARKED)


class Seal(NamedTuple):
    """What the last block of a full segment says of the others: when the first was appended, and where blocks begin.

    `points` are offset and position of the first block and of some others, `marked` the positions of all marked ones.
    """

    since_us: int
    points: Sequence[tuple[int, int]]
    marked: Sequence[int]


@dataclass(frozen=True, slots=True)
class Block:
    """What is written in one piece: it takes so many offsets. `bodies` are the entries in it."""

    kind: Kind
    offsets: int
    body: bytes
    marked: bool = False
    bodies: Sequence[bytes] = ()

    def encoded(self, first: Place, appended_us: int) -> tuple[bytes, bytes]:
        """Header and body, to be written one behind the other."""
        flags = MARKED if self.marked else 0
        place = (first.lane, first.epoch, first.offset)
        rest = (self.kind, flags, *place, self.offsets, appended_us, len(self.body), crc32(self.body))
        header = HEADER.pack(MAGIC, 0, *rest)
        return HEADER.pack(MAGIC, crc32(header[CHECKED_FROM:]), *rest), self.body


def entries_block(bodies: Sequence[bytes], *, marked: bool) -> Block:
    """The length of each entry (u32), then the entries."""
    lengths = struct.pack(f"<{len(bodies)}I", *map(len, bodies))
    return Block(Kind.ENTRIES, len(bodies), b"".join((lengths, *bodies)), marked, bodies)


def gap_block(gap: Gap) -> Block:
    """A JSON object: cause, count, since, until."""
    return Block(Kind.GAP, 1, json.dumps(asdict(gap)).encode())


def start_block(log: bytes) -> Block:
    """The name of the log."""
    return Block(Kind.START, 0, log)


def seal_block(seal: Seal) -> Block:
    """The counts and lists of a seal, and the trailer by which it is found from the end of the file."""
    points = b"".join(_POINT.pack(*point) for point in seal.points)
    body = _SEAL.pack(seal.since_us, len(seal.points), len(seal.marked)) + points + struct.pack(f"<{len(seal.marked)}Q", *seal.marked)
    return Block(Kind.SEAL, 0, body + _TRAILER.pack(HEADER.size + len(body) + TRAILER_BYTES, _SEALED))


def header_at(data: bytes | memoryview, position: int) -> Header | None:
    """The header there, or None where there is none that can be trusted."""
    if len(data) - position < HEADER.size:
        return None
    header = Header._make(HEADER.unpack_from(data, position))
    is_right = header.magic == MAGIC and header.header_crc == crc32(data[position + CHECKED_FROM : position + HEADER.size])
    return header if is_right and header.first < BEYOND else None


def is_whole(header: Header, body: bytes | memoryview) -> bool:
    """Whether the body is the one the header was made for, and can be taken apart."""
    return len(body) == header.length and crc32(body) == header.body_crc and _holds_together(header, body)


def _holds_together(header: Header, body: bytes | memoryview) -> bool:
    """Whether the body of a known kind has the parts that it says; only what somebody else has written does not."""
    if header.kind == Kind.ENTRIES:
        return 0 < 4 * header.offsets <= header.length
    if header.kind == Kind.GAP:
        return header.offsets == 1 and _gap_of(body) is not None
    if header.kind == Kind.SEAL:
        return header.length >= _SEAL.size and header.length == _seal_bytes(*_SEAL.unpack_from(body))
    return header.kind != Kind.START or header.length == LOG_BYTES


def _seal_bytes(_: int, points: int, marked: int) -> int:
    """How long the body of a seal is, which has at least one point."""
    return _SEAL.size + points * _POINT.size + marked * 8 + TRAILER_BYTES if points else 0


def _gap_of(body: bytes | memoryview) -> Gap | None:
    try:
        return Gap(**json.loads(bytes(body)))
    except (ValueError, TypeError, RecursionError):
        return None


def entries_of(header: Header, body: memoryview) -> Entries:
    """The stretch that a whole block of entries, or of a gap, holds."""
    first = Place(header.lane, header.epoch, header.first)
    if header.kind == Kind.GAP:
        return Entries(first, header.offsets, header.appended_us, gap=_gap_of(body))
    content = bytes(body)
    bodies, at = [], 4 * header.offsets
    for length in struct.unpack_from(f"<{header.offsets}I", content):
        bodies.append(content[at : at + length])
        at += length
    return Entries(first, header.offsets, header.appended_us, bodies, header.marked)


def seal_length(trailer: bytes) -> int | None:
    """How many bytes from its end a file's seal begins, or None where it has none."""
    if len(trailer) != TRAILER_BYTES:
        return None
    length, magic = _TRAILER.unpack(trailer)
    return length if magic == _SEALED else None


def seal_of(body: bytes | memoryview) -> Seal:
    """What a segment's last block says."""
    since_us, points, marked = _SEAL.unpack_from(body)
    at = _SEAL.size
    behind = at + points * _POINT.size
    return Seal(since_us, list(_POINT.iter_unpack(body[at:behind])), struct.unpack_from(f"<{marked}Q", body, behind))
