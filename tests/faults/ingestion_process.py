"""A process that uses an ingestion queue until it is killed: `python -m tests.faults.ingestion_process FOLDER DIARY SEED MODE`.

What it has been told goes into the diary, a line at a time: `e ID` when an item is enqueued, `d ID` when it is delivered, `a ID` when its
ack has returned. It says `open` when the queue is. With the mode `drain` it enqueues nothing, and ends when nothing waits.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from random import Random

from penstock.queue.ingestion import IngestionQueue, QueueItem, QueuePriority, QueueSettings

POISON = "poison"


def main(folder: str, diary: str, seed: str, mode: str) -> None:
    """Use it."""
    random = Random(seed)
    pages = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(what: str, ids: Iterable[str]) -> None:
        os.write(pages, "".join(f"{what} {item_id}\n" for item_id in ids).encode())

    settings = QueueSettings(persist_to_disk=True, persist_path=folder, retry_delay_sec=0.0)
    with IngestionQueue(settings) as queue:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        if mode != "drain":
            threading.Thread(target=produce, args=(queue, Random(seed + "p"), write), daemon=True).start()
        while items := queue.lease(random.randint(1, 40), wait_sec=5.0 if mode != "drain" else 0.0):
            write("d", [item.id for item in items])
            process(queue, items, random)
            write("a", [item.id for item in items if item.data != "nack"])


def produce(queue: IngestionQueue, random: Random, write: Callable[[str, Iterable[str]], None]) -> None:
    """Put items in, one by one and in batches."""
    while True:
        data = random.choice(["well", "well", "well", "nack"])
        priority = random.choice(list(QueuePriority))
        if random.random() < 0.5:
            write("e", queue.enqueue_batch([("s", data)] * random.randint(1, 30), priority))
        else:
            write("e", [queue.enqueue("s", data, priority)])


def process(queue: IngestionQueue, items: list[QueueItem], random: Random) -> None:
    """Some fail, one kills."""
    if any(item.data == POISON for item in items):
        os.kill(os.getpid(), signal.SIGKILL)
    failed = [item for item in items if item.data == "nack"]
    queue.ack([item for item in items if item.data != "nack"])
    if failed:
        (queue.nack if random.random() < 0.8 else queue.reject)(failed, "said so")


if __name__ == "__main__":
    main(*sys.argv[1:])
