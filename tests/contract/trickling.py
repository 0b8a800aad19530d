"""Records that are appended to a log while it is read, in drawn portions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import pyarrow as pa

from penstock.ports.live import Arrival, NoRow
from penstock.ports.source import Progress
from penstock.queue.arrivals import Arrivals
from penstock.queue.memory import MemoryLog
from penstock.queue.source import LogSource, Portions, attach
from penstock.testing import records
from tests.contract.voyage import Cargo


@dataclass(frozen=True)
class Numbers:
    """Makes a record of each entry that is a number; `row N` is none."""

    schema: pa.Schema = records.SCHEMA
    facts: dict[str, int | str] = field(default_factory=dict)

    def decode(self, arrivals: Sequence[Arrival]) -> tuple[pa.RecordBatch, Sequence[NoRow]]:
        """See `Decoder`."""
        bodies = [body for arrival in arrivals for body in arrival.bodies]
        bad = [NoRow(number, "refused") for number, body in enumerate(bodies) if not body.isdigit()]
        return records.rows(int(body) for body in bodies if body.isdigit()), bad


@dataclass(slots=True)
class TricklingLog(LogSource):
    """Each time it is asked whether there is more, and while it lets go, some of what is `left` is appended."""

    left: list[list[bytes]] = field(default_factory=list)

    async def grown(self, done: Progress) -> None:
        """Append, and then see."""
        assert self.arrivals is not None
        self._append()
        if not self.left:
            self.arrivals.end()
        await LogSource.grown(self, done)

    async def release(self, done: Progress) -> None:
        """Append, and then let go."""
        self._append()
        await LogSource.release(self, done)

    def _append(self) -> None:
        if self.left:
            self.stretches.log.append(0, self.left.pop(0)).result()


def trickling(random: Random, turned_away: Callable[[int], bool]) -> Cargo:
    """Up to 120 records, appended in portions, read in small batches and passes; what is released is gone at once."""
    number = random.randint(1, 120)
    refused = frozenset(record for record in range(number) if random.random() < random.choice([0, 0.05, 0.3]))
    bodies = [b"row %d" % record if record in refused else b"%d" % record for record in range(number)]
    portions = list[list[bytes]]()
    while bodies:
        size = random.randint(1, 12)
        portions.append(bodies[:size])
        bodies = bodies[size:]
    stretches = attach(MemoryLog(), "a pipeline", read_bytes=random.randint(1, 60))
    arrivals, sizes = Arrivals(stretches, flush_interval_s=0), Portions(random.randint(1, 40), random.randint(1, 200))
    source = TricklingLog(stretches, "a pipeline", Numbers(), lambda _: Numbers(), arrivals, sizes, left=portions)
    return Cargo(source, number, refused, frozenset(filter(turned_away, range(number))))
