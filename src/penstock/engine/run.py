"""Carry everything that is missing from a source to a destination, and go on after whatever interrupts it.

One pass reads coverage back from the destination, asks the source to plan what it does not cover, and lets the workers carry those
partitions. A passing failure anywhere abandons the pass, and the next one begins from what is really stored. The engine therefore never
has to know whether an unanswered write arrived. A source that lets go of what is stored hears of it in the same way: after everything was
settled, from coverage that was read back behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from penstock.engine.concurrency import first_cause, unless
from penstock.engine.lease import LeaseSettings
from penstock.engine.ledger import Ledger, RefusalLimit
from penstock.engine.telemetry import Telemetry
from penstock.engine.worker import Errand, work
from penstock.engine.workload import SourceOutOfStep, Workload
from penstock.model.coverage import Position, strand
from penstock.model.errors import Fatal, Throttled, Transient, TryLater
from penstock.ports.checkpoints import Outcome, Run
from penstock.ports.flow import BlockId
from penstock.ports.sink import Destination
from penstock.ports.source import Partition, Plan, Progress, Source


class StrayIntent(Fatal):
    """A write was begun at a place to which nothing that is stored leads."""

    default_hint = "Something else changed what Penstock keeps of this pipeline. Keep it as it is and report it."


class Stalled(TryLater):
    """Nothing was stored for too long."""

    default_hint = "Look at the other side; then run the same command again: it goes on where it stopped."


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine carries: workers at a time, batches waiting for each writer, and how long without progress is too long (seconds)."""

    workers: int = 8
    waiting_batches: int = 1
    stall_s: float = 900.0
    reconnect_first_s: float = 0.2
    reconnect_cap_s: float = 10.0
    lease: LeaseSettings = field(default_factory=LeaseSettings)
    refusals: RefusalLimit = field(default_factory=RefusalLimit)


Conclude = Callable[[Progress], Awaitable[Outcome]]
"""Makes the outcome of settled coverage, such as a proof; it may be asked again after a passing failure."""


