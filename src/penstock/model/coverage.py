"""Positions in a source, and coverage: which stretches of it are stored, and what is still missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from penstock.model.counts import Counts
from penstock.model.errors import Fatal


class EmptySpan(Fatal):
    """A stretch of the source ends where it starts."""


class MixedEpochs(Fatal):
    """Positions of two numberings do not compare."""


class OverlappingCoverage(Fatal):
    """Two stored stretches share a part of the source: rows counted twice are a broken proof."""

    default_hint = "This is a defect of Penstock; keep the database as it is and report it."


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two records of a source.

    `order` grows in reading order and compares as bytes (memcomparable), whichever way the source's own keys run. `resume` is what the
    source needs to go on from inside one `order`, opaque to everybody else; empty at a clean boundary. `epoch` names the numbering:
    positions of two epochs are never compared.
    """

    epoch: str
    order: bytes
    resume: bytes = b""

    @property
    def rank(self) -> tuple[bytes, bool]:
        """Sorts positions; two places inside the same `order` rank equal and are told apart by `resume` alone."""
        return self.order, bool(self.resume)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source from `start` to `end`, in reading order."""

    start: Position
    end: Position

    def __post_init__(self) -> None:
        if self.start.epoch != self.end.epoch:
            raise MixedEpochs(f"{self.start.epoch} and {self.end.epoch}")
        if self.start == self.end or self.start.rank > self.end.rank:
            raise EmptySpan(f"{self.start} to {self.end}")

    def contains(self, other: Span) -> bool:
        """Whether all of another span lies within this one; a span of another epoch does not."""
        return self.start.epoch == other.start.epoch and self.start.rank <= other.start.rank and other.end.rank <= self.end.rank


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch that is stored, from `start` up to `upto`, and what became of its rows."""

    start: Position
    upto: Position
    counts: Counts = field(default_factory=Counts)


def in_order(covered: Iterable[Interval]) -> list[Interval]:
    """Intervals in reading order.

    Raises:
        OverlappingCoverage: where two share a part of the source.
    """
    intervals = sorted(covered, key=lambda interval: interval.start.rank)
    for before, after in pairwise(intervals):
        if before.upto != after.start and before.upto.rank >= after.start.rank:
            raise OverlappingCoverage(f"{before.upto} lies behind {after.start}")
    return intervals


def missing(covered: Iterable[Interval], scope: Span) -> Iterator[Span]:
    """What of `scope` no interval covers; resuming a run reads exactly this."""
    at = scope.start
    for interval in in_order(covered):
        if at != interval.start:
            yield Span(at, interval.start)
        at = interval.upto
    if at != scope.end:
        yield Span(at, scope.end)


def strand(covered: Iterable[Interval], start: Position) -> Position:
    """Where the stored stretch begins that reading on from `start` makes longer; `start` itself when it opens a new one."""
    return next((interval.start for interval in covered if interval.upto == start), start)
