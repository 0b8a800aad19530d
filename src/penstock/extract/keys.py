"""How places in the API become positions of the engine.

The API is read newest first, the engine's order grows as reading goes on: a position stands for a frontier in time, above which everything
is read, and its order is that frontier turned round. Inside one millisecond only the server's own last id says where to go on.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.extract.cursor import Cursor
from penstock.model.coverage import Position

OLDEST = -(2**62)
"""A frontier below everything: all is read."""

_TURN = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Frontier:
    """Every event newer than `ts` (Unix milliseconds) is read, and those at `ts` up to the event `id`, in the server's order."""

    ts: int
    id: str = ""

    def position(self, epoch: str) -> Position:
        """As the engine keeps it."""
        return Position(epoch, (_TURN - self.ts).to_bytes(8, "big"), self.id.encode())

    @classmethod
    def of(cls, position: Position) -> Frontier:
        """Back from the engine."""
        return cls(_TURN - int.from_bytes(position.order, "big"), position.resume.decode())

    def __str__(self) -> str:
        return f"{self.ts} {self.id}".rstrip()

    def cursor(self) -> Cursor:
        """Where the API goes on from."""
        return Cursor(self.id, self.ts) if self.id else Cursor.above(self.ts)


NEWEST, BOTTOM = Frontier(2**62), Frontier(OLDEST)
"""Above everything, where nothing is read yet, and below everything."""
