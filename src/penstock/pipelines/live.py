"""A live source: a thread receives it into the pipeline's queue, from where it is read like any other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from penstock.engine.telemetry import Telemetry
from penstock.model.errors import Misconfigured
from penstock.pipelines.definition import Definition
from penstock.pipelines.opening import destination, identity, staged
from penstock.pipelines.staged import Staged
from penstock.ports.ends import LiveKind, Surroundings
from penstock.ports.live import Decoder
from penstock.ports.sink import Destination
from penstock.ports.source import Progress
from penstock.queue.arrivals import Arrivals
from penstock.queue.capture import Capture, CaptureSettings
from penstock.queue.files import DiskLog
from penstock.queue.log import Log, LogSettings
from penstock.queue.source import LogSource, attach
from penstock.queue.stretches import BEGINNING, Stretches
from penstock.stores.home import locate_home, prepare_home

SAMPLE_BYTES = 2 << 20
"""So much of what came first tells the columns."""

LEAVE_S = 5.0
"""How long a receiver may take to end when the run is over."""


class NothingReceived(Misconfigured):
    """Nothing was received that tells the columns."""

    default_hint = "State them under [source.columns], or run the command again once there is something to receive."


@dataclass(frozen=True, slots=True)
class Watched:
    """A run as it is watched: what it tells, and how it is asked to stop."""

    telemetry: Telemetry
    stop: asyncio.Event


@asynccontextmanager
async def received(
    definition: Definition, around: Surroundings, kind: LiveKind, watched: Watched, anew: Callable[[Progress], bool]
) -> AsyncIterator[tuple[Staged, Destination]]:
    """Both ends, while records are received. A stop ends the receiving; the source ends once what was received is stored.

    Raises:
        LogLocked: another run receives into the same queue.
        NothingReceived: it ended before its columns were known.
    """
    receiver = kind.receiver(definition.source.settings, around)
    async with destination(definition, around) as sink:
        done = await sink.peek(identity(definition, around))
        async with _queue(definition, watched.telemetry) as log:
            stretches = await asyncio.to_thread(attach, log, definition.kept_as, done)
            arrivals = Arrivals(stretches, definition.queue.flush_interval_s)
            capture = Capture(receiver, log, CaptureSettings(definition.queue.overflow), tell=_teller(watched.telemetry))
            async with _capturing(capture, arrivals, watched.stop):
                decoder = await _decoder(definition, kind, Progress() if anew(done) else done, arrivals, watched.telemetry)
                settings = definition.source.settings
                rows = LogSource(stretches, definition.kept_as, decoder, lambda facts: kind.recalled(settings, facts), arrivals)
                yield staged(definition, rows), sink


def folder(definition: Definition) -> Path:
    """Where the queue of a pipeline is."""
    return definition.folder / definition.queue.path if definition.queue.path else locate_home() / "queues" / definition.name


@asynccontextmanager
async def _queue(definition: Definition, telemetry: Telemetry) -> AsyncIterator[Log]:
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


@asynccontextmanager
async def _capturing(capture: Capture, arrivals: Arrivals, stop: asyncio.Event) -> AsyncIterator[None]:
    """Receive in a thread, until `stop` or the end of the block; `arrivals` hears how it ended."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def answer(failure: BaseException | None) -> None:
        arrivals.end(failure)
        ended.set()

    def work() -> None:
        failure: BaseException | None = None
        try:
            capture.run()
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: it is raised where the rows are read
            failure = error
        with suppress(RuntimeError):  # the loop is closed, and nobody reads any more
            loop.call_soon_threadsafe(answer, failure)

    async def relay() -> None:
        await stop.wait()
        capture.stop.set()

    stopping = asyncio.create_task(relay())
    threading.Thread(target=work, name="penstock receiving", daemon=True).start()
    try:
        yield
    finally:
        stopping.cancel()
        capture.stop.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), LEAVE_S)


async def _decoder(definition: Definition, kind: LiveKind, done: Progress, arrivals: Arrivals, telemetry: Telemetry) -> Decoder:
    """The one of the frozen scope, or else one for what comes first."""
    settings = definition.source.settings
    if done.scope is not None:
        return kind.recalled(settings, done.scope.facts)
    if not kind.learns(settings):
        return kind.recalled(settings, {})
    telemetry.enter("waiting", "for the first records, which tell the columns")
    await arrivals.beyond(BEGINNING)
    found = kind.learned(settings, await asyncio.to_thread(_sample, arrivals.stretches))
    if found is None:
        raise NothingReceived
    return found


def _sample(stretches: Stretches) -> list[bytes]:
    found = stretches.log.read(stretches.place(0, BEGINNING), SAMPLE_BYTES)
    return [body for stretch in found for body in stretch.bodies]
