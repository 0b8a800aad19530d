"""A client that is killed: what it has counted as processed is in the queue."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from penstock.queue.ingestion import IngestionQueue, QueueSettings


def test_what_is_counted_as_processed_outlives_the_process(tmp_path: Path, seed: int, scale: int) -> None:
    """Killed at any moment and started again: every sample up to the last count is in the queue once, and those behind it in order."""
    draw, settings, first = random.Random(seed), QueueSettings(persist_to_disk=True, persist_path=tmp_path / "queue"), 0
    for _ in range(3 * scale):
        command = [sys.executable, "-m", "tests.faults.counting", str(settings.persist_path), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            wanted, counted = draw.randrange(1, 3_000), 0
            while counted < wanted:
                counted = int(client.stdout.readline())
            client.kill()
            counted = max([counted, *(int(line) for line in client.stdout.read().splitlines()[:-1])])
        found = _values(settings)
        assert found == [*range(first, first + len(found))]
        assert len(found) >= counted
        first += len(found)


def _values(settings: QueueSettings) -> list[int]:
    """What is in the queue, which is empty afterwards."""
    with IngestionQueue(settings) as queue:
        found = list[int]()
        while items := queue.lease(1_000):
            found += [int(item.data["value"]) for item in items]
            queue.ack(items)
        assert {gap.cause for gap in queue.gaps()} <= {"reader failed"}
        return found
