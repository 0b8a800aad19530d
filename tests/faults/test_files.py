"""Files written by runs that are killed, paused, or out of room hold every row once when a run gets through."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from pyarrow import csv, parquet

ROWS = 20_000
REFUSED = 7
PENSTOCK = [sys.executable, "-m", "penstock"]
SINKS = {
    "jsonl": 'type = "jsonl"\npath = "out"',
    "csv": 'type = "csv"\npath = "out"',
    "parquet": 'type = "parquet"\npath = "out"\nfile_bytes = 1_500_000\ncompression = "none"',
}
FILE = """
mode = "{mode}"
[source]
type = "jsonl"
path = "in.jsonl"
[sink]
{sink}
[limits]
workers = 2
lease_seconds = 3.0
"""
READERS: dict[str, Callable[[Path], list[int]]] = {
    "jsonl": lambda path: [json.loads(line)["id"] for line in path.read_bytes().splitlines()],
    "csv": lambda path: list(csv.read_csv(path).column("id").to_pylist()),
    "parquet": lambda path: [number for one in path.glob("*.parquet") for number in parquet.read_table(one).column("id").to_pylist()],
}


@dataclass(frozen=True)
class Bench:
    """A pipeline from a file of lines to a sink, in a folder of its own."""

    folder: Path
    sink: str
    mode: str = "append"

    def __post_init__(self) -> None:
        drawn = Random(1)
        lines = [b'{"id": %d, "pad": "%s"}' % (number, drawn.randbytes(100).hex().encode()) for number in range(ROWS)]
        for number in range(REFUSED):
            lines[number * 2_500] = b"no row %d" % number
        (self.folder / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        (self.folder / "p.toml").write_text(FILE.format(mode=self.mode, sink=SINKS[self.sink]))

    def start(self, command: list[str], **more: object) -> subprocess.Popen[bytes]:
        """Begin a run; `command` is what stands before `run`."""
        environ = {**os.environ, "PENSTOCK_HOME": str(self.folder / "home")}
        arguments = [*command, "run", str(self.folder / "p.toml"), "--port", "0", "--progress", "log"]
        return subprocess.Popen(arguments, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload,no-any-return]

    def run(self, command: list[str] | None = None, **more: object) -> tuple[int, str]:
        """A whole run: how it ended, and what it said."""
        process = self.start(command or PENSTOCK, **more)
        _, said = process.communicate(timeout=120)
        return process.returncode, said.decode()

    def dying(self, call: str, number: str, sign: str, when: str) -> list[str]:
        """The command that meets a signal."""
        return [sys.executable, "-m", "tests.faults.dying", call, number, sign, when]

    def grow(self) -> None:
        """One more row to be read."""
        with (self.folder / "in.jsonl").open("ab") as file:
            file.write(b'{"id": %d, "pad": ""}\n' % ROWS)

    def found(self) -> list[int]:
        """What a reader finds."""
        return sorted(READERS[self.sink](self.folder / "out"))

    def assert_whole(self, rows: int = ROWS) -> None:
        """Every row is there once; what is no row is not."""
        assert self.found() == [number for number in range(rows) if number % 2_500 or number // 2_500 >= REFUSED]
        assert [path.name for path in self.folder.rglob("*.unfinished")] == []


POINTS = [
    ("jsonl", "append", "fsync", "3", "after"),
    ("csv", "append", "fsync", "1", "before"),
    ("csv", "append", "fsync", "4", "before"),
    ("jsonl", "replace", "publish", "1", "before"),
    ("jsonl", "replace", "publish", "1", "after"),
    ("parquet", "append", "fsync", "2", "after"),
    ("parquet", "append", "rename", "1", "after"),
    ("parquet", "append", "rename", "3", "before"),
    ("parquet", "append", "confirm", "3", "after"),
    ("parquet", "replace", "rename", "1", "after"),
    ("parquet", "replace", "rename", "3", "before"),
    ("parquet", "replace", "symlink", "1", "after"),
    ("parquet", "replace", "link", "1", "after"),
]
REPLACING = [
    ("rename", "1", "after", "old"),
    ("confirm", "2", "after", "old"),
    ("symlink", "1", "after", "old"),
    ("link", "2", "after", "new"),
    ("rmtree", "1", "before", "new"),
    ("rmtree", "1", "after", "new"),
]


@pytest.mark.parametrize("point", POINTS, ids=" ".join)
def test_a_kill_at_any_step_costs_nothing(tmp_path: Path, point: tuple[str, str, str, str, str]) -> None:
    """Killed before or after a file is synced, confirmed or named, the next run makes it whole, with nothing twice."""
    sink, mode, call, number, when = point
    bench = Bench(tmp_path, sink, mode)

    killed, _ = bench.run(bench.dying(call, number, "SIGKILL", when))
    ended, said = bench.run()

    assert killed == -signal.SIGKILL
    assert ended == 0, said
    bench.assert_whole()


@pytest.mark.parametrize(("call", "number", "when", "shown"), REPLACING)
def test_a_reader_finds_one_generation_whole(tmp_path: Path, call: str, number: str, when: str, shown: str) -> None:
    """Wherever a run that replaces Parquet files is killed, a reader finds all old rows or all new ones; the next run leaves one folder."""
    bench = Bench(tmp_path, "parquet", "replace")
    first, said_first = bench.run()
    old = bench.found()
    bench.grow()

    killed, _ = bench.run(bench.dying(call, number, "SIGKILL", when))
    between = bench.found()
    ended, said = bench.run()

    assert (first, killed) == (0, -signal.SIGKILL), said_first
    assert between == (old if shown == "old" else [*old, ROWS])
    assert ended == 0, said
    bench.assert_whole(ROWS + 1)
    assert [path.name for path in tmp_path.glob(".out*")] == [(tmp_path / "out").readlink().name]


@pytest.mark.parametrize(("sink", "call"), [("jsonl", "encode json"), ("csv", "encode csv"), ("parquet", "fsync")])
def test_a_paused_run_writes_nothing(tmp_path: Path, sink: str, call: str) -> None:
    """A run that was paused for so long that another took over leaves the files alone when it wakes up."""
    bench = Bench(tmp_path, sink)
    paused = bench.start(bench.dying(call, "2", "SIGSTOP", "after"))
    os.waitpid(paused.pid, os.WUNTRACED)

    ended, said = bench.run()
    while ended == 75:  # until the heartbeat is stale
        ended, said = bench.run()
    paused.send_signal(signal.SIGCONT)
    _, woken = paused.communicate(timeout=60)

    assert ended == 0, said
    assert paused.returncode == 75, woken.decode()
    assert "taken over" in woken.decode()
    bench.assert_whole()


@pytest.mark.parametrize("sink", SINKS)
def test_a_full_disk_is_one_clear_error(tmp_path: Path, sink: str) -> None:
    """Where there is no more room the run says so and ends; the next one finds nothing half-written, and goes on."""
    bench = Bench(tmp_path, sink)

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, resource.RLIM_INFINITY))

    ended, said = bench.run(preexec_fn=little_room)
    again, said_again = bench.run()

    assert ended == 75, said
    assert "There is no room left" in said
    assert again == 0, said_again
    bench.assert_whole()


@pytest.mark.parametrize("sink", SINKS)
def test_kills_at_any_moment_cost_nothing(tmp_path: Path, sink: str) -> None:
    """Killed again and again at drawn moments, the run that gets through leaves every row once."""
    seed = Random().randrange(2**32)
    drawn, bench, kills = Random(seed), Bench(tmp_path, sink), 0
    while kills < 6:
        process = bench.start(PENSTOCK)
        try:
            process.communicate(timeout=drawn.uniform(0.3, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        kills += 1

    ended, said = bench.run()

    assert ended == 0, f"seed {seed}: {said}"
    bench.assert_whole()
