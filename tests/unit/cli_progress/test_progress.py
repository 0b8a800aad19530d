"""Showing a run, and that nothing which happens to a display reaches the run."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TextIO

import pytest

from penstock.cli import progress
from penstock.cli.outlet import Outlet
from penstock.cli.progress import Json, Log, Mode, NoDisplay, chosen, showing
from penstock.engine.telemetry import Telemetry
from penstock.model.counts import Counts
from tests.unit.console.runs import Run, a_busy_run, a_run

NOON = datetime(2026, 11, 20, 12, 0)  # noqa: DTZ001 - a clock on the wall has no zone
MODES: list[Mode] = ["live", "log", "json"]
A_RUN = (
    "import asyncio, sys\n"
    "from penstock.cli.progress import showing\n"
    "from penstock.engine.telemetry import Telemetry\n"
    "async def run():\n"
    "    async with showing(Telemetry(), sys.argv[1]):\n"
    "        await asyncio.sleep(0)\n"
    "    print('the data')\n"
    "asyncio.run(run())\n"
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


class Ticks:
    """Sleep that ends when the test says so."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._asleep, self._go = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Until the next tick, which is `seconds` later."""
        self._asleep.set()
        await self._go.wait()
        self._go.clear()
        self._run.after(seconds)

    async def tick(self) -> None:
        """Wake whoever sleeps, and wait until it sleeps again."""
        self._asleep.clear()
        self._go.set()
        await self._asleep.wait()


def log_of(run: Run, out: TextIO) -> Log:
    """A log whose wall clock goes with the run's."""
    start = run.clock.now_s
    return Log(run.telemetry, Outlet(out), lambda: NOON + timedelta(seconds=run.clock.now_s - start))


@contextmanager
def a_full_pipe() -> Iterator[TextIO]:
    """A stream whose reader sleeps: the next write would wait for ever."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    with os.fdopen(writing, "w") as stream:
        yield stream
    os.close(reading)


def test_auto() -> None:
    """Live on a terminal that can move its cursor, lines anywhere else."""
    assert chosen("auto", Terminal(), {"TERM": "xterm"}) == "live"
    assert chosen("auto", Terminal(), {"TERM": "dumb"}) == "log"
    assert chosen("auto", Terminal(), {}) == "log"
    assert chosen("auto", io.StringIO(), {"TERM": "xterm"}) == "log"


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_that_was_asked_for(mode: Mode) -> None:
    """It is taken at its word, wherever it goes."""
    assert chosen(mode, io.StringIO(), {}) == mode


async def test_live_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by name it is an error that names the extra; `auto` does without."""
    monkeypatch.setattr(progress, "find_spec", lambda _name: None)

    assert chosen("auto", Terminal(), {"TERM": "xterm"}) == "log"
    with pytest.raises(NoDisplay) as raised:
        async with showing(Telemetry(), "live", stream=Terminal()):
            pass

    assert "penstock[terminal]" in raised.value.hint


def test_a_log_has_a_line_every_fifteen_seconds() -> None:
    """And none in between, however often it looks."""
    run, out = a_run(workers=0, expected=None), io.StringIO()
    log = log_of(run, out)

    for _ in range(4 * 60):
        log.show()
        run.after(0.25)

    assert [line[:16] for line in out.getvalue().splitlines()] == [f"12:00:{second} running" for second in ("00", "15", "30", "45")]


def test_a_log_tells_each_change_of_state() -> None:
    """When it comes, not when the next line is due; and the end once."""
    run, out = a_run("starting", workers=0, expected=None), io.StringIO()
    log = log_of(run, out)

    for state in ("starting", "planning", "planning", "running", "completed", "completed"):
        run.telemetry.enter(state)
        log.show()
        run.after(1)
    log.finish()

    assert [line.split()[:2] for line in out.getvalue().splitlines()] == [
        ["12:00:00", "starting"],
        ["12:00:01", "planning"],
        ["12:00:03", "running"],
        ["12:00:04", "completed"],
    ]


def test_a_log_does_not_tell_each_round_of_a_live_run() -> None:
    """It goes from waiting to running and back every second; a line every 15 s says enough, and trouble is told when it comes."""
    run, out = a_run("starting", workers=0, expected=None), io.StringIO()
    run.telemetry.waiting = lambda: 0
    log = log_of(run, out)

    for state in ("starting", *(["waiting", "planning", "running"] * 6), "reconnecting", "running"):
        run.telemetry.enter(state)  # type: ignore[arg-type]  # one of the variants
        log.show()
        run.after(1)

    assert [line.split()[:2] for line in out.getvalue().splitlines()] == [
        ["12:00:00", "starting"],
        ["12:00:01", "waiting"],
        ["12:00:16", "waiting"],
        ["12:00:19", "reconnecting"],
        ["12:00:20", "running"],
    ]


def test_a_log_of_a_run_that_breaks_off() -> None:
    """The last line says where it stood."""
    run, out = a_run(workers=0, expected=None), io.StringIO()
    log = log_of(run, out)
    log.show()

    run.after(2).telemetry.total = Counts(7, 7)
    log.finish()

    assert out.getvalue().splitlines()[-1].startswith("12:00:02 running 7  ")


