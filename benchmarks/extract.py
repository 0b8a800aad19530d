r"""The main job against the floor and against 004's way of writing, on the same server, interleaved.

    .venv/bin/python benchmarks/extract.py [--events 3000000] [--rounds 5]

Each round runs, one after the other and each into an empty table of the same shape with a unique id:

* `penstock`: the command as a user calls it, from process start to the printed proof; `fetch to commit` is the part of it up to the last
  row on disk, without process start and proof;
* `copy x1`: one `psql \copy` of the same rows as text, in the order in which the API serves them, from a file in the page cache;
* `copy x4`: four of them at once, a quarter of the rows each;
* `unnest`: penstock with its COPY replaced by `insert ... select from unnest(...) on conflict do nothing`, as document 004 writes.

The simulated API runs on the same two cores beside `penstock` and `unnest`, with its pages compressed beforehand, so that what it takes
from them is sending. Ratios are of rows a second, paired within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from penstock.stores.postgres.embedded.psql import shell_environment
from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings

COLUMNS = "id, occurred_at, type, name, session_id, user_id, event"
TABLE = """
    create table ingested_events (id uuid not null, occurred_at timestamptz not null, type text, name text, session_id text, user_id text,
    event text not null, primary key (id))"""
SHOWN = ("server_version", "shared_buffers", "max_wal_size", "wal_level", "full_page_writes", "data_checksums", "autovacuum")
TICKS = os.sysconf("SC_CLK_TCK")
EXTRACT = ["extract", "--json", "--progress", "log", "--port", "0"]
PENSTOCK = [sys.executable, "-m", "penstock", *EXTRACT]
UNNEST = [sys.executable, str(Path(__file__).with_name("unnest.py")), *EXTRACT]


@dataclass
class Bench:
    """A server, an API, a folder for files, and what was measured: rows/s, µs of processor time an event of client and server, MB."""

    server: EmbeddedServer
    home: Path
    api: dict[str, str]
    events: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    client_us: dict[str, list[float]] = field(default_factory=dict)
    server_us: dict[str, list[float]] = field(default_factory=dict)
    peaks_mb: dict[str, list[float]] = field(default_factory=dict)

    def sql(self, statement: str) -> Any:  # noqa: ANN401 - whatever the statement answers
        """Ask the server."""

        async def ask() -> Any:  # noqa: ANN401
            connection = await asyncpg.connect(self.server.url)
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def extract(self, name: str, command: list[str]) -> None:
        """Run penstock, or a variant of it, and believe nothing but its proof."""
        self.clear()
        with self.measured(name) as children:
            run = subprocess.Popen(command, env=os.environ | self.api | {"DATABASE_URL": self.server.url}, stdout=subprocess.PIPE)
            children.append(run)
            assert run.stdout is not None
            result = json.loads(run.stdout.read())
        assert result["complete"]
        assert result["rows_stored"] == self.events
        self.rates.setdefault(f"{name}, fetch to commit", []).append(self.events / result["seconds"])

    def copy(self, name: str, parts: int) -> None:
        """Run so many psql at once."""
        self.clear()
        self.sql(TABLE)
        with self.measured(name) as children:
            files = [self.home / f"rows-{parts}-{number}.txt" for number in range(parts)]
            children += [self._psql(f"\\copy ingested_events from '{file}'") for file in files]
        assert self.sql("select count(*) from ingested_events") == self.events

    def write_files(self) -> None:
        """The rows as text, in the order of the API, whole and in quarters."""
        quarter = self.events // 4
        for count, sizes in {1: [self.events], 4: [quarter] * 3 + [self.events - 3 * quarter]}.items():
            for number, size in enumerate(sizes):
                file = self.home / f"rows-{count}-{number}.txt"
                window = f"order by occurred_at desc, id desc limit {size} offset {sum(sizes[:number])}"
                assert self._psql(f"\\copy (select {COLUMNS} from ingested_events {window}) to '{file}'").wait() == 0

    def clear(self) -> None:
        """An empty server: no table, no positions, nothing left to be flushed."""
        for schema in ("penstock", "bench", "bench_staging"):
            self.sql(f"drop schema if exists {schema} cascade")
        self.sql("drop table if exists ingested_events")
        self.sql("checkpoint")

    def _psql(self, command: str) -> subprocess.Popen[bytes]:
        program = self.server.installation.program("psql")
        return subprocess.Popen([program, "-qXc", command], env=shell_environment(self.server.address), stdout=subprocess.DEVNULL)

    @contextmanager
    def measured(self, name: str) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Time from here to the end of the children that are put on the list."""
        children: list[subprocess.Popen[bytes]] = []
        before, began = self._server_s(), time.perf_counter()
        yield children
        usages = []
        for child in children:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            assert child.returncode == 0
            usages.append(usage)
        wall = time.perf_counter() - began
        self.rates.setdefault(name, []).append(self.events / wall)
        self.client_us.setdefault(name, []).append(sum(use.ru_utime + use.ru_stime for use in usages) / self.events * 1e6)
        self.server_us.setdefault(name, []).append((self._server_s() - before) / self.events * 1e6)
        self.peaks_mb.setdefault(name, []).append(max(use.ru_maxrss for use in usages) / 1024)

    def _server_s(self) -> float:
        """Seconds of processor time of the server and its children, past and present."""
        pid = next(self.home.rglob("postmaster.pid")).read_text().split()[0]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ticks = sum(map(int, _stat(pid)[11:15])) + sum(sum(map(int, (_stat(child) or ["0"] * 15)[11:13])) for child in children)
        return ticks / TICKS


