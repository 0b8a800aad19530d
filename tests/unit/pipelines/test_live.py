"""A pipeline with a live source: received into its queue, carried until it ends or is stopped, and gone on with."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.telemetry import Telemetry
from penstock.model.errors import Fatal, PenstockError, Transient
from penstock.model.gaps import Gap, Loss
from penstock.pipelines import looking
from penstock.pipelines.definition import Definition, End
from penstock.pipelines.job import GIVEN_UP, Ending, perform
from penstock.pipelines.live import NothingReceived, folder
from penstock.pipelines.reading import read
from penstock.ports.checkpoints import LeaseHeld
from penstock.ports.ends import Intake, LiveKind, Surroundings
from penstock.ports.live import Append
from penstock.ports.sink import Destination
from penstock.queue.capture import KILLED, READER_FAILED
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.log import LogLocked, LogSettings
from penstock.stores.jsonl.entries import learned, recalled
from penstock.stores.memory import MemorySink
from tests.unit.pipelines import ends

TEXT = '[source]\ntype = "memory"\ntable = "t"\n[sink]\ntype = "memory"\ntable = "u"\n'


@dataclass
class Script:
    """Does one thing after the other, and ends; where it is to go `on`, when it is stopped."""

    calls: Sequence[Callable[[Append], None]]
    on: bool = False

    def receive(self, append: Append, stop: threading.Event) -> None:
        """See `LiveSource`."""
        for call in self.calls:
            call(append)
        if self.on:
            assert stop.wait(20)


@dataclass
class Failing(Script):
    """Does one thing at each call."""

    def receive(self, append: Append, stop: threading.Event) -> None:
        """See `LiveSource`."""
        del stop
        call, *self.calls = self.calls
        call(append)


def rows(low: int, high: int) -> Callable[[Append], None]:
    """Append records with these numbers."""
    return lambda append: append([b'{"id": %d}' % number for number in range(low, high)])


def setting(stop: asyncio.Event) -> Callable[[Append], None]:
    """Ask for a stop."""
    loop = asyncio.get_running_loop()

    def call(append: Append) -> None:
        del append
        loop.call_soon_threadsafe(stop.set)

    return call


def kind(script: Script) -> LiveKind:
    """Records of JSON."""

    def made(_settings: object, facts: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a decoder
        return recalled(facts)

    return LiveKind(
        settings=ends.SourceSettings,
        identity=lambda _settings, _around: "a script",
        receiver=lambda _settings, _around: script,
        learns=lambda _settings: True,
        learned=lambda _settings, records: learned(records, {}),
        recalled=made,
        claim="as far as it was received",
    )


@pytest.fixture
def live(file: Path) -> Callable[[Script], Definition]:
    """The definition of a pipeline that receives what a script says, with a queue beside its file."""
    file.write_text(TEXT)
    definition = read(file, {})

    def made(script: Script) -> Definition:
        queue = replace(definition.queue, path=str(file.parent / "queue"), flush_interval_s=0.05, min_free_bytes=0)
        return replace(definition, source=End("script", kind(script), definition.source.settings), queue=queue)

    return made


async def carried(definition: Definition) -> Ending:
    """A run to its end."""
    return await perform(definition, Telemetry(), asyncio.Event())


def ids() -> list[Any]:
    """What the sink has."""
    found: list[Any] = list(ends.SINKS["u"].rows)
    return sorted(found)


async def test_what_is_received_is_stored(live: Callable[[Script], Definition]) -> None:
    """All of it, as one stretch; a second run goes on behind it."""
    await carried(live(Script([rows(0, 10)])))

    ending = await carried(live(Script([rows(10, 15)])))

    assert ids() == list(range(15))
    assert ending.evidence is not None
    assert (ending.outcome.state, ending.evidence.stretches, ending.evidence.counts.received) == ("completed", 1, 15)
    assert ending.evidence.lost == ()


async def test_what_was_received_before_a_crash_is_stored(live: Callable[[Script], Definition]) -> None:
    """Entries that wait in the queue when a run begins are carried like the others."""
    definition = live(Script([rows(3, 5)]))
    with_log(definition, lambda log: log.append(0, [b'{"id": 1}', b'{"id": 2}']).result())

    await carried(definition)

    assert ids() == [1, 2, 3, 4]


async def test_a_run_that_was_killed_is_told(live: Callable[[Script], Definition]) -> None:
    """A queue that nobody has closed had a run that could not end: what was on its way into it is unknown, and so says the evidence."""
    definition = live(Script([rows(3, 5)]))
    with closing(DiskLog(folder(definition).with_name("killed"), LogSettings(min_free_bytes=0))) as log:
        log.append(0, [b'{"id": 1}', b'{"id": 2}']).result()
        shutil.copytree(folder(definition).with_name("killed"), folder(definition))

    ending = await carried(definition)

    assert ids() == [1, 2, 3, 4]
    assert ending.evidence is not None
    assert [(loss.cause, loss.gaps, loss.uncounted) for loss in ending.evidence.lost] == [(KILLED, 1, 1)]


async def test_a_stop_stores_what_was_received(live: Callable[[Script], Definition]) -> None:
    """A run that is stopped ends with all that was received stored, with its evidence, and is gone on with."""
    stop, told = asyncio.Event(), Telemetry()

    ending = await perform(live(Script([rows(0, 10), setting(stop)], on=True)), told, stop)

    assert ids() == list(range(10))
    assert ending.outcome.state == "cancelled"
    assert ending.outcome.message == "stopped on request, all that was received is stored: 10 rows stored"
    assert ending.evidence is not None
    assert ending.evidence.complete
    assert told.status().rows_waiting == 0


async def test_a_stop_before_anything_came(live: Callable[[Script], Definition]) -> None:
    """Where nothing has told the columns yet, a stop is a stop and no fault."""
    stop = asyncio.Event()

    ending = await perform(live(Script([setting(stop)], on=True)), Telemetry(), stop)

    assert (ending.outcome.state, ending.outcome.message) == ("cancelled", "stopped before anything was stored")


async def test_nothing_tells_no_columns(live: Callable[[Script], Definition]) -> None:
    """A first run to which nothing came at all cannot know its columns; a later one knows them, and has nothing to do."""
    with pytest.raises(NothingReceived):
        await carried(live(Script([])))
    await carried(live(Script([rows(0, 2)])))

    assert (await carried(live(Script([])))).outcome.message == "2 rows stored"


async def test_what_comes_before_the_first_record_tells_no_columns(live: Callable[[Script], Definition]) -> None:
    """A program that greets before it writes records is waited for, and so is one of which only the greeting was kept."""
    with pytest.raises(NothingReceived):
        await carried(live(Script([lambda append: append([b"starting"])])))
    later = Script([lambda append: append([b"up"]), lambda _: time.sleep(0.2), rows(0, 200)])

    assert (await carried(live(later))).outcome.message.startswith("200 rows stored")


async def test_losses_are_evidence(live: Callable[[Script], Definition]) -> None:
    """What the source has lost is told with the evidence, which holds all the same."""
    ending = await carried(live(Script([rows(0, 2), lambda append: append.gap(Gap("datagrams lost", 7, 1, 2)), rows(2, 4)])))

    assert ending.evidence is not None
    assert ending.evidence.complete
    assert ending.evidence.lost == (Loss("datagrams lost", 1, 7, 0, 1, 2),)
    assert ids() == [0, 1, 2, 3]


async def test_a_reader_that_gives_up_fails_the_run(live: Callable[[Script], Definition]) -> None:
    """What came before a fatal error is stored, and then the run fails with it."""

    def unplugged(append: Append) -> None:
        del append
        raise Fatal("unplugged")

    with pytest.raises(Fatal, match="unplugged"):
        await carried(live(Script([rows(0, 5), unplugged])))

    assert ids() == [0, 1, 2, 3, 4]


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> list[PenstockError]:
    """Errors that opening the sink raises, one after the other; nobody waits long between two attempts."""
    errors = list[PenstockError]()
    real = ends.open_sink

    @asynccontextmanager
    async def opened(settings: ends.SinkSettings, around: Surroundings, intake: Intake) -> AsyncIterator[Destination]:
        if errors:
            raise errors.pop(0)
        async with real(settings, around, intake) as sink:
            yield sink

    monkeypatch.setattr(ends, "SINK", replace(ends.SINK, open=opened))
    monkeypatch.setattr("penstock.pipelines.live.AGAIN_CAP_S", 0.01)
    return errors


async def test_it_is_received_while_the_sink_is_away(unreachable: list[PenstockError], live: Callable[[Script], Definition]) -> None:
    """Nothing waits for the sink: what comes meanwhile is in the queue, and is stored once the sink is there. Each trouble is told once."""
    waited, received, told = Transient("nobody answers"), threading.Event(), list[str]()
    unreachable += [waited, waited, LeaseHeld("another run")]

    def after_three_attempts(append: Append) -> None:
        append([b'{"id": 1}'])
        received.set()
        while unreachable:
            time.sleep(0.01)
        append([b'{"id": 2}'])

    ending = await perform(live(Script([after_three_attempts])), Telemetry(tell=told.append), asyncio.Event())

    assert ids() == [1, 2]
    assert received.is_set()
    assert ending.outcome.state == "completed"
    assert [remark.partition(";")[0] for remark in told] == [str(waited), str(LeaseHeld("another run"))]


async def test_when_it_has_ended_a_sink_that_is_away_ends_the_run(
    unreachable: list[PenstockError], live: Callable[[Script], Definition]
) -> None:
    """There is nothing more to receive then: the run says why, and what was received waits for the next one."""
    unreachable += [Transient("nobody answers")] * 100

    with pytest.raises(Transient, match="nobody answers"):
        await carried(live(Script([rows(0, 5)])))
    unreachable.clear()

    await carried(live(Script([rows(5, 6)])))
    assert ids() == list(range(6))


async def test_a_stop_while_the_sink_is_away(unreachable: list[PenstockError], live: Callable[[Script], Definition]) -> None:
    """Nobody waits for the sink then; what was received waits for the next run, and so many are shown."""
    unreachable += [Transient("nobody answers")] * 100
    stop, telemetry = asyncio.Event(), Telemetry()

    with pytest.raises(Transient, match="nobody answers"):
        await perform(live(Script([rows(0, 5), setting(stop)], on=True)), telemetry, stop)

    assert telemetry.status().rows_waiting == 5


async def test_a_stop_does_not_wait_for_room_for_ever(live: Callable[[Script], Definition], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is stored and there is no room, what was read is let go of, and a person hears how much."""
    monkeypatch.setattr("penstock.pipelines.live.PATIENCE_S", 0.2)
    stop, told = asyncio.Event(), list[str]()
    definition = live(Script([setting(stop), rows(0, 5)]))
    definition = replace(definition, queue=replace(definition.queue, min_free_bytes=1 << 60))

    ending = await asyncio.wait_for(perform(definition, Telemetry(tell=told.append), stop), 10)

    assert (ending.outcome.state, ending.outcome.message) == ("cancelled", "stopped before anything was stored")
    assert "5 records that had been read were let go of for want of room" in told
    assert "there was no room even to write down what is missing: shed, 5 records" in told


