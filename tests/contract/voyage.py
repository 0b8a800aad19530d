"""Carrying a source into a destination through every blow of fate, until it is there, and what must be true then."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from penstock.engine.ledger import RefusalLimit
from penstock.engine.run import EngineSettings, Transfer
from penstock.engine.telemetry import Telemetry
from penstock.model.coverage import in_order
from penstock.model.errors import Transient
from penstock.ports.checkpoints import Holder, Outcome, Pipeline
from penstock.ports.sink import AtLeastOnce, Destination, Transactional
from penstock.ports.source import Progress, Source
from penstock.testing import records
from penstock.testing.destinations import DestinationBench, total
from tests.contract.sabotage import Fate, Killed
from tests.contract.tied import TiedSource

MANY = 10**9


@dataclass(frozen=True)
class Cargo:
    """A source, how many records it has, and which of them are refused by itself and by the store."""

    source: Source
    records: int
    refused: frozenset[int]
    turned_away: frozenset[int]

    @property
    def good(self) -> set[int]:
        """The ids that have to arrive."""
        return set(range(self.records)) - self.refused - self.turned_away

    @property
    def dead(self) -> list[bytes]:
        """The dead letters that there have to be."""
        rows = [json.dumps({"id": number, "name": f"record {number}"}).encode() for number in self.turned_away - self.refused]
        return sorted([*rows, *(b"row %d" % number for number in self.refused)])


def drawn(random: Random, turned_away: Callable[[int], bool]) -> Cargo:
    """A source of either kind, of up to 120 records."""
    number = random.randint(1, 120)
    refused = frozenset(record for record in range(number) if random.random() < random.choice([0, 0.05, 0.3]))
    batch_rows = random.randint(1, 15)
    source: Source = records.source(number, partition_rows=random.randint(5, 50), batch_rows=batch_rows, refused=refused)
    if random.random() < 0.5:
        orders = tuple(sorted(random.choices(range(random.choice([2, 10, 200])), k=number)))
        source = TiedSource(orders, random.randint(1, 5), batch_rows, refused)
    return Cargo(source, number, refused, frozenset(filter(turned_away, range(number))))


@dataclass
class Voyage:
    """Runs of one pipeline, one after another, each by a process that the next one finds dead.

    `launched` makes the destination of a new process, and its holder.
    """

    cargo: Cargo
    fate: Fate
    pipeline: Pipeline
    launched: Callable[[], tuple[Destination, Holder]]

    async def complete(self, bench: DestinationBench) -> Progress:
        """Go on until everything is carried; a voyage without end is a failure."""
        async with asyncio.timeout(60):
            while (done := await self._leg(bench)) is None:
                pass
        return done

    async def _leg(self, bench: DestinationBench) -> Progress | None:
        """One run, from its beginning to its end or to its death."""
        self.fate.stop = asyncio.Event()
        self.fate.run = asyncio.create_task(self._run())
        try:
            done = await self.fate.run
        except (Killed, Transient, asyncio.CancelledError):
            if out_of_time():
                raise
            await bench.crash()
            return None
        return None if self.fate.stop.is_set() else done

    async def _run(self) -> Progress:
        destination, holder = self.launched()
        random = self.fate.random
        settings = EngineSettings(
            workers=random.randint(1, 4),
            waiting_batches=random.randint(1, 3),
            reconnect_first_s=0,
            refusals=RefusalLimit(percent=100, in_a_row=MANY),
        )
        run = await destination.begin(self.pipeline, holder)
        done = await Transfer(run, self.cargo.source, destination, settings, Telemetry(), self.fate.stop).carry()
        await destination.end(run, Outcome("completed", ""))
        return done


def out_of_time() -> bool:
    """Whether it is the test that was cancelled, and not the run."""
    task = asyncio.current_task()
    return task is not None and bool(task.cancelling())


async def assert_arrived(cargo: Cargo, done: Progress, bench: DestinationBench, pipeline: Pipeline) -> None:
    """Exactly the right rows, exactly the right dead letters, and counts that say so."""
    counts, copies, stretches = total(done), Counter(await bench.stored()), in_order(done.coverage)
    surplus = copies.total() - len(copies)

    assert done.scope is not None
    assert [done.scope.span.start, *(one.upto for one in stretches)] == [*(one.start for one in stretches), done.scope.span.end]
    assert set(copies) == cargo.good
    assert sorted(await bench.dead_letters(pipeline)) == cargo.dead
    assert (counts.received, counts.refused) == (cargo.records, len(cargo.dead))
    assert counts.add_up
    if isinstance(bench.runs.delivery, AtLeastOnce):
        assert surplus <= counts.repeated
    else:
        assert surplus == counts.repeated == 0
    if isinstance(bench.runs.delivery, Transactional):
        assert counts.duplicate == 0
