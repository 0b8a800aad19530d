"""Which files a source has found, how far each is read, and the one numbering that all their positions share.

A position's order is one more than the number of units (bytes, or rows of a Parquet file) that lie before it, in the order in which the
files were found; so growth, and files that come later, only ever make the numbering longer. Nought is the beginning, also of nothing.

Every run that finds more begins a new increment. Of the increments before, which are stored whole, only how far each file was read is
kept, with a mark by which that part of it is known again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from penstock.model.coverage import Position, Span
from penstock.ports.source import PositionLost, Scope


@dataclass(frozen=True, slots=True)
class Known:
    """How far a file is read, or is to be read, and the mark of that part of it."""

    end: int
    mark: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a file: its units from `start` up to `end`."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Extent:
    """What is to be read of a file: its units from `start` up to `end`, or inside of these from `inside` and up to `until`."""

    start: int
    end: int
    inside: bytes = b""
    until: bytes = b""


@dataclass(frozen=True, slots=True)
class Piece:
    """What of a stretch a partition holds; `first` is the number of the stretch's first unit."""

    stretch: Stretch
    first: int
    extent: Extent

    def number(self, unit: int) -> int:
        """The number, among those of all files, of a unit of this one."""
        return self.first + unit - self.stretch.start


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All known files by their names, and the stretches of the newest increment, whose first unit has the number `first`."""

    epoch: str
    known: Mapping[str, Known]
    stretches: tuple[Stretch, ...]
    first: int = 0

    @classmethod
    def of(cls, found: Mapping[str, Known]) -> Catalogue:
        """The first increment: every file from its beginning."""
        epoch = blake2b(json.dumps([[name, one.end, one.mark] for name, one in found.items()]).encode(), digest_size=8).hexdigest()
        return cls(epoch, found, tuple(Stretch(name, 0, one.end) for name, one in found.items() if one.end))

    @classmethod
    def frozen(cls, scope: Scope) -> Catalogue:
        """The one that a scope was made of."""
        files, stretches = json.loads(str(scope.facts["files"])), json.loads(str(scope.facts["stretches"]))
        known = {name: Known(end, mark) for name, end, mark in files}
        first = int(scope.facts["first"])
        return cls(scope.span.start.epoch, known, tuple(Stretch(*stretch) for stretch in stretches), first)

    def grown(self, found: Mapping[str, Known]) -> Catalogue:
        """The next increment: new files, and what known ones have more; the same catalogue where there is nothing new."""
        ends = {name: one.end for name, one in self.known.items()}
        stretches = tuple(Stretch(name, ends.get(name, 0), one.end) for name, one in found.items() if one.end > ends.get(name, 0))
        if not stretches:
            return self
        return Catalogue(self.epoch, {**self.known, **found}, stretches, self.first + self.units)

    @property
    def units(self) -> int:
        """Units in the newest increment."""
        return sum(stretch.end - stretch.start for stretch in self.stretches)

    @property
    def scope(self) -> Scope:
        """Everything from the first file's first unit on."""
        files = [[name, one.end, one.mark] for name, one in self.known.items()]
        stretches = [[stretch.name, stretch.start, stretch.end] for stretch in self.stretches]
        facts: dict[str, int | str] = {"files": json.dumps(files), "stretches": json.dumps(stretches), "first": self.first}
        return Scope(Span(Position(self.epoch, _order(0)), self.at(self.first + self.units)), None, facts)

    def at(self, unit: int, inside: bytes = b"") -> Position:
        """The position before unit number `unit`."""
        return Position(self.epoch, _order(unit + 1), inside)

    def pieces(self, start: Position, end: Position) -> Iterator[Piece]:
        """The parts of files between two positions, in reading order.

        Raises:
            PositionLost: they lie in an increment of which only is known that it was stored.
        """
        low, high = unit_of(start), unit_of(end)
        if low < self.first:
            raise PositionLost(f"unit {low:,} of {', '.join(self.known)}: only what comes after unit {self.first:,} can be told apart")
        begin = self.first
        for stretch in self.stretches:
            stop = begin + stretch.end - stretch.start
            if begin <= high and low < stop and (begin < high or end.resume):
                inside = start.resume if begin <= low else b""
                until = end.resume if high < stop else b""
                shift = stretch.start - begin
                upto = stretch.end if until else min(high, stop) + shift
                yield Piece(stretch, begin, Extent(max(low, begin) + shift, upto, inside, until))
            begin = stop


def unit_of(position: Position) -> int:
    """The number of the unit behind a position."""
    return max(0, int.from_bytes(position.order, "big") - 1)


def _order(number: int) -> bytes:
    return number.to_bytes(8, "big")
