r"""A file of JSON lines into a PostgreSQL table, against dlt at its documented settings, interleaved.

    .venv/bin/python benchmarks/jsonl_postgres.py [--rows 1000000] [--rounds 3]

Each round runs, one after the other and from process start to the end of the process:

* `penstock`: `penstock run` with the file below, to the printed evidence;
* `dlt, parquet`: Arrow tables through Parquet files and ADBC, four load workers, files of about 250,000 rows;
* `dlt, csv`: the same through CSV and COPY;
* `dlt, default`: dictionaries through `insert into ... values`, as dlt comes.

dlt lives in an environment of its own, made in `--dlt` when it is first needed, and is not part of this project's requirements. What each
variant has written is counted. Ratios are of rows a second, paired within a round. dlt appends without positions: killed, it loads twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import msgspec

import dlt_environment
from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings

DLT = ("postgres,parquet", "adbc-driver-postgresql", "pyarrow", "msgspec")
FORMATS = {"dlt, parquet": "parquet", "dlt, csv": "csv", "dlt, default": "insert_values"}
TUNED = {"LOAD__WORKERS": "4", "DATA_WRITER__FILE_MAX_ITEMS": "250000"}
PIPELINE = """
    [source]
    type = "jsonl"
    path = "{path}"
    [sink]
    type = "postgres"
    url = "{url}"
    table = "orders"
    """


@dataclass
class Bench:
    """A server, a file, the interpreter of dlt, and rows/s by variant."""

    url: str
    folder: Path
    dlt: Path
    rows: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    peak_mb: float = 0.0

    @property
    def file(self) -> Path:
        """What is loaded."""
        return self.folder / "orders.jsonl"

    def write(self) -> None:
        """Eight columns, about 190 bytes a row."""
        drawn, encoder = random.Random(1), msgspec.json.Encoder()  # noqa: S311 - the same rows each time
        with self.file.open("wb") as file:
            for number in range(self.rows):
                row = {
                    "id": number,
                    "occurred_at": f"2026-11-{number % 28 + 1:02}T10:{number % 60:02}:{number % 59:02}.123Z",
                    "type": drawn.choice(("click", "view", "buy")),
                    "name": f"n{drawn.randrange(10**6):06}",
                    "session_id": drawn.randbytes(16).hex(),
                    "user_id": drawn.randrange(10**6),
                    "amount": round(drawn.random() * 100, 2),
                    "paid": number % 3 == 0,
                }
                file.write(encoder.encode(row) + b"\n")

    def penstock(self) -> None:
        """Ours."""
        home = self._fresh()
        (home / "load.toml").write_text(PIPELINE.format(url=self.url, path=self.file))
        command = [sys.executable, "-m", "penstock", "run", str(home / "load.toml"), "--progress", "log", "--port", "0"]
        self._timed("penstock", command, os.environ | {"PENSTOCK_HOME": str(home / "home")}, "orders")
        self.peak_mb = self.peak_mb or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024

    def peer(self, name: str) -> None:
        """One of dlt's."""
        home = self._fresh()
        script = str(Path(__file__).with_name("dlt_jsonl.py"))
        environment = dlt_environment.environ(home / "data", **TUNED)
        command = [str(self.dlt), script, self.url, FORMATS[name], str(self.file), str(home / "state")]
        self._timed(name, command, environment, "bench.orders")

    def _fresh(self) -> Path:
        home = self.folder / "run"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        asyncio.run(emptied(self.url))
        return home

    def _timed(self, name: str, command: list[str], environment: dict[str, str], table: str) -> None:
        started = time.monotonic()
        ended = subprocess.run(command, cwd=self.folder / "run", env=environment, check=False, capture_output=True)
        seconds = time.monotonic() - started
        if ended.returncode:
            raise SystemExit(f"{name} failed: {ended.stderr.decode()[-2000:]}")
        found = asyncio.run(counted(self.url, table))
        if found != self.rows:
            raise SystemExit(f"{name} wrote {found:,} of {self.rows:,} rows")
        self.rates.setdefault(name, []).append(self.rows / seconds)
        print(f"{name:14} {self.rows / seconds:>10,.0f} rows/s", flush=True)

    def report(self) -> None:
        """Medians with the least and the most."""
        for name, rates in self.rates.items():
            print(f"{name:14} {statistics.median(rates):>10,.0f} rows/s ({min(rates):,.0f} to {max(rates):,.0f})")
        for name in self.rates.keys() - {"penstock"}:
            ratios = [ours / theirs for ours, theirs in zip(self.rates["penstock"], self.rates[name], strict=True)]
            print(f"penstock / {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        print(f"load average {os.getloadavg()[0]:.1f}; penstock's process took {self.peak_mb:,.0f} MB at most")


async def emptied(url: str) -> None:
    """A database as new."""
    connection = await asyncpg.connect(url)
    for schema in ("bench", "bench_staging", "penstock"):
        await connection.execute(f"drop schema if exists {schema} cascade")
    await connection.execute("drop table if exists orders")
    await connection.close()


async def counted(url: str, table: str) -> int:
    """Rows in a table."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(f"select count(*) from {table}"))
    finally:
        await connection.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--dlt", type=Path, default=Path(tempfile.gettempdir()) / "penstock-bench-dlt-load", help="where its environment is"
    )
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedServer(EmbeddedSettings(folder / "server")) as server:
            bench = Bench(server.url, folder, dlt_environment.made(options.dlt, *DLT), options.rows)
            bench.write()
            for _ in range(options.rounds):
                bench.penstock()
                for name in FORMATS:
                    bench.peer(name)
            bench.report()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
