"""What there is to read in one pass, and who reads it: partitions that wait, and pieces of those that others are at."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from penstock.engine.concurrency import unless
from penstock.model.coverage import Position
from penstock.model.errors import Fatal
from penstock.ports.source import Partition, Splittable


class SourceOutOfStep(Fatal):
    """The source left a stretch out, or did not end where its partition ends."""

    default_hint = "Nothing of it was recorded as stored. This is a defect of the source; report it."


@dataclass(slots=True)
class Workload:
    """Partitions `waiting` for a worker, and those that are being read, by their start, with the ends they have by now.

    Bounds live here and nowhere else: what is stored is coverage, so that a partition may be cut without anything being written.
    """

    waiting: deque[Partition]
    splitting: Splittable | None
    stop: asyncio.Event
    _reading: dict[Position, Partition] = field(default_factory=dict)
    _line: asyncio.Lock = field(default_factory=asyncio.Lock)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, partitions: Iterable[Partition], splitting: Splittable | None, stop: asyncio.Event) -> Workload:
        """All of them waiting; nothing is split without `splitting`."""
        return cls(deque(partitions), splitting, stop)

    def employs(self, workers: int) -> int:
        """How many of so many workers may ever have something to do."""
        return min(workers, len(self.waiting)) if self.splitting is None else workers

    async def take(self) -> Partition | None:
        """The next partition, or a piece of one that is being read, as soon as one is worth taking; None when nothing is left to take.

        Idle workers wait in line; only the first of them asks the source, each time something was read.

        Raises:
            SourceOutOfStep: the piece is of none of those that are being read.
        """
        async with self._line:
            while not self.stop.is_set():
                if (partition := self._next()) is not None:
                    self._reading[partition.start] = partition
                    return partition
                if self.splitting is None or not self._reading:
                    return None
                self._changed.clear()
                await unless(self.stop, self._changed.wait())
        return None

    def end(self, start: Position) -> Position:
        """Where the partition that starts there ends by now."""
        return self._reading[start].end

    def progressed(self) -> None:
        """A batch was read: perhaps there is something to take now."""
        self._changed.set()

    def leave(self, start: Position) -> None:
        """The partition that starts there was read."""
        del self._reading[start]
        self._changed.set()

    def _next(self) -> Partition | None:
        if self.waiting:
            return self.waiting.popleft()
        return None if self.splitting is None or not self._reading else self._piece(self.splitting)

    def _piece(self, splitting: Splittable) -> Partition | None:
        """What the source cuts off for an idle worker; from here on its victim ends where the piece starts."""
        if (piece := splitting.split(tuple(self._reading.values()))) is None:
            return None
        victim = next((one for one in self._reading.values() if one.end == piece.end), None)
        if victim is None or piece.start.resume or not victim.start.rank < piece.start.rank < piece.end.rank:
            raise SourceOutOfStep(f"it cut off {piece.start} to {piece.end}, which is no end of a partition that is being read")
        self._reading[victim.start] = replace(victim, end=piece.start)
        return piece
