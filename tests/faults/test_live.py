"""`program | penstock run`, killed at drawn moments: what was durable is stored once, and what a pipe gave is stored without holes."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from penstock.model.gaps import SHED
from penstock.queue.capture import KILLED
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.log import LogSettings
from penstock.stores.sqlite.errors import FileBusy
from tests.conftest import LONG
from tests.faults.campaign import PENSTOCK
from tests.faults.matrix import Place

LINES_AT_ONCE = 40
"""A program writes so many in one go, and rests a little."""


@dataclass
class Program:
    """Writes numbered lines into a run until somebody breaks the pipe or tells it to end; which numbers it wrote."""

    run: subprocess.Popen[str]
    numbers: count[int]
    padding: str
    written: list[int] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()

    def _write(self) -> None:
        assert self.run.stdin is not None
        with suppress(BrokenPipeError, ValueError):
            while not self.enough.wait(0.005):
                numbers = [next(self.numbers) for _ in range(LINES_AT_ONCE)]
                self.written += numbers
                self.run.stdin.write(
                    "".join(f'{{"id": {number}, "name": "line {number}", "padding": "{self.padding}"}}\n' for number in numbers)
                )
                self.run.stdin.flush()

    def end(self) -> None:
        """No more lines."""
        self.enough.set()
        self.thread.join()


@dataclass
class Piped:
    """Runs of one pipeline, each at the end of a pipe of its own."""

    place: Place
    sink: str
    padding: str = ""
    runs: list[list[int]] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.file = self.place.folder / "live.toml"
        settings = f'[queue]\npath = "queue"\nflush_interval_s = 0.05\n[sink]\ntype = "{self.sink}"\n{self.place.settings(self.sink)}\n'
        self.file.write_text(f'[source]\ntype = "stdin"\n{settings}')

    def start(self) -> tuple[subprocess.Popen[str], Program]:
        """A run, and a program that writes into it."""
        environment = os.environ | {"PENSTOCK_HOME": str(self.place.folder / "home"), "MATRIX_URL": self.place.url}
        command = [*PENSTOCK, "run", str(self.file), "--json", "--progress", "log", "--port", "0"]
        pipe = subprocess.PIPE
        run = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        program = Program(run, self.numbers, self.padding)
        self.runs.append(program.written)
        return run, program

    def killed(self, after_s: float) -> list[int]:
        """A run that is killed once it has received so long; the numbers that were durable then."""
        run, program = self.start()
        self.receive(run, after_s)
        os.kill(run.pid, signal.SIGKILL)
        program.end()
        run.communicate(timeout=60)
        return self.durable()

    def receive(self, run: subprocess.Popen[str], for_s: float) -> None:
        """Wait until it has received so long, or is at its end."""
        while not (self.place.folder / "queue" / "0").exists() and run.poll() is None:
            time.sleep(0.01)
        time.sleep(for_s)

    def durable(self) -> list[int]:
        """The numbers in the queue as it was left, looked at in a copy."""
        copy = self.place.folder / "copy"
        shutil.copytree(self.place.folder / "queue", copy)
        with closing(DiskLog(copy, LogSettings(min_free_bytes=0))) as log:
            found = log.read(log.kept()[0].first, 1 << 30)
            numbers = [json.loads(body)["id"] for stretch in found for body in stretch.bodies]
        shutil.rmtree(copy)
        return numbers

    def ended(self, by: signal.Signals | None) -> tuple[int, dict[str, Any]]:
        """A run that is stopped by a signal, or whose program ends; its exit code and its result."""
        run, program = self.start()
        self.receive(run, 1.0)
        if by is None:
            program.end()
            assert run.stdin is not None
            run.stdin.close()
            run.stdin = None
        else:
            run.send_signal(by)
        out, err = run.communicate(timeout=60) if by is None else self.waited(run, program)
        assert out, err
        return run.returncode, json.loads(out)

    def waited(self, run: subprocess.Popen[str], program: Program) -> tuple[str, str]:
        """What it says while its program goes on writing, until the pipe breaks."""
        assert run.stdout is not None
        assert run.stderr is not None
        out, err = run.stdout.read(), run.stderr.read()
        run.wait(60)
        program.end()
        for stream in (run.stdin, run.stdout, run.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        return out, err


@pytest.mark.parametrize("sink", ["postgres", "sqlite", "jsonl", *(["csv", "parquet"] if LONG else [])])
def test_what_was_durable_is_stored_once(tmp_path: Path, database_url: str, seed: int, scale: int, sink: str) -> None:
    """However often it is killed: every line that was in the queue is stored, none twice, and none is missing between two that are.

    That lines may have been lost on their way into the queue is said.
    """
    piped, drawn, durable = Piped(Place(tmp_path, database_url), sink), random.Random(f"{seed} {sink}"), list[int]()

    for _ in range(2 * scale):
        durable += piped.killed(drawn.uniform(0.1, 1.2))
    code, result = piped.ended(None)

    found = [number for number, _ in piped.place.found(sink)]
    assert code == 0, f"seed {seed}"
    assert result["complete"]
    assert result["evidence"]["stretches"] == 1
    assert [(loss["cause"], loss["uncounted"] in range(1, 2 * scale + 1)) for loss in result["evidence"]["lost"]] == [(KILLED, True)]
    assert len(found) == len(set(found)) == result["rows_stored"], f"seed {seed}"
    assert set(durable) <= set(found), f"seed {seed}"
    assert set(piped.runs[-1]) <= set(found), f"seed {seed}"
    for written in piped.runs:
        stored = [number for number in written if number in set(found)]
        assert stored == written[: len(stored)], f"seed {seed}: a hole"


@pytest.mark.parametrize("by", [signal.SIGINT, *([signal.SIGTERM] if LONG else [])])
def test_a_stop_drains_the_pipe(tmp_path: Path, by: signal.Signals) -> None:
    """Stopped by a signal while a program writes, it stores what it had received, whole, and says so with the exit code of the signal."""
    piped = Piped(Place(tmp_path, ""), "sqlite")

    code, result = piped.ended(by)

    found = [number for number, _ in piped.place.found("sqlite")]
    assert (code, result["state"], result["complete"]) == (128 + by, "cancelled", True)
    assert found == piped.runs[0][: len(found)]
    assert found == piped.durable()


def test_a_stop_does_not_wait_for_room(tmp_path: Path) -> None:
    """On a disk without room it ends by itself, and says how many records it let go of: as many as were written into the pipe."""
    piped = Piped(Place(tmp_path, ""), "sqlite")
    piped.file.write_text(piped.file.read_text().replace("[queue]", "[queue]\nmin_free_bytes = 1000000000000000"))
    run, program = piped.start()
    assert run.stderr is not None
    said = ""
    while "has no room" not in said:
        said += run.stderr.readline()
        assert run.poll() is None, said
    program.end()
    run.send_signal(signal.SIGTERM)

    out, err = piped.waited(run, program)

    assert (run.returncode, json.loads(out)["message"]) == (128 + signal.SIGTERM, "stopped before anything was stored")
    assert let_go(err) == len(piped.runs[0])
    assert piped.durable() == []


def let_go(said: str) -> int:
    """Of how many records a run says that it let them go."""
    told = re.search(r"([\d,]+) records that had been read were let go of", said)
    assert told is not None, said
    return int(told[1].replace(",", ""))


PADDED = 30_000
"""Bytes of a line that fills a queue soon."""

ROOM_BYTES = 1 << 26


@pytest.mark.skipif(not LONG, reason="it takes a minute; run it with --long")
def test_a_stop_waits_neither_for_room_nor_for_a_sink_that_is_away(tmp_path: Path) -> None:
    """With its queue full and its sink locked it ends by itself, and says how many records it let go of; the next run stores the others."""
    piped = Piped(Place(tmp_path, ""), "sqlite", padding="x" * PADDED)
    piped.file.write_text(piped.file.read_text().replace("[queue]", f"[queue]\nmax_bytes = {ROOM_BYTES}"))
    run, program = piped.start()
    assert run.stderr is not None
    with closing(locked(tmp_path / "out.db")):
        said = ""
        while "has no room" not in said:
            said += run.stderr.readline()
            assert run.poll() is None, said
        run.send_signal(signal.SIGTERM)
        out, err = piped.waited(run, program)
    assert run.returncode == FileBusy.exit_code
    assert "is locked" in json.loads(out)["message"]

    code, result = piped.ended(None)

    found = [number for number, _ in piped.place.found("sqlite")]
    shed = let_go(err)
    assert code == 0
    assert [(loss["count"], loss["uncounted"]) for loss in result["evidence"]["lost"] if loss["cause"] == SHED] == [(shed, 0)]
    before = [number for number in found if number <= piped.runs[0][-1]]
    assert before == piped.runs[0][: len(before)]
    assert 0 < shed <= len(piped.runs[0]) - len(before)
    assert found[len(before) :] == piped.runs[1]


def locked(file: Path) -> sqlite3.Connection:
    """A SQLite file to which nobody else can write, once something was stored in it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(sqlite3.OperationalError):
            connection = sqlite3.connect(f"file:{file}?mode=rw", uri=True, isolation_level=None, timeout=30)
            if connection.execute("select count(*) from out").fetchone() != (0,):
                connection.execute("begin immediate")
                return connection
            connection.close()
        time.sleep(0.05)
    raise AssertionError("nothing was stored")
