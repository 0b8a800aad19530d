"""Places of a log as positions, and what lies between two of them."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from penstock.model.coverage import Position, missing
from penstock.ports.source import Progress
from penstock.queue.log import Entries, Log, Place

EPOCH = "log"
"""Of all positions: the epochs of the log are part of their order, so that coverage goes on behind a new one."""

BEGINNING = Position(EPOCH, b"")
"""Of everything that the log keeps for a consumer when it first comes."""

_ORDER = struct.Struct(">10sBQ")


def position(place: Place) -> Position:
    """A place as a position: its epoch (10 bytes), its lane (1), its offset (8)."""
    return Position(EPOCH, _ORDER.pack(place.epoch, place.lane, place.offset))


def place_of(position: Position) -> Place:
    """The place that a position is, other than `BEGINNING`."""
    epoch, lane, offset = _ORDER.unpack(position.order)
    return Place(lane, epoch, offset)


def stored(done: Progress) -> Position:
    """Where the stored stretch ends that begins at the beginning."""
    if done.scope is None:
        return BEGINNING
    first = next(missing(done.coverage, done.scope.span), None)
    return done.scope.span.end if first is None else first.start


@dataclass(frozen=True, slots=True)
class Stretches:
    """The entries of a log for a consumer that goes on at `cursors`, lane by lane.

    They are in the order of epochs, and within an epoch in that of lanes, so that all of a log that is at rest makes one stretch.
    """

    log: Log
    cursors: Sequence[Place]
    read_bytes: int

    @property
    def end(self) -> Position:
        """Behind everything that is there."""
        return max((position(kept.end) for kept in self.log.kept()), key=lambda end: end.order)

    @property
    def beginning(self) -> Position:
        """`BEGINNING`, as a place."""
        return min((position(cursor) for cursor in self.cursors), key=lambda start: start.order)

    def place(self, lane: int, start: Position) -> Place:
        """Where to begin in a lane to find all of it that lies behind a position."""
        return place_of(start) if start != BEGINNING and place_of(start).lane == lane else self.cursors[lane]

    def between(self, start: Position, end: Position) -> Iterator[Entries]:
        """What lies behind `start` and before `end`."""
        lanes = (self._lane(self.place(lane, start), start, end) for lane in range(self.log.lanes))
        return heapq.merge(*lanes, key=lambda stretch: position(stretch.first).order)

    def before(self, upto: Position) -> Iterator[Place]:
        """Lane by lane, the place before which all lies before `upto`."""
        for kept in self.log.kept():
            if position(kept.end).order <= upto.order:
                yield kept.end
            elif kept.end.lane == place_of(upto).lane:
                yield place_of(upto)

    def waiting(self, start: Position) -> int:
        """How many entries lie behind a position."""
        return sum(max(0, kept.end.offset - self.place(kept.end.lane, start).offset) for kept in self.log.kept())

    def _lane(self, place: Place, start: Position, end: Position) -> Iterator[Entries]:
        while found := self.log.read(place, self.read_bytes):
            for stretch in found:
                if position(stretch.first).order >= end.order:
                    return
                if position(stretch.end).order > start.order:
                    yield _until(stretch, end)
            place = found[-1].end


def _until(stretch: Entries, end: Position) -> Entries:
    """What of a stretch lies before a position."""
    last = place_of(end)
    count = last.offset - stretch.first.offset
    if stretch.first.lane != last.lane or stretch.count <= count:
        return stretch
    gap = stretch.gap and replace(stretch.gap, count=count)
    return replace(stretch, count=count, bodies=stretch.bodies[:count], gap=gap)