def _stat(pid: str) -> list[str]:
    """Fields of proc(5) stat from the third one on; 11 to 14 are user and system time, own and of children that ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return []


@contextmanager
def prepared(events: int, folder: Path) -> Iterator[Bench]:
    """The API, with its pages compressed, and an empty server, in a new folder within `folder`."""
    home = Path(tempfile.mkdtemp(prefix="penstock-bench-", dir=folder))
    home.chmod(0o755)
    options = ["--die-with-parent", "--warm", "--stream-refused=404", f"--events={events}"]
    api = subprocess.Popen([sys.executable, "-m", "penstock", "simulate", "datasync", *options], stdout=subprocess.PIPE)
    try:
        assert api.stdout is not None
        facts = json.loads(api.stdout.readline())
        with EmbeddedServer(EmbeddedSettings(home)) as server:
            yield Bench(server, home, {"API_BASE_URL": facts["url"], "TARGET_API_KEY": facts["api_key"]}, events)
    finally:
        api.terminate()
        api.wait()
        shutil.rmtree(home, ignore_errors=True)


def arguments(description: str, rounds: int) -> argparse.ArgumentParser:
    """What such a benchmark takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    return parser


def main() -> None:
    """Run the rounds and print what came of them."""
    given = arguments(__doc__ or "", rounds=5).parse_args()
    with prepared(given.events, given.folder) as bench:
        _rounds(bench, given.rounds)
        _print(bench)


def _rounds(bench: Bench, rounds: int) -> None:
    bench.extract("warm-up", PENSTOCK)
    bench.write_files()
    for number in range(rounds):
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
        bench.extract("penstock", PENSTOCK)
        bench.copy("copy x1", 1)
        bench.copy("copy x4", 4)
        bench.extract("unnest", UNNEST)


def _print(bench: Bench) -> None:
    size = (bench.home / "rows-1-0.txt").stat().st_size / bench.events
    print(f"{size:.0f} bytes a row as text; psql waits for the disk once, at the end")
    print_rates(bench)
    print("\nratios, paired within a round:")
    for ours in ("penstock", "penstock, fetch to commit"):
        for theirs in ("copy x1", "copy x4", "unnest"):
            other = f"{theirs}, fetch to commit" if ours != "penstock" and theirs == "unnest" else theirs
            print_ratio(bench, ours, other)


def print_rates(bench: Bench) -> None:
    """Each variant's rows a second, processor time an event, and memory."""
    print(f"{bench.events:,} events; " + ", ".join(f"{name} {bench.sql(f'show {name}')}" for name in SHOWN))
    print("penstock commits without waiting for the disk (PG_SYNC_COMMIT=off) and waits once, before the proof.\n")
    print(f"{'':<30}{'rows/s':>30}{'client µs':>12}{'server µs':>12}{'peak MB':>10}")
    for name, rates in bench.rates.items():
        if not name.startswith("warm-up"):
            extra = [_median(kind.get(name)) for kind in (bench.client_us, bench.server_us)]
            print(f"{name:<30}{_spread(rates, ',.0f'):>30}{extra[0]:>12}{extra[1]:>12}{_median(bench.peaks_mb.get(name), '.0f'):>10}")


def print_ratio(bench: Bench, ours: str, theirs: str) -> None:
    """How much faster one variant is than another, paired within a round."""
    ratios = [one / two for one, two in zip(bench.rates[ours], bench.rates[theirs], strict=True)]
    print(f"  {ours} / {theirs}: {_spread(ratios, '.2f')}")


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def _median(values: list[float] | None, form: str = ".2f") -> str:
    return "" if values is None else format(statistics.median(values), form)


if __name__ == "__main__":
    main()
