"""The ingestion queue against other queues, and against the floor: a file that is appended to.

    .venv/bin/python benchmarks/queues.py [--rounds 5] [--only "append log,sqlite rows"] [--peers FOLDER]

Items are 188 opaque bytes. A cycle enqueues a batch, takes it and settles it; every call returns after a sync of the disk, except with
JetStream, which does not sync before it answers. Each round runs everybody in turn in an empty folder, and a ratio is taken within a round,
of the median cycles. Peers are installed into an environment of their own; `nats-server` has to be on the PATH to be measured
(`apt-get install nats-server`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import environment
import queue_peers
from penstock.queue.ingestion import IngestionQueue, QueueSettings

PACKAGES = ("diskcache==5.6.3", "persist-queue==1.1.0", "litequeue==0.9", "nats-py==2.16.0")
CYCLES = {
    "penstock": {1_000: 40, 100: 150},
    "append log": {1_000: 40, 100: 150},
    "sqlite rows": {1_000: 20, 100: 80},
    "diskcache": {1_000: 4, 100: 20},
    "jetstream": {1_000: 4, 100: 20},
    "persist-queue": {1_000: 1, 100: 3},
    "litequeue": {1_000: 1, 100: 3},
}
"""How many cycles are measured, by batch."""

SINGLES = 256
WAITING = 1_000_000
ITEM = queue_peers.ITEM


class Penstock:
    """Ours."""

    def __init__(self, folder: Path) -> None:
        self._queue = opened(folder)

    def cycle(self, batch: Sequence[bytes]) -> int:
        """One."""
        self._queue.enqueue_batch([("bench", item) for item in batch])
        items = self._queue.lease(len(batch))
        self._queue.ack(items)
        return len(items)


def opened(folder: Path) -> IngestionQueue:
    """A queue on disk."""
    return IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=folder))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(CYCLES), metavar="NAME[,NAME]", help="whom to run beside ours")
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "penstock-bench-queues", help="their environment")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="a folder of the disk to measure")
    given = parser.parse_args()
    names = [name for name in CYCLES if name == "penstock" or name in given.only.split(",")]
    if "jetstream" in names and not shutil.which("nats-server"):
        print("jetstream is left out: nats-server is not on the PATH")
        names.remove("jetstream")
    python = environment.made(given.peers, *PACKAGES) if set(names) - {"penstock", "append log", "sqlite rows"} else Path(sys.executable)
    with folder_in(given.folder) as folder:
        print(f"a sync of 200 bytes takes {median_us(syncs(folder)):,.0f} µs; load average {os.getloadavg()[0]:.1f}")
        cycles(folder, python, names, given.rounds)
        singles(folder)
        waiting(folder)


@contextmanager
def folder_in(parent: Path) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def syncs(folder: Path) -> Iterator[float]:
    """Seconds of an append of 200 bytes and its sync."""
    file = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for _ in range(100):
        started = time.perf_counter()
        os.write(file, ITEM + bytes(12))
        os.fdatasync(file)
        yield time.perf_counter() - started


def median_us(seconds: Iterable[float]) -> float:
    """In microseconds."""
    return statistics.median(seconds) * 1e6


def cycles(folder: Path, python: Path, names: Sequence[str], rounds: int) -> None:
    """Whole cycles of batches, everybody in turn."""
    for batch in (1_000, 100):
        rates: dict[str, list[float]] = {name: [] for name in names if batch in CYCLES[name]}
        for _ in range(rounds):
            for name, found in rates.items():
                found.append(batch / statistics.median(measured(name, folder / "run", batch, python)))
        print(f"\nfull cycles of {batch:,}, items/s, median (least to most)")
        for name, found in rates.items():
            ratios = [ours / theirs for ours, theirs in zip(rates["penstock"], found, strict=True)]
            print(f"  {name:<15}{spread(found, ',.0f'):<35}penstock / it: {spread(ratios, '.2f')}")


def measured(name: str, folder: Path, batch: int, python: Path) -> Sequence[float]:
    """Seconds of each cycle, in a process of its own."""
    cycles = str(CYCLES[name][batch])
    ours = [sys.executable, __file__, "--cycles-of-penstock", str(folder), str(batch), cycles]
    theirs = [str(python), queue_peers.__file__, name, str(folder), str(batch), cycles]
    done = subprocess.run(ours if name == "penstock" else theirs, stdout=subprocess.PIPE, check=True)
    found: Sequence[float] = json.loads(done.stdout)
    return found


def spread(values: Sequence[float], shape: str) -> str:
    """Median (least to most)."""
    return f"{statistics.median(values):{shape}} ({min(values):{shape}} to {max(values):{shape}})"


def singles(folder: Path) -> None:
    """One item a call: one producer, and many that share what they wait for."""
    print("\nsingle items, durable when enqueue returns")
    task = producing(folder / "task", lambda queue: asyncio.run(tasks_at_once(queue, 1, 500)))
    told("one task", task)
    told(f"{SINGLES} tasks", producing(folder / "tasks", lambda queue: asyncio.run(tasks_at_once(queue, SINGLES, 60))), task)
    thread = producing(folder / "thread", lambda queue: threads_at_once(queue, 1, 500))
    told("one thread", thread)
    told(f"{SINGLES} threads", producing(folder / "threads", lambda queue: threads_at_once(queue, SINGLES, 20)), thread)
    bare = sharing(folder / "bare", 1, 500)
    told("bare thread", bare)
    told(f"{SINGLES} bare", sharing(folder / "bare", SINGLES, 20), bare)


def producing(folder: Path, produce: Callable[[IngestionQueue], Sequence[float]]) -> tuple[float, Sequence[float]]:
    """Items a second, and the seconds of each call."""
    with opened(folder) as queue:
        started = time.perf_counter()
        calls = produce(queue)
        return len(calls) / (time.perf_counter() - started), calls


def timed(work: Callable[[], object]) -> float:
    """Its seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


