"""A process that uses an ingestion queue is killed at any moment, and by one of its own items."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

from penstock.queue.ingestion import IngestionQueue, QueueSettings
from tests.faults.ingestion_process import POISON

KILLS = 4


def test_kills(tmp_path: Path, seed: int, scale: int) -> None:
    """What was enqueued is delivered, what was acked or cleared is not delivered again, and the item that kills becomes a dead letter."""
    random = Random(seed)
    folder, diary = tmp_path / "queue", tmp_path / "diary"
    settings = QueueSettings(persist_to_disk=True, persist_path=folder)
    with IngestionQueue(settings) as queue:
        queue.enqueue_batch([("s", "well")] * 1_000)
        poison = queue.enqueue("s", POISON)

    for number in range(KILLS * scale):
        with started(folder, diary, f"{seed}.{number}", "use") as child:
            assert child.stdout
            child.stdout.readline()
            time.sleep(random.uniform(0.0, 0.4))
            child.kill()
    for number in range(20):
        with started(folder, diary, f"{seed}.d{number}", "drain") as child:
            if child.wait() == 0:
                break

    with IngestionQueue(settings) as queue:
        letters = {letter.id: letter.data for letter in queue.get_dead_letter_items(1_000_000)}
        stats = queue.get_stats()
    enqueued, acked, delivered, cleared = set[str](), set[str](), set[str](), set[str]()
    by_key = dict[str, str]()
    for line in diary.read_text().splitlines():
        what, item_id = line.split()
        if what == "k":
            what, (key, item_id) = "e", item_id.split("=")
            assert by_key.setdefault(key, item_id) == item_id, "enqueued twice under a key"
        assert not (what == "d" and item_id in acked), "delivered after its ack had returned"
        assert not (what == "d" and item_id in cleared), "delivered after it was cleared"
        {"e": enqueued, "a": acked, "d": delivered, "c": cleared}[what].add(item_id)
    assert enqueued <= delivered
    assert letters[poison] == POISON
    assert stats.current_size == 0
    assert not cleared & letters.keys()
    assert stats.total_enqueued + stats.total_retried == stats.total_processed + stats.total_failed
    assert stats.total_processed >= len(acked) > 900


def started(folder: Path, diary: Path, seed: str, mode: str) -> subprocess.Popen[bytes]:
    """The process."""
    command = [sys.executable, "-m", "tests.faults.ingestion_process", str(folder), str(diary), seed, mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE)
