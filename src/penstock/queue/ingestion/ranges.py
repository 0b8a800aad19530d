"""Sets of offsets, kept as ranges: what is settled in a lane is nearly always one stretch with few holes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Ranges:
    """A set of offsets; ranges are half-open, `start` to `end`."""

    __slots__ = ("_ends", "_starts", "total")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        """How many offsets are in it."""

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Its ranges, in order; no two of them touch."""
        return zip(self._starts, self._ends, strict=True)

    def __contains__(self, offset: int) -> bool:
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and offset < self._ends[at]

    def add(self, start: int, end: int) -> int:
        """Put a range in; how many of its offsets are new."""
        starts, ends = self._starts, self._ends
        first, after = bisect_left(ends, start), bisect_right(starts, end)
        new = end - start - sum(min(ends[at], end) - max(starts[at], start) for at in range(first, after))
        if first < after:
            start, end = min(start, starts[first]), max(end, ends[after - 1])
        starts[first:after], ends[first:after] = [start], [end]
        self.total += new
        return new

    def remove(self, start: int, end: int) -> None:
        """Take a range out, as far as it is in."""
        starts, ends = self._starts, self._ends
        first, after = bisect_right(ends, start), bisect_left(starts, end)
        if first >= after:
            return
        self.total -= sum(min(ends[at], end) - max(starts[at], start) for at in range(first, after))
        kept = [(s, e) for s, e in ((starts[first], start), (end, ends[after - 1])) if s < e]
        starts[first:after], ends[first:after] = [s for s, _ in kept], [e for _, e in kept]

    def missing(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges between `start` and `end` that are not in it, in order."""
        starts, ends = self._starts, self._ends
        at = bisect_right(ends, start)
        while at < len(starts) and starts[at] < end:
            if start < starts[at]:
                yield start, starts[at]
            start = ends[at]
            at += 1
        if start < end:
            yield start, end

    def floor(self) -> int:
        """The first offset, from 0, that is not in it."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0
