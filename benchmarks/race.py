"""Commands that do the same work, run in turn on one PostgreSQL server, each from process start to the end of the process."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings

OURS = "penstock"


@dataclass
class Race:
    """A server, a folder, how many rows are moved, and rows/s by competitor; `peak_mb` is of ours."""

    url: str
    folder: Path
    rows: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    peak_mb: float = 0.0

    def home(self) -> Path:
        """An empty folder for one run."""
        home = self.folder / "run"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        return home

    def penstock(self, pipeline: str, count: Callable[[], int]) -> None:
        """Ours, with a pipeline file of this text."""
        home = self.home()
        (home / "pipeline.toml").write_text(pipeline)
        command = [sys.executable, "-m", "penstock", "run", str(home / "pipeline.toml"), "--progress", "log", "--port", "0"]
        self.timed(OURS, command, os.environ | {"PENSTOCK_HOME": str(home / "home")}, count)
        self.peak_mb = self.peak_mb or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024

    def timed(self, name: str, command: list[str], environment: Mapping[str, str], count: Callable[[], int]) -> None:
        """Run a command in the folder of the run; `count` says how many rows have arrived."""
        started = time.monotonic()
        ended = subprocess.run(command, cwd=self.folder / "run", env=environment, check=False, capture_output=True)
        seconds = time.monotonic() - started
        if ended.returncode:
            raise SystemExit(f"{name} failed: {ended.stderr.decode()[-2000:]}")
        if (found := count()) != self.rows:
            raise SystemExit(f"{name} wrote {found:,} of {self.rows:,} rows")
        self.rates.setdefault(name, []).append(self.rows / seconds)
        print(f"{name:18} {self.rows / seconds:>10,.0f} rows/s", flush=True)

    def report(self) -> None:
        """Medians with the least and the most; ratios are paired within a round."""
        print()
        for name, rates in self.rates.items():
            print(f"{name:18} {statistics.median(rates):>10,.0f} rows/s ({min(rates):,.0f} to {max(rates):,.0f})")
        for name in [name for name in self.rates if name != OURS]:
            ratios = [ours / theirs for ours, theirs in zip(self.rates[OURS], self.rates[name], strict=True)]
            print(f"{OURS} / {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        print(f"load average {os.getloadavg()[0]:.1f}; penstock's process took {self.peak_mb:,.0f} MB at most")


def parser(doc: str | None, dlt: str) -> argparse.ArgumentParser:
    """The options of a race against dlt, whose environment is the folder `dlt` of the temporary files unless said."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rows", type=int, default=1_000_000)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--only", metavar="NAME[,NAME]", help="of the competitors those whose names end so, such as `parquet,csv`")
    made.add_argument("--dlt", type=Path, default=Path(tempfile.gettempdir()) / dlt, help="where its environment is made")
    return made


def run(options: argparse.Namespace, begin: Callable[[Race], Mapping[str, Callable[[], None]]]) -> None:
    """Start the server, `begin`, and run what it gives by name, in turn, `rounds` times; ours always."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedServer(EmbeddedSettings(folder / "server")) as server:
            race = Race(server.url, folder, options.rows)
            runs = begin(race)
            wanted = [name for name in runs if name == OURS or not options.only or name.endswith(tuple(options.only.split(",")))]
            for _ in range(options.rounds):
                for name in wanted:
                    runs[name]()
            race.report()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