@dataclass(slots=True)
class Transfer:
    """One run's work, from the lease taken to the coverage settled, and concluded where somebody has a conclusion to draw."""

    run: Run
    source: Source
    destination: Destination
    settings: EngineSettings
    telemetry: Telemetry
    stop: asyncio.Event
    conclude: Conclude | None = None
    outcome: Outcome | None = field(default=None, init=False)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.settings.refusals)
        if (growing := self.source.growing) is not None:
            self.telemetry.waiting = lambda: growing.waiting

    async def carry(self) -> Progress:
        """Return the settled coverage: all of the scope, or less once `stop` is set.

        Raises:
            Stalled: nothing was stored for `stall_s`.
            LeaseLost: another run took over.
            TooManyRefused: the refused records went over the limit.
            Fatal: whatever else no further attempt can mend.
        """
        try:
            async with asyncio.TaskGroup() as group:
                watchers = [group.create_task(self._beat()), group.create_task(self._watch())]
                done = await self._until_nothing_is_missing()
                for watcher in watchers:
                    watcher.cancel()
        except BaseExceptionGroup as failures:
            raise first_cause(failures) from None
        return done

    async def _until_nothing_is_missing(self) -> Progress:
        delay_s = self.settings.reconnect_first_s
        while True:
            before = self.telemetry.progressed
            try:
                return await self._passes()
            except Transient as error:
                if self.stop.is_set():
                    raise
                delay_s = self.settings.reconnect_first_s if self.telemetry.progressed > before else delay_s
                await self._pause(error, delay_s)
                delay_s = min(delay_s * 2, self.settings.reconnect_cap_s)

    async def _pause(self, error: Transient, delay_s: float) -> None:
        self.telemetry.counters.add("reconnects_total")
        self.telemetry.enter("reconnecting", str(error))
        await unless(self.stop, asyncio.sleep(error.delay_s if isinstance(error, Throttled) else delay_s))

    async def _passes(self) -> Progress:
        """Carry what is missing, again and again; the settled coverage when that was nothing, or a stop is asked for."""
        done = await self._read_back()
        while not self.stop.is_set():
            if done.intended:
                await self._replay(done)
            else:
                plan = await unless(self.stop, self._plan(done))
                if plan is None:
                    return done
                done = await self._frozen(plan, done)
                if not plan.partitions:
                    await self._conclude(done)
                    return done
                await self._work(plan.partitions, _strands(plan, done), again=False)
            done = await self._read_back()
            if self.source.releasing is not None:
                await self.source.releasing.release(done)
        return done

    async def _replay(self, done: Progress) -> None:
        blocks = _replays(done)
        partitions = [Partition(number, block.after, block.upto) for number, block in enumerate(blocks)]
        await self._work(partitions, {block.after: block.strand for block in blocks}, again=True)

    async def _plan(self, done: Progress) -> Plan:
        """What to carry now; of a source that is growing, once there is something."""
        if self.source.growing is not None:
            self.telemetry.enter("waiting")
            await self.source.growing.grown(done)
            self.telemetry.alive()
            self.telemetry.enter("planning")
        return await self.source.plan(done)

    async def _frozen(self, plan: Plan, done: Progress) -> Progress:
        """The progress, with the scope of the plan stored."""
        self.telemetry.expected = plan.scope.rows
        if plan.scope == done.scope:
            return done
        await self.destination.freeze(self.run, plan.scope)
        return replace(done, scope=plan.scope)

    async def _conclude(self, done: Progress) -> None:
        """Judge what was refused, publish, then conclude; under the lease, the stall watch and the stop like everything else."""
        self.ledger.close()
        await unless(self.stop, self.destination.publish(self.run))
        if self.conclude is not None:
            self.telemetry.enter("proving")
            self.outcome = await unless(self.stop, _awaited(self.conclude(done)))

    async def _read_back(self) -> Progress:
        self.telemetry.enter("planning")
        done = await self.destination.progress(self.run)
        self.ledger.restart(interval.counts for interval in done.coverage)
        self.telemetry.total = self.ledger.total
        return done

    async def _work(self, partitions: Sequence[Partition], strands: Mapping[Position, Position], *, again: bool) -> None:
        async with self.destination.open(self.run, self.source.schema) as writer:
            self.telemetry.enter("running")
            errand = Errand(
                source=self.source,
                workload=Workload.of(partitions, None if again else self.source.splitting, self.stop),
                writer=writer,
                limits=self.destination.block,
                slots=asyncio.Semaphore(self.destination.in_flight),
                waiting_batches=self.settings.waiting_batches,
                strands=strands,
                again=again,
                ledger=self.ledger,
                telemetry=self.telemetry,
                stop=self.stop,
            )
            await self._side_by_side(errand)
            await writer.settle()

    async def _side_by_side(self, errand: Errand) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(errand.workload.employs(self.settings.workers)):
                    group.create_task(work(errand, number))
        except BaseExceptionGroup as failures:
            raise first_cause(failures) from None

    async def _beat(self) -> None:
        """Keep the lease; a store that cannot be reached just now is the workers' business."""
        while True:
            await asyncio.sleep(self.settings.lease.beat_s)
            try:
                await self.destination.beat(self.run)
            except Transient:
                continue

    async def _watch(self) -> None:
        """End the run when nothing is stored for too long, whatever it hangs on; before and after storing, pages read are progress too.

        That nothing comes of which there could be something to store is none.
        """
        pages = 0
        while (silent_s := self.telemetry.clock() - self.telemetry.progressed) < self.settings.stall_s:
            await asyncio.sleep(self.settings.stall_s - silent_s)
            before, pages = pages, self.telemetry.counters["pages_received_total"]
            read = pages > before and self.telemetry.variant in ("planning", "proving")
            if read or self.telemetry.variant == "waiting":
                self.telemetry.alive()
        raise Stalled(f"for {silent_s:.0f} s; the run was {self.telemetry.variant}, last: {self.telemetry.message or 'no error'}")


def _replays(done: Progress) -> list[BlockId]:
    """Of the blocks whose write was never confirmed, the next one of each strand.

    Raises:
        StrayIntent: where there is none.
    """
    ends = {interval.start: interval.upto for interval in done.coverage}
    following = [block for block in done.intended if block.after == ends.get(block.strand, block.strand)]
    if not following:
        raise StrayIntent(str(done.intended[0].after))
    return following


async def _awaited(work: Awaitable[Outcome]) -> Outcome:
    return await work


def _strands(plan: Plan, done: Progress) -> dict[Position, Position]:
    """By the start of each partition: where the stored stretch begins that it makes longer.

    Raises:
        SourceOutOfStep: a new stretch begins inside an order, where nothing was stored up to.
    """
    strands = {partition.start: strand(done.coverage, partition.start) for partition in plan.partitions}
    if inside := [begun for begun in strands.values() if begun.resume]:
        raise SourceOutOfStep(f"a partition starts inside an order, at {inside[0]}, and nothing is stored up to there")
    return strands
