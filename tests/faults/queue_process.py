"""A process that appends, reads and releases until it is killed: `python -m tests.faults.queue_process FOLDER FIRST SEED`.

It says `appended PRODUCER NUMBER OFFSET` when an append has been answered whose last entry they are, and `released OFFSET` before it
releases what lies before it in lane 0.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from random import Random

from penstock.queue.durable.disklog import DiskLog
from penstock.queue.log import LogSettings

PRODUCERS = 4
SETTINGS = LogSettings(lanes=2, min_free_bytes=0, segment_bytes=20_000)


def say(*words: object) -> None:
    """In one piece, whoever else speaks."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def produce(log: DiskLog, producer: int, number: int, random: Random) -> None:
    """Append for ever."""
    while True:
        count = random.choice((1, 1, 3, 40))
        bodies = [b"%d %d %s" % (producer, one, random.randbytes(random.choice((0, 150)))) for one in range(number, number + count)]
        place = log.append(producer % 2, bodies).result()
        number += count
        say("appended", producer, number - 1, place.offset + count - 1)


def consume(log: DiskLog, random: Random) -> None:
    """Read lane 0 for ever, and release some of it."""
    place = log.register("reader")[0]
    arrived = threading.Event()
    log.listen(arrived.set)
    while True:
        arrived.clear()
        if found := log.read(place, 20_000):
            place = found[-1].end
            if random.random() < 0.3:
                say("released", place.offset)
                log.release("reader", [place])
        else:
            arrived.wait(1.0)


if __name__ == "__main__":
    folder, first, seed = sys.argv[1:]
    log = DiskLog(Path(folder), SETTINGS)
    say("open")
    for producer in range(PRODUCERS):
        threading.Thread(target=produce, args=(log, producer, int(first), Random(f"{seed} {producer}")), daemon=True).start()
    consume(log, Random(seed))