async def tasks_at_once(queue: IngestionQueue, number: int, each: int) -> Sequence[float]:
    """So many tasks, each of which enqueues so many items, one after the other; seconds of each call."""

    async def produce() -> list[float]:
        calls = []
        for _ in range(each):
            started = time.perf_counter()
            await queue.enqueue_async("bench", ITEM)
            calls.append(time.perf_counter() - started)
        return calls

    return [call for calls in await asyncio.gather(*[produce() for _ in range(number)]) for call in calls]


def threads_at_once(queue: IngestionQueue, number: int, each: int) -> Sequence[float]:
    """The same in threads."""
    calls: list[float] = []
    run_threads(number, lambda: calls.extend([timed(lambda: queue.enqueue("bench", ITEM)) for _ in range(each)]))
    return calls


def run_threads(number: int, work: Callable[[], None]) -> None:
    """So many threads, each of which does the work."""
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sharing(path: Path, number: int, each: int) -> tuple[float, Sequence[float]]:
    """The floor for threads: each waits with a lock of its own for one that writes what all of them have handed in, and syncs it."""
    file, arrived = os.open(path, os.O_CREAT | os.O_WRONLY), threading.Condition()
    waiting: list[threading.Lock] = []
    calls: list[float] = []
    os.pwrite(file, bytes(number * each * len(ITEM)), 0)
    os.fsync(file)

    def commit() -> None:
        done = 0
        while done < number * each:
            with arrived:
                arrived.wait_for(lambda: waiting)
                gates = waiting.copy()
                waiting.clear()
            os.pwrite(file, ITEM * len(gates), done * len(ITEM))
            os.fdatasync(file)
            done += len(gates)
            for gate in gates:
                gate.release()

    def hand_in() -> None:
        gate = threading.Lock()
        gate.acquire()
        with arrived:
            waiting.append(gate)
            arrived.notify()
        gate.acquire()

    committer = threading.Thread(target=commit)
    committer.start()
    seconds = timed(lambda: run_threads(number, lambda: calls.extend([timed(hand_in) for _ in range(each)])))
    committer.join()
    os.close(file)
    return len(calls) / seconds, calls


def told(name: str, found: tuple[float, Sequence[float]], alone: tuple[float, Sequence[float]] | None = None) -> None:
    """A line of it."""
    rate, calls = found
    percentiles = statistics.quantiles(calls, n=100)
    beside = f", {rate / alone[0]:.1f} times one" if alone else ""
    print(f"  {name:<15}{rate:>9,.0f} items/s{beside}; a call takes {percentiles[49] * 1e3:.1f} ms, p99 {percentiles[98] * 1e3:.1f} ms")


def waiting(folder: Path) -> None:
    """A million items wait: how long opening takes, and what memory it and handing them out cost."""
    print(f"\n{WAITING:,} items wait")
    with opened(folder / "many") as queue:
        for _ in range(WAITING // 1_000):
            queue.enqueue_batch([("bench", ITEM)] * 1_000)
    for name in ("closed", "killed"):
        found = json.loads(subprocess.check_output([sys.executable, __file__, "--open", str(folder / "many")]))
        print(f"  after it was {name}: opened in {found['seconds']:.2f} s; {found['opened_mb']:.0f} MB more than an empty queue", end="")
        print(f", {found['drained_mb']:.0f} MB more after {found['leased']:,} were leased and acked")


def open_many(folder: str) -> Mapping[str, float]:
    """Measured in a process of its own, which ends without closing the queue."""
    with folder_in(Path(folder).parent) as empty, opened(empty) as queue:
        queue.enqueue("bench", ITEM)
        queue.ack(queue.lease())
    before = held_mb()
    started = time.perf_counter()
    queue = opened(Path(folder))
    seconds, after, leased = time.perf_counter() - started, held_mb(), 0
    for _ in range(300):
        items = queue.lease(1_000)
        queue.ack(items)
        leased += len(items)
    return {"seconds": seconds, "opened_mb": after - before, "drained_mb": held_mb() - before, "leased": leased}


def held_mb() -> float:
    """The memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cycles-of-penstock"]:
        print(json.dumps(queue_peers.measured(queue_peers.cycling(Penstock), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    elif sys.argv[1:2] == ["--open"]:
        print(json.dumps(open_many(sys.argv[2])), flush=True)
        os._exit(0)
    else:
        main()
