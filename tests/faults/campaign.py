"""Runs of the real command that are killed again and again, and what must be true when one of them gets through."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from penstock.simulate.dataset import Dataset
from penstock.simulate.settings import DataSyncSettings
from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings

PENSTOCK = [sys.executable, "-m", "penstock"]
RUN_AGAIN = {-signal.SIGKILL, 1, 75}
"""Exit codes after which the same command is simply given again: killed, a database that died too often, try later."""


@contextmanager
def simulator(*options: str) -> Iterator[dict[str, str]]:
    """The simulated API as a process of its own; the environment that names it."""
    command = [*PENSTOCK, "simulate", "datasync", "--die-with-parent", *options]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        facts = json.loads(child.stdout.readline())
        yield {"API_BASE_URL": facts["url"], "TARGET_API_KEY": facts["api_key"]}
    finally:
        child.terminate()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


@dataclass
class Campaign:
    """Extractions into embedded databases below `folder`, killed at moments drawn from `seed`.

    Each run has another number of partitions and of workers, and goes on where the last one was.
    """

    folder: Path
    api: dict[str, str]
    seed: int
    flags: list[str]
    kills: dict[str, int] = field(default_factory=lambda: {"extractor": 0, "database": 0})
    runs: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def home(self, number: int) -> Path:
        """State folder of one extraction."""
        return self.folder / f"home-{self.seed}-{number}"

    def extraction(self, number: int, most_kills: int) -> dict[str, object]:
        """One extraction to its end, with up to `most_kills` kills on the way; its result as the program prints it."""
        kills = 0
        while True:
            self.runs += 1
            run = self._start(number)
            while kills < most_kills and self._kill_one(run, number):
                kills += 1
            out, err = run.communicate(timeout=120)
            if run.returncode == 0:
                result: dict[str, object] = json.loads(out)
                return result
            assert run.returncode in RUN_AGAIN, f"seed {self.seed}: exit {run.returncode}\n{err}"

    def _start(self, number: int) -> subprocess.Popen[str]:
        environment = os.environ | self.api | {"PENSTOCK_HOME": str(self.home(number))}
        shape = [f"--partition-count={self.random.randint(1, 9)}", f"--max-workers={self.random.randint(1, 16)}"]
        command = [*PENSTOCK, "extract", "--json", "--progress", "log", "--port", "0", *shape, *self.flags]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _kill_one(self, run: subprocess.Popen[str], number: int) -> bool:
        """Wait for a drawn moment, then kill the extractor or its database; False once the run has ended."""
        try:
            run.wait(self.random.uniform(0.3, 2.0))
        except subprocess.TimeoutExpired:
            victim = self.random.choice(["extractor", "database"])
            pid = run.pid if victim == "extractor" else postmaster(self.home(number))
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                self.kills[victim] += 1
            if victim == "extractor":
                run.wait()
            return victim == "database"
        return False


def postmaster(home: Path) -> int | None:
    """Process id of the embedded database of a state folder, if one runs."""
    with suppress(FileNotFoundError):  # folders and files come and go while a server starts
        for file in home.rglob("postmaster.pid"):
            lines = file.read_text().split()
            if lines and Path(f"/proc/{lines[0]}").exists():
                return int(lines[0])
    return None


def verify(home: Path, settings: DataSyncSettings, inserted: int = 0, table: str = "ingested_events") -> None:
    """Hold the table and the dead letters of a state folder against the data the API was made of, and so many events that came in."""
    dataset = Dataset(settings)
    refused = {bytes(key) for key in dataset.refused_ids(inserted)}
    wanted = {bytes(key) for key in dataset.ids(inserted)} - refused
    with EmbeddedServer(EmbeddedSettings(home)) as server:
        stored, letters, counted = asyncio.run(_found(server.url, table))

    assert len(stored) == len(set(stored)), "a row is there twice"
    assert set(stored) == wanted, f"{len(wanted - set(stored))} are lost, {len(set(stored) - wanted)} are not of the API"
    assert letters == len(refused)
    assert counted == (len(wanted) + len(refused), len(wanted), 0, len(refused))


async def _found(url: str, table: str) -> tuple[list[bytes], int, tuple[int, ...]]:
    connection = await asyncpg.connect(url)
    try:
        stored = [row["id"].bytes for row in await connection.fetch(f'select id from "{table}"')]
        letters = await connection.fetchval("select count(*) from penstock.dead_letters")
        sums = "sum(received)::int8, sum(stored)::int8, sum(duplicate)::int8, sum(refused)::int8"
        return stored, letters, tuple(await connection.fetchrow(f"select {sums} from penstock.coverage") or ())
    finally:
        await connection.close()


def remove(folder: Path) -> None:
    """Delete a state folder, whose server may still be on its way down."""
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
