r"""Pipelines against dlt at its documented settings, on the same data, interleaved.

    .venv/bin/python benchmarks/pipelines.py [--rows 1000000] [--rounds 3]

Each round runs, one after the other, from process start to the last file closed, a PostgreSQL table into Parquet files:

* `penstock`: `penstock run` with the file below, to the printed evidence;
* `dlt, default`: `sql_table` as it comes (backend sqlalchemy);
* `dlt, pyarrow`, `dlt, connectorx`: the backends its documentation names for speed, with chunks of 100,000 rows.

dlt lives in an environment of its own, made in `--dlt` when it is first needed, and is not part of this project's requirements. What each
variant has written is counted. Ratios are of rows a second, paired within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pyarrow.parquet as pq

import dlt_environment
from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings

DLT = ("sql_database,parquet", "psycopg2-binary", "connectorx", "pyarrow", "sqlalchemy")
BACKENDS = {"dlt, default": "sqlalchemy", "dlt, pyarrow": "pyarrow", "dlt, connectorx": "connectorx"}
TABLE = """
    create table orders as
    select g::bigint as id, md5(g::text)::uuid as customer, 'customer ' || g % 1000 as name, (g % 100000 / 100.0)::numeric(10,2) as price,
        timestamptz '2026-01-01' + g * interval '1 second' as placed_at, sin(g) as score,
        case when g % 3 > 0 then 'note ' || md5(g::text) end as note, g % 2 = 0 as paid
    from generate_series(1, {rows}) g"""
PIPELINE = """
    [source]
    type = "postgres"
    url = "{url}"
    table = "orders"
    [sink]
    type = "parquet"
    path = "out"
    compression = "snappy"
    """
"""Packed as dlt packs by default."""


@dataclass
class Bench:
    """A server with a table, a folder for files, the interpreter of dlt, and rows/s by variant."""

    url: str
    folder: Path
    dlt: Path
    rows: int
    rates: dict[str, list[float]] = field(default_factory=dict)

    def penstock(self) -> None:
        """Ours."""
        home = self._fresh("penstock")
        (home / "export.toml").write_text(PIPELINE.format(url=self.url))
        command = [sys.executable, "-m", "penstock", "run", str(home / "export.toml"), "--progress", "log", "--port", "0"]
        self._timed("penstock", command, home, os.environ | {"PENSTOCK_HOME": str(home / "home")})

    def peer(self, name: str) -> None:
        """One of dlt's."""
        home = self._fresh("dlt")
        script = str(Path(__file__).with_name("dlt_postgres_parquet.py"))
        environment = dlt_environment.environ(home / "state")
        self._timed(name, [str(self.dlt), script, self.url, BACKENDS[name], str(home / "out")], home, environment)

    def _fresh(self, name: str) -> Path:
        home = self.folder / name
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        return home

    def _timed(self, name: str, command: list[str], home: Path, environment: dict[str, str]) -> None:
        started = time.monotonic()
        subprocess.run(command, cwd=home, env=environment, check=True, capture_output=True)
        seconds = time.monotonic() - started
        files = [path for path in (home / "out").rglob("*.parquet") if "_dlt" not in path.parent.name]
        found = sum(pq.read_metadata(path).num_rows for path in files)
        if found != self.rows:
            raise SystemExit(f"{name} wrote {found:,} of {self.rows:,} rows")
        self.rates.setdefault(name, []).append(self.rows / seconds)

    def report(self) -> None:
        """Medians with the least and the most."""
        for name, rates in self.rates.items():
            print(f"{name:18} {statistics.median(rates):>12,.0f} rows/s ({min(rates):,.0f} to {max(rates):,.0f})")
        for name in BACKENDS:
            ratios = [ours / theirs for ours, theirs in zip(self.rates["penstock"], self.rates[name], strict=True)]
            print(f"penstock / {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


async def filled(url: str, rows: int) -> None:
    """The table, with its key, looked over by vacuum."""
    connection = await asyncpg.connect(url)
    await connection.execute(TABLE.format(rows=rows))
    await connection.execute("alter table orders add primary key (id)")
    await connection.execute("vacuum analyze orders")
    await connection.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--dlt", type=Path, default=Path(tempfile.gettempdir()) / "penstock-bench-dlt", help="where its environment is made"
    )
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedServer(EmbeddedSettings(folder / "server")) as server:
            asyncio.run(filled(server.url, options.rows))
            bench = Bench(server.url, folder, dlt_environment.made(options.dlt, *DLT), options.rows)
            for _ in range(options.rounds):
                bench.penstock()
                for name in BACKENDS:
                    bench.peer(name)
            bench.report()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
