"""Sources and sinks of pipeline files: the same orders in each source, and how to read back what is in each sink."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.pipelines import ends
from tests.faults.campaign import PENSTOCK, RUN_AGAIN

ORDERS = 8_000
PADDING = "x" * 500
"""Makes orders long enough for several batches of every source."""

Order = tuple[int, str]

LEFT_OUT = 13
"""The order that a filter leaves out."""

WANTED = [(number, f"order {number}") for number in range(ORDERS) if number != LEFT_OUT]

STAGES = f"""
[[stages]]
python = "tests.faults.slow.slowly"
[[stages]]
filter = "id != {LEFT_OUT}"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test keeps its files, and its database."""

    folder: Path
    url: str

    def make(self, source: str) -> str:
        """Put the orders where a source of this kind finds them; its settings."""
        return {"jsonl": self._jsonl, "csv": self._csv, "parquet": self._parquet, "sqlite": self._sqlite, "postgres": self._postgres}[
            source
        ]()

    def settings(self, sink: str) -> str:
        """The settings of a sink of this kind."""
        return {
            "jsonl": 'path = "out.jsonl"',
            "csv": 'path = "out.csv"',
            "parquet": 'path = "out"\nfile_bytes = 1000000',
            "sqlite": 'path = "out.db"\ntable = "out"',
            "postgres": 'table = "out"\nurl = "${MATRIX_URL}"',
        }[sink]

    def found(self, sink: str) -> list[Order]:
        """What a reader of a sink of this kind finds, in order."""
        readers: dict[str, Callable[[], Sequence[Any]]] = {
            "jsonl": lambda: [json.loads(line) for line in (self.folder / "out.jsonl").read_text().splitlines()],
            "csv": lambda: list(csv.DictReader((self.folder / "out.csv").read_text().splitlines())),
            "parquet": lambda: pq.read_table(self.folder / "out").to_pylist(),
            "sqlite": lambda: self._rows("out.db"),
            "postgres": lambda: asyncio.run(_fetched(self.url)),
        }
        return sorted((int(row["id"]), row["name"]) for row in readers[sink]())

    def _jsonl(self) -> str:
        (self.folder / "in.jsonl").write_text("".join(f"{json.dumps(order)}\n" for order in _orders()))
        return 'path = "in.jsonl"'

    def _csv(self) -> str:
        with (self.folder / "in.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "name", "padding"])
            writer.writeheader()
            writer.writerows(_orders())
        return 'path = "in.csv"'

    def _parquet(self) -> str:
        pq.write_table(pa.Table.from_pylist(_orders()), self.folder / "in.parquet", row_group_size=1_000)
        return 'path = "in.parquet"'

    def _sqlite(self) -> str:
        with sqlite3.connect(self.folder / "in.db") as connection:
            connection.execute("create table orders (id integer primary key, name text, padding text)")
            connection.executemany("insert into orders values (:id, :name, :padding)", _orders())
        connection.close()
        return 'path = "in.db"\ntable = "orders"'

    def _postgres(self) -> str:
        asyncio.run(_fill(self.url))
        return 'table = "orders"\nurl = "${MATRIX_URL}"'

    def _rows(self, name: str) -> list[sqlite3.Row]:
        connection = sqlite3.connect(self.folder / name)
        connection.row_factory = sqlite3.Row
        rows = connection.execute("select id, name from out").fetchall()
        connection.close()
        return rows


@dataclass
class Pair:
    """A pipeline from one kind to another, killed at moments drawn from `seed`."""

    place: Place
    source: str
    sink: str
    mode: str
    seed: int
    kills: int = field(default=0, init=False)

    def carried(self, most_kills: int) -> dict[str, Any]:
        """Run until a run gets through, with up to `most_kills` kills on the way; its result."""
        drawn = random.Random(f"{self.seed} {self.source} {self.sink} {self.mode}")
        file = self.place.folder / "matrix.toml"
        ends_said = f'[source]\ntype = "{self.source}"\n{self.place.make(self.source)}\n{STAGES}\n'
        file.write_text(f'mode = "{self.mode}"\n{ends_said}[sink]\ntype = "{self.sink}"\n{self.place.settings(self.sink)}\n')
        while True:
            run = self._start(file)
            if self.kills < most_kills and not _ends_within(run, drawn.uniform(0.7, 2.2)):
                os.kill(run.pid, signal.SIGKILL)
                self.kills += 1
            out, err = run.communicate(timeout=120)
            if run.returncode == 0:
                result: dict[str, Any] = json.loads(out)
                return result
            assert run.returncode in RUN_AGAIN - {1}, f"seed {self.seed}: exit {run.returncode}\n{err}"

    def _start(self, file: Path) -> subprocess.Popen[str]:
        environment = os.environ | {"PENSTOCK_HOME": str(self.place.folder / "home"), "MATRIX_URL": self.place.url}
        command = [*PENSTOCK, "run", str(file), "--json", "--progress", "log", "--port", "0"]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def pairs() -> list[tuple[str, str, str]]:
    """Source, sink and mode of every pipeline that can be made of the ends that are there."""
    sinks = [(name, mode) for name in ("jsonl", "csv", "parquet", "sqlite", "postgres") for mode in ends.sink(name).modes]
    sources = ("jsonl", "csv", "parquet", "sqlite", "postgres")
    return [(source, sink, "upsert(id)" if mode == "upsert" else mode) for sink, mode in sorted(sinks) for source in sources]


def _ends_within(run: subprocess.Popen[str], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if run.poll() is not None:
            return True
        time.sleep(0.01)
    return False


def _orders() -> list[dict[str, Any]]:
    return [{"id": number, "name": f"order {number}", "padding": PADDING} for number in range(ORDERS)]


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create table orders (id bigint primary key, name text, padding text)")
        records = [tuple(order.values()) for order in _orders()]
        await connection.copy_records_to_table("orders", records=records)
    finally:
        await connection.close()


async def _fetched(url: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch("select id, name from out"))
    finally:
        await connection.close()
