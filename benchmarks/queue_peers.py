"""Other queues, each doing one full cycle as well as it can: enqueue a batch, take it, and settle it, fsynced before each call returns.

    python queue_peers.py NAME FOLDER BATCH CYCLES

Prints the seconds of each cycle as a JSON array. It imports nothing of penstock, so that it runs in an environment of the
peers.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

ITEM = bytes(range(188))
HEAD = struct.Struct("<II")
NATS_PORT = 14_222

Peer: TypeAlias = Callable[[Path, list[bytes], int], list[float]]
"""Runs so many cycles with a batch in a folder; seconds of each."""


class AppendLog:
    """The floor: a file of records with a CRC each, synced; read back and checked; a record of what was processed, synced."""

    def __init__(self, folder: Path) -> None:
        self._items = os.open(folder / "items", os.O_CREAT | os.O_RDWR | os.O_APPEND)
        self._acks = os.open(folder / "acks", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._at = 0

    def cycle(self, batch: list[bytes]) -> int:
        """One."""
        os.write(self._items, b"".join([HEAD.pack(len(item), zlib.crc32(item)) + item for item in batch]))
        os.fdatasync(self._items)
        content = os.pread(self._items, sum(HEAD.size + len(item) for item in batch), self._at)
        found, at = [], 0
        while at < len(content):
            length, crc = HEAD.unpack_from(content, at)
            item = content[at + HEAD.size : at + HEAD.size + length]
            assert zlib.crc32(item) == crc
            found.append(item)
            at += HEAD.size + length
        self._at += at
        os.write(self._acks, HEAD.pack(self._at, len(found)))
        os.fdatasync(self._acks)
        return len(found)


class SqliteRows:
    """A row for each item, with its attempts, when it is due, and who has it: WAL, synchronous FULL, three transactions a batch."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "queue.db", isolation_level=None)
        self._db.executescript(
            "pragma journal_mode = wal; pragma synchronous = full;"
            "create table items (id integer primary key, priority integer not null, source text not null, data blob not null,"
            " attempts integer not null default 0, due real not null default 0, token integer);"
            "create index next on items (priority, id)"
        )
        self._token = 0

    def cycle(self, batch: list[bytes]) -> int:
        """One. What is leased is due again when its lease runs out."""
        rows = [("bench", item) for item in batch]
        self._transaction(lambda: self._db.executemany("insert into items (priority, source, data) values (2, ?, ?)", rows))
        self._token += 1
        now = time.time()
        take = (
            "update items set token = ?, due = ?, attempts = attempts + 1 where id in"
            " (select id from items where due <= ? order by priority, id limit ?) returning id, source, data"
        )
        found = self._transaction(lambda: self._db.execute(take, (self._token, now + 60, now, len(batch))).fetchall())
        done = [(one, self._token) for one, _, _ in found]
        self._transaction(lambda: self._db.executemany("delete from items where id = ? and token = ?", done))
        return len(found)

    def _transaction(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the work answers
        self._db.execute("begin immediate")
        answer = work()
        self._db.execute("commit")
        return answer


class DiskcacheDeque:
    """`diskcache.Deque` in a transaction for each batch; it has neither leases nor acks."""

    def __init__(self, folder: Path) -> None:
        import diskcache  # noqa: PLC0415 - in the environment of the peers

        self._deque = diskcache.Deque.fromcache(diskcache.Cache(str(folder), eviction_policy="none", sqlite_synchronous=2))

    def cycle(self, batch: list[bytes]) -> int:
        """One."""
        with self._deque.transact():
            self._deque.extend(batch)
        with self._deque.transact():
            return len([self._deque.popleft() for _ in batch])


class PersistQueue:
    """`persistqueue.SQLiteAckQueue`: no batches."""

    def __init__(self, folder: Path) -> None:
        import persistqueue  # noqa: PLC0415 - in the environment of the peers

        self._queue = persistqueue.SQLiteAckQueue(str(folder), auto_commit=True)

    def cycle(self, batch: list[bytes]) -> int:
        """One."""
        for item in batch:
            self._queue.put(item)
        for _ in batch:
            self._queue.ack(self._queue.get(block=False))
        return len(batch)


class Litequeue:
    """`litequeue.LiteQueue` with synchronous FULL: batches when putting, none when taking."""

    def __init__(self, folder: Path) -> None:
        import litequeue  # noqa: PLC0415 - in the environment of the peers

        self._queue = litequeue.LiteQueue(str(folder / "queue.db"))
        self._queue.conn.execute("pragma synchronous = full")

    def cycle(self, batch: list[bytes]) -> int:
        """One."""
        with self._queue.transaction():
            for item in batch:
                self._queue.put(item.hex())
        for _ in batch:
            self._queue.done(self._queue.pop().message_id)
        return len(batch)


def jetstream(folder: Path, batch: list[bytes], cycles: int) -> list[float]:
    """A JetStream work queue on files, through nats-py. Its server syncs every two minutes, not before it answers."""
    command = [shutil.which("nats-server") or "nats-server", "-js", "-sd", str(folder), "-a", "127.0.0.1", "-p", str(NATS_PORT)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return asyncio.run(_jetstream(batch, cycles))
    finally:
        server.terminate()
        server.wait()


async def _jetstream(batch: list[bytes], cycles: int) -> list[float]:
    import nats  # noqa: PLC0415 - in the environment of the peers

    link = await nats.connect(f"nats://127.0.0.1:{NATS_PORT}", max_reconnect_attempts=50, reconnect_time_wait=0.1)
    stream = link.jetstream()
    await stream.add_stream(name="queue", subjects=["queue"], retention="workqueue")
    takes = await stream.pull_subscribe("queue", durable="worker")

    async def cycle() -> None:
        await asyncio.gather(*[stream.publish("queue", item) for item in batch])
        taken = 0
        while taken < len(batch):
            found = await takes.fetch(len(batch) - taken, timeout=10)
            await asyncio.gather(*[one.ack_sync() for one in found])
            taken += len(found)

    seconds = [await _timed(cycle) for _ in range(cycles)]
    await link.close()
    return seconds


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def cycling(kind: Callable[[Path], Any]) -> Peer:
    """A queue with a method for one cycle."""

    def run(folder: Path, batch: list[bytes], cycles: int) -> list[float]:
        queue, seconds = kind(folder), []
        for _ in range(cycles):
            started = time.perf_counter()
            assert queue.cycle(batch) == len(batch)
            seconds.append(time.perf_counter() - started)
        return seconds

    return run


PEERS: dict[str, Peer] = {
    "append log": cycling(AppendLog),
    "sqlite rows": cycling(SqliteRows),
    "diskcache": cycling(DiskcacheDeque),
    "persist-queue": cycling(PersistQueue),
    "litequeue": cycling(Litequeue),
    "jetstream": jetstream,
}


def measured(peer: Peer, folder: Path, batch: int, cycles: int) -> list[float]:
    """Seconds of each cycle, after one that warms up."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return peer(folder, [ITEM] * batch, cycles + 1)[1:]


def main(name: str, folder: str, batch: str, cycles: str) -> None:
    """Measure one and print it."""
    print(json.dumps(measured(PEERS[name], Path(folder), int(batch), int(cycles))))


if __name__ == "__main__":
    main(*sys.argv[1:])
