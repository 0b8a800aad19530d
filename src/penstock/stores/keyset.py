"""Positions in a table that is read in the order of a key, whichever store it stands in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from penstock.model.coverage import Position, Span

FIRST, KEYED, LAST = b"\x00", b"\x01", b"\x02"
"""What the order of a position begins with: before all keys, behind one key, behind all keys."""

NO_KEY_YET = b"\x00\x01"
"""Behind the beginning and before all keys: where reading ends in a table without rows."""


def turned(integer: bytes) -> bytes:
    """A signed big-endian integer as bytes that compare as its value does, and back."""
    return bytes([integer[0] ^ 0x80]) + integer[1:]


def cut(span: Span, cuts: Sequence[Position]) -> Iterator[Span]:
    """A span in pieces that end at the cuts within it; `cuts` rise."""
    inside = [place for place in cuts if span.start.order < place.order < span.end.order]
    for start, end in pairwise([span.start, *inside, span.end]):
        yield Span(start, end)
