"""A process that uses an ingestion queue until it is killed: `python -m tests.faults.ingestion_process FOLDER DIARY SEED MODE`.

What it has been told goes into the diary, a line at a time: `e ID` when an item is enqueued, `k KEY=ID` when it is under a key, `d ID` when
it is delivered, `a ID` when its ack has returned, `c ID` when it is cleared as a dead letter. It says `open` when the queue is. With the
mode `drain` it enqueues nothing, and ends when nothing waits.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
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

    settings = QueueSettings(persist_to_disk=True, persist_path=folder, retry_delay_sec=0.0, dedup_window_sec=3_600.0)
    with IngestionQueue(settings) as queue:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        if mode != "drain":
            for work in (produce, tidy):
                threading.Thread(target=work, args=(queue, Random(seed + "p"), write), daemon=True).start()
        while items := queue.lease(random.randint(1, 40), wait_sec=5.0 if mode != "drain" else 0.0):
            write("d", [item.id for item in items])
            write("a", process(queue, items, random))


def produce(queue: IngestionQueue, random: Random, write: Callable[[str, Iterable[str]], None]) -> None:
    """Put items in, one by one and in batches."""
    while True:
        data = random.choice(["well", "well", "well", "nack"])
        priority = random.choice(list(QueuePriority))
        way = random.random()
        if way < 0.5:
            write("e", queue.enqueue_batch([("s", data)] * random.randint(1, 30), priority))
        elif way < 0.75:
            key = f"k{random.randint(0, 200)}"
            write("k", [f"{key}={queue.enqueue('s', data, priority, key=key)}"])
        else:
            write("e", [queue.enqueue("s", data, priority)])


def tidy(queue: IngestionQueue, random: Random, write: Callable[[str, Iterable[str]], None]) -> None:
    """Try dead letters again, or clear them."""
    while True:
        time.sleep(0.002)
        for letter in queue.get_dead_letter_items(10):
            if letter.data == POISON or random.random() < 0.5:
                continue
            if random.random() < 0.5:
                queue.retry_dead_letter(letter.id)
            else:
                queue.clear_dead_letter([letter.id])
                write("c", [letter.id])


def process(queue: IngestionQueue, items: list[QueueItem], random: Random) -> list[str]:
    """Some fail, one kills, some are given back; the ids of those that are acked."""
    if any(item.data == POISON for item in items):
        os.kill(os.getpid(), signal.SIGKILL)
    queue.give_back(back := random.sample(items, len(items) // 8))
    items = [item for item in items if item not in back]
    failed = [item for item in items if item.data == "nack"]
    queue.ack(done := [item for item in items if item.data != "nack"])
    if failed:
        (queue.nack if random.random() < 0.8 else queue.reject)(failed, "said so")
    return [item.id for item in done]


if __name__ == "__main__":
    main(*sys.argv[1:])
