"""Places within what was read of an API: row numbers, for want of an order of its own.

Reading goes in pulls: one takes all rows from one bound up to the next. Where the API filters by time, bounds are moments in epoch
milliseconds, else they count the pulls. A position's order is the bound that its pull begins with and the number of rows received since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from penstock.model.coverage import Position
from penstock.stores.http.paging import Ask

EPOCH = "pulls"
_BYTES = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Behind a page of the pull from `low` up to `high`.

    `rows` were received so far, on `pages` pages, at most `longest` on one; `ask` gave the last of them, which held what `digest` was made
    of. `total` is what the first page said of all rows.
    """

    low: int
    high: int
    rows: int
    pages: int
    ask: Ask
    digest: str
    total: int | None = None
    longest: int = 0

    @property
    def position(self) -> Position:
        """As coverage keeps it."""
        return Position(EPOCH, _order(self.low, self.rows), msgspec.json.encode(self))

    @classmethod
    def of(cls, position: Position) -> Place:
        """The place of a position inside a pull."""
        return msgspec.json.decode(position.resume, type=cls)

    def reached(self, end: Position) -> bool:
        """Whether `end` is this place; cursors may look different each time they are given out, and do not count."""
        if not end.resume:
            return False
        other = Place.of(end)
        return (self.low, self.rows, self.pages, self.digest) == (other.low, other.rows, other.pages, other.digest)


def bound(value: int) -> Position:
    """The position between two pulls."""
    return Position(EPOCH, _order(value, 0))


def bound_of(position: Position) -> int:
    """The bound with which the pull begins that a position lies in."""
    return int.from_bytes(position.order[:_BYTES], "big")


def digest(identities: Iterable[bytes]) -> str:
    """What a page held, whatever the order in which it held it."""
    return hashlib.sha256(b"".join(sorted(hashlib.sha256(one).digest() for one in identities))).hexdigest()[:32]


def _order(low: int, rows: int) -> bytes:
    return low.to_bytes(_BYTES, "big") + rows.to_bytes(_BYTES, "big")