def test_a_log_has_no_escape_codes() -> None:
    """It can be searched, whatever the messages were."""
    run, out = a_run("reconnecting", "\x1b[31mlost\r\nagain"), io.StringIO()

    log_of(run, out).show()

    assert out.getvalue().count("\n") == 1
    assert out.getvalue().removesuffix("\n").isprintable()
    assert "  [31mlost again  " in out.getvalue()


def test_json() -> None:
    """Each line is the object of `/status`, without credentials."""
    run, out = a_busy_run(), io.StringIO()
    run.telemetry.enter("reconnecting", "http://me:s3cret@host/ is gone")
    display = Json(run.telemetry, Outlet(out))

    display.show()
    run.telemetry.enter("completed")
    display.finish()

    first, last = map(json.loads, out.getvalue().splitlines())
    assert (first["variant"], first["message"]) == ("reconnecting", "http://***@host/ is gone")
    assert (last["variant"], last["rows_stored"], last["counters"]["requests_total"]) == ("completed", 999_998, 250)
    assert last["workers"]["1"] == {"state": "writing", "partition": 1, "rows": 500_000}


async def test_showing_while_the_block_runs() -> None:
    """One object at the start, one each second, one at the end, and nothing after it."""
    run, out = a_run(), io.StringIO()
    ticks = Ticks(run)

    async with showing(run.telemetry, "json", stream=out, sleep=ticks.sleep):
        at_start = len(out.getvalue().splitlines())
        await ticks.tick()
        await ticks.tick()
        run.telemetry.enter("completed")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]

    assert at_start == 1
    assert [(line["variant"], line["seconds"]) for line in lines] == [("running", 0), ("running", 1), ("running", 2), ("completed", 2)]


async def test_showing_swallows_no_error_of_the_run() -> None:
    """A failure passes through, after the last line was written."""
    run, out = a_run("failed"), io.StringIO()

    with pytest.raises(ZeroDivisionError):
        async with showing(run.telemetry, "log", stream=out):
            raise ZeroDivisionError

    assert " failed 0 of 3,000,000 (0.0 %)" in out.getvalue()


async def test_showing_to_a_run_that_is_cancelled() -> None:
    """Ctrl-C ends the showing too, and its last line is written."""
    run, out, begun = a_run(), io.StringIO(), asyncio.Event()

    async def work() -> None:
        async with showing(run.telemetry, "json", stream=out):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    run.telemetry.enter("cancelled")
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert json.loads(out.getvalue().splitlines()[-1])["variant"] == "cancelled"


@pytest.mark.parametrize("mode", MODES)
async def test_a_defect_of_a_display_does_not_reach_the_run(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on unseen, and asyncio is told of the defect."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(str(context["exception"])))
    run = a_run()
    monkeypatch.setattr(Telemetry, "status", lambda _self: 1 / 0)

    async with showing(run.telemetry, mode, stream=io.StringIO()):
        carried = True

    assert carried
    assert told == ["division by zero"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_reader_that_has_gone_is_no_defect(mode: Mode) -> None:
    """Nobody is told what nobody can read."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(str(context["message"])))
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")

    async with showing(a_run().telemetry, mode, stream=stream):
        await asyncio.sleep(0)

    assert told == []
    with suppress(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("mode", MODES)
def test_nobody_reads_standard_error(mode: Mode) -> None:
    """A run whose standard error is closed by its reader ends as if nothing had been, and its data arrives."""
    reading, writing = os.pipe()
    os.close(reading)

    # A tracer of coverage would have something to say at the end, and nobody to say it to.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", A_RUN, mode], stdout=subprocess.PIPE, stderr=writing, env=plain, check=False)
    os.close(writing)

    assert (done.returncode, done.stdout) == (0, b"the data\n")


def test_there_is_no_standard_error() -> None:
    """A run that was started without one shows nothing, and goes on."""
    command = ["sh", "-c", 'exec "$0" -c "$1" auto 2>&-', sys.executable, A_RUN]

    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)

    assert (done.returncode, done.stdout) == (0, b"the data\n")


@pytest.mark.parametrize("mode", MODES)
async def test_a_reader_that_sleeps_is_not_waited_for(mode: Mode) -> None:
    """A terminal held by Ctrl-S, or a pipe that is full, costs its reader some lines and the run nothing."""
    with a_full_pipe() as stream:
        async with showing(a_run().telemetry, mode, stream=stream):
            carried = True

    assert carried


def test_a_line_that_could_not_be_written_is_still_due() -> None:
    """A log goes on with the present as soon as somebody reads again."""
    run, out = a_run("starting", workers=0, expected=None), io.StringIO()
    with a_full_pipe() as stream:
        log = log_of(run, stream)
        log.show()
        log._outlet = Outlet(out)
        log.show()

    assert out.getvalue() == "12:00:00 starting 0\n"


def test_rich_is_not_loaded_before_it_is_needed() -> None:
    """A log and a command that is only asked for its help do not pay for the picture."""
    program = "import sys, penstock.cli.progress; sys.exit('rich' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