async def test_a_stop_does_not_wait_for_a_sink_that_went_away(
    live: Callable[[Script], Definition], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when the run began: what is received waits in the queue for the next run."""
    monkeypatch.setattr("penstock.pipelines.live.PATIENCE_S", 0.2)
    stop, away = asyncio.Event(), list[bool]()
    real = MemorySink.open

    def opened(sink: MemorySink, run: Any, schema: Any) -> Any:  # noqa: ANN401 - as it is
        if away:
            raise Transient("nobody answers")
        return real(sink, run, schema)

    monkeypatch.setattr(MemorySink, "open", opened)

    def gone(_: Append) -> None:
        while "u" not in ends.SINKS or not ends.SINKS["u"].rows:
            time.sleep(0.01)
        away.append(True)

    script = Script([rows(0, 5), gone, rows(5, 9), setting(stop)], on=True)
    ending = await asyncio.wait_for(perform(live(script), Telemetry(), stop), 10)
    away.clear()

    assert (ending.outcome.state, ending.outcome.message) == ("cancelled", GIVEN_UP)
    await carried(live(Script([])))
    assert ids() == list(range(9))


async def test_a_queue_has_one_run(live: Callable[[Script], Definition]) -> None:
    """A second run at the same time receives nothing and says who has the queue."""
    definition = live(Script([rows(0, 5)]))
    log = DiskLog(folder(definition))
    try:
        with pytest.raises(LogLocked):
            await carried(definition)
    finally:
        log.close()


async def test_a_failed_run_lets_go_of_the_queue(live: Callable[[Script], Definition]) -> None:
    """Whatever ends a run, the next one has the queue, and what waited in it."""
    stage_fails = replace(live(Script([rows(0, 5)])), intake=replace(live(Script([])).intake, key=("nowhere",)))
    with pytest.raises(Exception, match="nowhere"):
        await carried(stage_fails)

    await carried(live(Script([rows(5, 6)])))

    assert ids() == list(range(6))


async def test_looking_receives_nothing(live: Callable[[Script], Definition]) -> None:
    """The columns are unknown then, and there is no plan; what is stored is told. No queue is made, nothing is moved."""
    definition, seen = live(Script([rows(0, 2)])), list[looking.Seen]()

    answer = await looking.look(definition, seen.append)

    assert (answer, seen) == (None, [looking.Seen("a script", None, None)])
    assert not folder(definition).exists()
    assert (await looking.outlook(definition)).plan is None
    await carried(definition)
    assert (await looking.outlook(definition)).counts.stored == 2


async def test_a_queue_without_a_path_is_in_the_state_folder(
    live: Callable[[Script], Definition], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of the pipeline; the state folder is made where there is none."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    definition = live(Script([rows(0, 2)]))

    await carried(replace(definition, queue=replace(definition.queue, path="")))

    assert (tmp_path / "home" / "queues" / definition.name / "log.json").exists()


async def test_columns_that_need_not_be_learned(live: Callable[[Script], Definition]) -> None:
    """A kind that always has the same columns waits for nothing, and shows them before anything was received."""
    definition, seen = live(Script([])), list[looking.Seen]()
    fixed = learned([b'{"id": 1}'], {})
    assert fixed is not None
    same = replace(kind(Script([])), learns=lambda _: False, recalled=lambda _settings, _facts: fixed)
    definition = replace(definition, source=replace(definition.source, kind=same))

    await looking.look(definition, seen.append)

    assert [one.columns and one.columns.names for one in seen] == [["id"]]
    assert (await carried(definition)).outcome.message == "0 rows stored"


async def test_what_a_person_has_to_know_is_told(live: Callable[[Script], Definition]) -> None:
    """A reader that failed, once however often it does so in the same way; and what was found when the queue was opened."""

    def unplugged(append: Append) -> None:
        del append
        raise OSError("unplugged")

    definition, told = live(Failing([unplugged, unplugged, rows(0, 2)])), list[str]()
    folder(definition).mkdir()
    (folder(definition) / "log.json").write_text("no document")

    ending = await perform(definition, Telemetry(tell=told.append), asyncio.Event())

    assert ids() == [0, 1]
    assert ending.evidence is not None
    assert [loss.cause for loss in ending.evidence.lost] == [READER_FAILED]
    assert told[0].startswith("the queue: ")
    assert told[1:] == ["the reader failed, and is started again: OSError: unplugged"]


def with_log(definition: Definition, work: Callable[[DiskLog], object]) -> None:
    """Do something with the queue of a pipeline that does not run."""
    log = DiskLog(folder(definition), LogSettings(min_free_bytes=0))
    try:
        work(log)
    finally:
        log.close()
