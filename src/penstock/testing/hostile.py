"""Four stores that are hostile within what the ports allow.

Each goes wrong as some real store does: one loses acknowledged rows in a crash, one judges values only when it is settled, one refuses some
rows and fails after it stored others, one knows a block again by its bounds and by nothing else. Put a `StrictSink` in front. They live in
memory; `restart` is a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from penstock.model.coverage import Position
from penstock.model.errors import Transient
from penstock.ports.flow import Block, Receipt, Settled, Verdict
from penstock.ports.sink import AtLeastOnce, Delivery, Idempotent
from penstock.testing.strict import Row

Refuses = Callable[[Row], bool]

FOR_EVER_S = float("inf")
NO_GOOD = "the store does not take such values"


def takes_all(_: Row) -> bool:
    """Refuse no row."""
    return False


@dataclass(slots=True)
class ForgetfulStore:
    """Acknowledges at once, and in a crash forgets what was not settled."""

    durable: list[Row] = field(default_factory=list)
    unsettled: list[Row] = field(default_factory=list)

    @property
    def delivery(self) -> Delivery:
        """A row stands there as often as it was written."""
        return AtLeastOnce()

    @property
    def stored(self) -> Sequence[Row]:
        """All rows, durable or not."""
        return [*self.durable, *self.unsettled]

    async def write(self, block: Block) -> Receipt:
        """Store in a buffer."""
        await asyncio.sleep(0)
        self.unsettled.extend(rows(block))
        await asyncio.sleep(0)
        return Receipt(block.rows)

    async def settle(self) -> Sequence[Settled]:
        """Make the buffer durable."""
        await asyncio.sleep(0)
        self.durable.extend(self.unsettled)
        self.unsettled.clear()
        await asyncio.sleep(0)
        return ()

    def abandon(self) -> None:
        """The buffer is the store's, not the writer's: it stays."""

    def restart(self) -> None:
        """Forget the buffer."""
        self.unsettled.clear()


@dataclass(slots=True)
class TardyStore:
    """Acknowledges everything, and says only when settled which rows it does not take: one by one, also of writes not yet answered."""

    refuses: Refuses = takes_all
    key: str = "id"
    table: dict[object, Row] = field(default_factory=dict)
    pending: list[Block] = field(default_factory=list)

    @property
    def delivery(self) -> Delivery:
        """The last row of a key is the one that stays."""
        return Idempotent((self.key,), FOR_EVER_S)

    @property
    def stored(self) -> Sequence[Row]:
        """What was settled."""
        return list(self.table.values())

    async def write(self, block: Block) -> Receipt:
        """Put by, and take some time to say so."""
        self.pending.append(block)
        for _ in range(3):
            await asyncio.sleep(0)
        return Receipt(block.rows)

    async def settle(self) -> Sequence[Settled]:
        """Judge and store all that was put by."""
        judged, self.pending = self.pending, []
        verdicts = []
        for block in judged:
            await asyncio.sleep(0)
            for number, row in enumerate(rows(block)):
                if self.refuses(row):
                    verdicts.append(Settled(block.id, (Verdict(number, NO_GOOD),)))
                else:
                    self.table[row[self.key]] = row
        return verdicts

    def abandon(self) -> None:
        """What was put by was the writer's."""
        self.pending.clear()

    def restart(self) -> None:
        """What was put by is gone."""
        self.pending.clear()


@dataclass(slots=True)
class PartialStore:
    """Refuses some rows in its receipt; with probability `unanswered` it fails after it stored none, some or all of the others."""

    refuses: Refuses = takes_all
    unanswered: float = 0.0
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - to be drawn again, not a secret
    durable: list[Row] = field(default_factory=list)

    @property
    def delivery(self) -> Delivery:
        """A row stands there as often as it was written."""
        return AtLeastOnce()

    @property
    def stored(self) -> Sequence[Row]:
        """All rows."""
        return self.durable

    async def write(self, block: Block) -> Receipt:
        """Store row by row.

        Raises:
            Transient: after some of them.
        """
        refused = tuple(Verdict(number, NO_GOOD) for number, row in enumerate(rows(block)) if self.refuses(row))
        good = [row for row in rows(block) if not self.refuses(row)]
        last = self.random.randint(0, len(good)) if self.random.random() < self.unanswered else None
        for row in good[:last]:
            self.durable.append(row)
            await asyncio.sleep(0)
        if last is not None:
            raise Transient(f"no answer after {last} of {len(good)} rows")
        return Receipt(len(good), refused=refused)

    async def settle(self) -> Sequence[Settled]:
        """Nothing to do: what is stored is durable."""
        return ()

    def abandon(self) -> None:
        """What is stored stays."""

    def restart(self) -> None:
        """What is stored stays."""


@dataclass(slots=True)
class BlockwiseStore:
    """Ignores a block whose bounds it has seen; the same rows within other bounds it stores once more."""

    durable: list[Row] = field(default_factory=list)
    seen: set[tuple[Position, Position]] = field(default_factory=set)

    @property
    def delivery(self) -> Delivery:
        """The same block again is harmless; a row has no key."""
        return Idempotent((), FOR_EVER_S)

    @property
    def stored(self) -> Sequence[Row]:
        """All rows."""
        return self.durable

    async def write(self, block: Block) -> Receipt:
        """Store what was not seen."""
        await asyncio.sleep(0)
        bounds = (block.id.after, block.id.upto)
        if bounds in self.seen:
            return Receipt(0, duplicate=block.rows)
        self.seen.add(bounds)
        self.durable.extend(rows(block))
        await asyncio.sleep(0)
        return Receipt(block.rows)

    async def settle(self) -> Sequence[Settled]:
        """Nothing to do: what is stored is durable."""
        return ()

    def abandon(self) -> None:
        """What is stored stays."""

    def restart(self) -> None:
        """What is stored stays."""


def rows(block: Block) -> list[Row]:
    """The rows of a block, in order."""
    return [row for batch in block.batches for row in batch.rows.to_pylist()]
