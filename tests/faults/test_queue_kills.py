"""A real process is killed at any moment: what it was answered is there, in order, once."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from random import Random

from penstock.queue.durable.disklog import DiskLog
from penstock.testing.logs import stretches
from tests.conftest import LONG
from tests.faults.queue_process import SETTINGS

KILLS = 60 if LONG else 6
STEP = 10_000_000
"""Numbers of one process and of the next are that far apart."""


def run_and_kill(folder: Path, first: int, seed: str) -> str:
    """What the process said until it was killed."""
    command = [sys.executable, "-m", "tests.faults.queue_process", str(folder), str(first), seed]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = process.stdout.readline()
        time.sleep(Random(seed).uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        return said + process.stdout.read()


def read_all(folder: Path, released: int) -> dict[tuple[int, int], list[int]]:
    """The numbers of each producer of each process, as they stand in the log behind what was released."""
    read: dict[tuple[int, int], list[int]] = defaultdict(list)
    log = DiskLog(folder, SETTINGS)
    places = log.register("reader")
    assert places[0].offset <= released, "a cursor leads"
    for place in places:
        for entries in stretches(log, place):
            for body in entries.bodies:
                producer, number = map(int, body.split(b" ", 2)[:2])
                read[producer, number // STEP].append(number)
    log.close()
    return read


def test_kills(tmp_path: Path, seed: int) -> None:
    """Every append that was answered and not released is read, and the numbers of each producer are in order, without a hole."""
    last: dict[tuple[int, int], tuple[int, int]] = {}
    released = 0
    for kill in range(KILLS):
        said = run_and_kill(tmp_path, kill * STEP, f"{seed} {kill}")
        for producer, number, offset in re.findall(r"appended (\d+) (\d+) (\d+)\n", said):
            last[int(producer), kill] = int(number), int(offset)
        released = max([released, *map(int, re.findall(r"released (\d+)\n", said))])

        read = read_all(tmp_path, released)

        for numbers in read.values():
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"seed {seed}"
        for (producer, process), (number, offset) in last.items():
            if producer % 2 == 1:
                assert read[producer, process][0] == process * STEP
            if producer % 2 == 1 or offset >= released:
                assert read[producer, process][-1] >= number, f"seed {seed}"
    assert len(last) > KILLS
