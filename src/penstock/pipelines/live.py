"""A live source: a thread receives it into the pipeline's queue, from where it is read like any other, whenever the sink can be reached."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from penstock.engine.concurrency import unless
from penstock.engine.telemetry import Telemetry
from penstock.model.coverage import Position
from penstock.model.errors import Misconfigured, PenstockError, Transient
from penstock.pipelines.definition import Definition
from penstock.pipelines.opening import destination, identity, staged
from penstock.pipelines.staged import Staged
from penstock.ports.ends import LiveKind, Surroundings
from penstock.ports.live import Decoder
from penstock.ports.sink import Destination
from penstock.ports.source import Progress
from penstock.queue.arrivals import Arrivals
from penstock.queue.capture import Capture, CaptureSettings
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.log import Entries, LogSettings
from penstock.queue.source import LogSource, attach, reconcile
from penstock.queue.stretches import BEGINNING, Stretches, position
from penstock.stores.home import locate_home, prepare_home

SAMPLE_BYTES = 2 << 20
"""So much of what came first tells the columns."""

LEAVE_S = 5.0
"""How long a receiver may take to end when the run is over."""

PATIENCE_S = 10.0
"""After a stop: where nothing is stored for so long, room is not waited for any more, and after as long again no sink that is away."""

LOOK_EVERY_S = 0.1

AGAIN_FIRST_S, AGAIN_CAP_S = 0.5, 30.0
"""How soon the sink is tried again while there is something to receive."""


class NothingReceived(Misconfigured):
    """Nothing was received that tells the columns."""

    default_hint = "State them under [source.columns], or run the command again once there is something to receive."


@dataclass(frozen=True, slots=True)
class Watched:
    """A run as it is watched: what it tells, and how it is asked to stop."""

    telemetry: Telemetry
    stop: asyncio.Event


@dataclass(slots=True)
class Reception:
    """A live source that is received into the queue, from its first `begin` on and as long as `receiving` lasts.

    After a stop the sink may be `given_up`, where it cannot be reached.
    """

    definition: Definition
    around: Surroundings
    kind: LiveKind
    watched: Watched
    capture: Capture
    arrivals: Arrivals
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: bool = False
    _reconciled: bool = False
    _again_s: float = AGAIN_FIRST_S
    _told: str = ""

    @asynccontextmanager
    async def ends(self, anew: Callable[[Progress], bool]) -> AsyncIterator[tuple[Staged, Destination]]:
        """Both ends. It is received from here on, also where the sink cannot be reached; see `again`.

        Raises:
            NothingReceived: it ended before its columns were known.
        """
        try:
            async with destination(self.definition, self.around) as sink:
                done = await sink.peek(identity(self.definition, self.around))
                await self._reconcile(done)
                self._begin()
                decoder = await self._decoder(Progress() if anew(done) else done)
                recall = partial(self.kind.recalled, self.definition.source.settings)
                rows = LogSource(self.arrivals.stretches, self.definition.kept_as, decoder, recall, self.arrivals)
                self._again_s = AGAIN_FIRST_S
                yield staged(self.definition, rows), sink
        except Transient:
            self._begin()
            raise

    async def again(self, error: PenstockError) -> None:
        """Wait a little after a failure that passes. Raises it where nothing is received any more: the rest waits for the next run."""
        telemetry, stop = self.watched.telemetry, self.watched.stop
        if self.ended.is_set() or stop.is_set():
            raise error
        telemetry.enter("reconnecting", str(error))
        if str(error) != self._told:
            telemetry.notice(f"{error}; what is received waits in the queue")
        self._told = str(error)
        await unless(stop, asyncio.sleep(self._again_s))
        self._again_s = min(self._again_s * 2, AGAIN_CAP_S)

    async def _reconcile(self, done: Progress) -> None:
        if not self._reconciled:
            await asyncio.to_thread(reconcile, self.arrivals.stretches, done)
        self._reconciled = True

    def _begin(self) -> None:
        """Receive in a thread that keeps nobody from leaving; `arrivals` hears how it ended."""
        if self._begun:
            return
        self._begun = True
        loop = asyncio.get_running_loop()

        def work() -> None:
            failure: BaseException | None = None
            try:
                self.capture.run()
            except BaseException as error:  # noqa: BLE001 - the edge of a thread: it is raised where the rows are read
                failure = error
            with suppress(RuntimeError):  # the loop is closed, and nobody reads any more
                loop.call_soon_threadsafe(self._end, failure)

        threading.Thread(target=work, name="penstock receiving", daemon=True).start()

    def _end(self, failure: BaseException | None) -> None:
        self.arrivals.end(failure)
        self.ended.set()

    async def lose_patience(self) -> None:
        """After a stop, wait neither for room that nobody makes nor for a sink that is away: the next run stores what is in the queue."""
        telemetry = self.watched.telemetry
        await self.watched.stop.wait()
        await _silence(telemetry)
        self.capture.leave.set()
        await _silence(telemetry)
        async for _ in _looks():
            if telemetry.variant == "reconnecting":
                self.given_up.set()

    async def leave(self) -> None:
        """Receive no more, and wait for nobody."""
        self.capture.stop.set()
        self.capture.leave.set()
        if self._begun:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), LEAVE_S)

    async def _decoder(self, done: Progress) -> Decoder:
        """The one of the frozen scope, or else one for the first that tells columns: a program may greet before it writes records."""
        settings = self.definition.source.settings
        if done.scope is not None:
            return self.kind.recalled(settings, done.scope.facts)
        if not self.kind.learns(settings):
            return self.kind.recalled(settings, {})
        self.watched.telemetry.enter("waiting", "for the first records, which tell the columns")
        at, found = BEGINNING, None
        while found is None:
            await self.arrivals.beyond(at)
            sample = await asyncio.to_thread(_sample, self.arrivals.stretches, at)
            if not sample:
                raise NothingReceived
            at = position(sample[-1].end)
            found = self.kind.learned(settings, [body for stretch in sample for body in stretch.bodies])
        return found


@asynccontextmanager
async def receiving(definition: Definition, around: Surroundings, kind: LiveKind, watched: Watched) -> AsyncIterator[Reception]:
    """The reception of a live source; a stop ends it.

    Raises:
        LogLocked: another run receives into the same queue.
    """
    receiver, telemetry = kind.receiver(definition.source.settings, around), watched.telemetry
    async with _queue(definition, telemetry) as log:
        settings = CaptureSettings(definition.queue.overflow)
        capture = Capture(receiver, log, settings, interrupted=log.interrupted, tell=_teller(telemetry))
        stretches = await asyncio.to_thread(attach, log, definition.kept_as)
        reception = Reception(definition, around, kind, watched, capture, Arrivals(stretches, definition.queue.flush_interval_s))
        telemetry.waiting = lambda: stretches.waiting(BEGINNING)
        stopping = [asyncio.create_task(work) for work in (_relay(watched.stop, capture.stop), reception.lose_patience())]
        try:
            yield reception
        finally:
            for task in stopping:
                task.cancel()
            await reception.leave()
            left = telemetry.waiting()
            telemetry.waiting = lambda: left


def folder(definition: Definition) -> Path:
    """Where the queue of a pipeline is."""
    return definition.folder / definition.queue.path if definition.queue.path else locate_home() / "queues" / definition.name


@asynccontextmanager
async def _queue(definition: Definition, telemetry: Telemetry) -> AsyncIterator[DiskLog]:
    if not definition.queue.path:
        prepare_home(locate_home())
    settings = LogSettings(max_bytes=definition.queue.max_bytes, min_free_bytes=definition.queue.min_free_bytes)
    log = await asyncio.to_thread(DiskLog, folder(definition), settings)
    try:
        for finding in log.findings:
            telemetry.notice(f"the queue: {finding}")
        yield log
    finally:
        await asyncio.to_thread(log.close)


def _teller(telemetry: Telemetry) -> Callable[[str], None]:
    """`notice`, for another thread."""
    loop = asyncio.get_running_loop()

    def tell(remark: str) -> None:
        loop.call_soon_threadsafe(telemetry.notice, remark)

    return tell


async def _relay(stop: asyncio.Event, other: threading.Event) -> None:
    await stop.wait()
    other.set()


async def _silence(telemetry: Telemetry) -> None:
    """Return once nothing was stored for so long."""
    stored, since = -1, 0.0
    async for _ in _looks():
        if stored != (stored := telemetry.counters["blocks_written_total"]):
            since = telemetry.clock()
        elif telemetry.clock() - since >= PATIENCE_S:
            return


async def _looks() -> AsyncIterator[None]:
    """Several times a second, for ever."""
    while True:
        yield
        await asyncio.sleep(LOOK_EVERY_S)


def _sample(stretches: Stretches, start: Position) -> Sequence[Entries]:
    return stretches.log.read(stretches.place(0, start), SAMPLE_BYTES)
