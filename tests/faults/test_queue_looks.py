"""Looking at a queue while its process does everything that can be done with one, and is killed now and then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.queue.ingestion import QueueStats
from penstock.queue.ingestion.looking import StillQueue, look
from penstock.queue.ingestion.queue import is_queue
from tests.faults.busy_queue import COUNTS

LOOKING_S = 2.0

NEVER_LESS = ("total_enqueued", "total_processed", "total_failed", "total_retried", "total_attempts_failed")


@contextmanager
def at_work(folder: Path, numbers: Path, seed: str) -> Iterator[int]:
    """The number of a process that is at work in the queue, until it is killed."""
    command = [sys.executable, "-m", "tests.faults.busy_queue", str(folder), str(numbers), seed]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        assert process.poll() is None, "it ended by itself"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def seen(queue: StillQueue) -> tuple[QueueStats, int, int, int | None]:
    """What it holds by its counts, what of it can be listed, and who has it."""
    stats = queue.get_stats()
    listed = queue.peek(1 << 30)
    assert all(item.source == "test" for item in listed)
    return stats, len(listed), len(queue.get_dead_letter_items()), queue.log.holder


def test_every_look_is_a_state_that_was(tmp_path: Path, seed: int, scale: int) -> None:
    """It adds up, is not older than what was done before one looked, not newer than what was begun by then, and never goes back.

    A kill may cut a block that was being written: the next process counts its items, and finds out that they are lost.
    """
    folder, numbers, before, looks = tmp_path / "queue", tmp_path / "numbers", None, 0
    for round_ in range(3 * scale):
        with at_work(folder, numbers, f"{seed} {round_}") as process:
            until = time.monotonic() + LOOKING_S
            while time.monotonic() < until:
                _, enqueued, _, acked = COUNTS.unpack(numbers.read_bytes())
                stats, waiting, letters, holder = look(folder, seen)
                most_enqueued, _, most_acked, _ = COUNTS.unpack(numbers.read_bytes())
                looks += 1
                assert_adds_up(stats)
                assert holder == process
                assert round_ or stats.total_lost == 0
                assert enqueued <= stats.total_enqueued <= most_enqueued
                assert acked <= stats.total_processed <= most_acked
                assert waiting <= stats.current_size - stats.leased
                assert round_ or waiting == stats.current_size - stats.leased
                assert letters <= stats.dead_letters
                assert round_ or letters == stats.dead_letters
                assert before is None or all(getattr(before, name) <= getattr(stats, name) for name in NEVER_LESS), f"seed {seed}"
                before = stats
        assert is_queue(folder)
        stats, *_, holder = look(folder, seen)
        assert_adds_up(stats)
        assert (stats.leased, holder) == (0, None)
    assert looks > 10 * scale
    assert before is not None
    assert min(getattr(before, name) for name in NEVER_LESS) > 0


def assert_adds_up(stats: QueueStats) -> None:
    """Every item is somewhere."""
    gone = stats.total_processed + stats.total_failed + stats.total_dropped + stats.total_lost
    assert stats.total_enqueued + stats.total_retried == gone + stats.current_size
    assert stats.total_dropped == 0
