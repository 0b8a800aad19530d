"""A process that never lets a queue rest: `python -m tests.faults.busy_queue FOLDER NUMBERS SEED`. It counts in the file NUMBERS."""

from __future__ import annotations

import mmap
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from penstock.queue.ingestion import IngestionQueue, QueuePriority, QueueSettings, store

COUNTS = struct.Struct("<4Q")
"""Items to be enqueued, and those that were; items to be acked, and those that were."""

BEGUN_AGAIN_EVERY = 40
"""The journal begins anew, and files are removed, after so many records."""


@dataclass
class Told:
    """Numbers in a file that another process reads at any moment."""

    path: Path
    values: list[int] = field(default_factory=lambda: [0] * 4)

    def __post_init__(self) -> None:
        if not self.path.exists():
            self.path.write_bytes(bytes(COUNTS.size))
        self.file = self.path.open("r+b")
        self.map = mmap.mmap(self.file.fileno(), COUNTS.size)
        self.values = list(COUNTS.unpack(self.map[:]))

    def add(self, which: int, number: int) -> None:
        """So many more."""
        self.values[which] += number
        self.map[8 * which : 8 * which + 8] = self.values[which].to_bytes(8, "little")


def busy(queue: IngestionQueue, told: Told, random: Random) -> None:
    """Enqueue some, and do with some others whatever can be done."""
    batch = [("test", bytes(random.randrange(2_000))) for _ in range(random.randint(1, 20))]
    told.add(0, len(batch))
    queue.enqueue_batch(batch, random.choice(list(QueuePriority)))
    told.add(1, len(batch))
    items = queue.lease(random.randint(1, 30))
    random.shuffle(items)
    queue.nack(items[:1], "try again", delay_sec=0)
    queue.reject(items[1:2], "no good")
    queue.give_back(items[2:3])
    told.add(2, len(items[3:]))
    queue.ack(items[3:])
    told.add(3, len(items[3:]))
    letters = queue.get_dead_letter_items(1_000)
    if len(letters) > random.randrange(40):
        queue.retry_dead_letter(random.choice(letters).id)
        queue.clear_dead_letter([letter.id for letter in letters[20:]])


def main() -> None:
    """Go on until somebody ends it."""
    store.RECORDS = BEGUN_AGAIN_EVERY
    folder, numbers, random = Path(sys.argv[1]), Told(Path(sys.argv[2])), Random(sys.argv[3])
    with IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=folder, max_bytes=4 << 20, max_attempts=5)) as queue:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            busy(queue, numbers, random)


if __name__ == "__main__":
    main()
