"""The pages of the ingestion queue say what it is."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest

from penstock.queue.durable.disklog import DiskLog
from penstock.queue.ingestion import IngestionQueue, QueueItem, QueuePriority, QueueSettings, QueueStats

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference/queue.md").read_text()


def test_the_program_of_the_page_runs(tmp_path: Path) -> None:
    """Everything that it enqueues is processed."""
    (program,) = re.findall(r"```python\n(.*?)```", REFERENCE, re.DOTALL)
    ending = "import time\nwhile queue.get_stats().total_processed < 1_001:\n    time.sleep(0.01)\nqueue.close()\n"

    done = subprocess.run([sys.executable, "-c", program + ending], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("files {'row': ") == 1_000
    assert done.stdout.count("jetdrive {'rpm': 3500, 'hp': 85}") == 1


def test_every_setting_and_method_is_on_the_page() -> None:
    """With its default, where it has one."""
    settings = QueueSettings()
    for name in (field.name for field in fields(QueueSettings)):
        assert f"`{name}`" in REFERENCE, name
    for number in (settings.batch_size, settings.flush_interval_sec, settings.block_timeout_sec, settings.lease_timeout_sec):
        assert f"| {number} |" in REFERENCE
    methods = {name.removesuffix("_async") for name in vars(IngestionQueue) if not name.startswith("_")} - {"settings"}
    assert [name for name in methods if f"`{name}" not in REFERENCE] == []
    assert [field.name for field in fields(QueueStats) if f"`{field.name}`" not in REFERENCE] == []
    assert [name for name in ("id", "priority", *QueueItem.__struct_fields__[:4]) if f"`{name}`" not in REFERENCE] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A queue that was used."""
    with IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=tmp_path, dedup_window_sec=60.0)) as queue:
        queue.enqueue("a", 1, QueuePriority.HIGH)
        queue.enqueue("a", 2, QueuePriority.HIGH, key="k")
        items = queue.lease()
        queue.ack(items[:1])
        queue.reject(items[1:], "bad")
        queue.enqueue("b", 3)
        queue.give_back(queue.lease())
    return tmp_path


def test_entries_are_what_the_format_page_says(folder: Path) -> None:
    """Read with nothing but MessagePack: items, a dead letter, and each record of the journal."""
    log = DiskLog(folder)
    entries = {
        lane: [msgspec.msgpack.decode(body) for stretch in log.read(kept.first, 1 << 20) for body in stretch.bodies]
        for lane, kept in enumerate(log.kept())
    }
    epoch = log.at(1, 1).epoch.hex()
    log.close()

    assert entries[1] == [["a", 1], ["a", 2, "k"]]
    (letter,) = entries[5]
    lane, offset, _, item_id, priority, attempts, _, due, error = letter[3]
    assert (letter[:3], lane, offset, item_id) == (["a", 2, None], 1, 1, f"1-{epoch}-1")
    assert (priority, attempts, due, error) == (1, 1, 0, "bad")
    journal = [record[0] for record in entries[7]]
    assert (journal[0], journal[-1]) == ("state", "state")
    assert {"leased", "settled", "returned"} <= set(journal)
    (acked,) = (record for record in entries[7] if record[:2] == ["settled", 0])
    assert acked[2] == [[1, 0, 1]]
    state = entries[7][-1]
    assert [len(state), len(state[1]), state[3]] == [8, 7, [1, 0, 1, 0, 0, 0, 0]]
    assert state[1][1] == [2, [[0, 2]], []]
    assert state[7][0][0] == "k"
