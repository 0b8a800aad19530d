"""Pipelines between tables, killed at drawn moments: the next run goes on, and every row is there once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import LONG
from tests.faults.campaign import PENSTOCK

ROWS = 60_000
KILLS = 40 if LONG else 2

ENDS = {
    "postgres": 'type = "postgres"\nurl = "${URL}"\ntable = "TABLE"\n',
    "sqlite": 'type = "sqlite"\npath = "data.sqlite"\ntable = "TABLE"\n',
}


def fill_sqlite(path: Path) -> None:
    """The table `given` of the file that is read and written."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table given (id integer primary key, name text)")
        connection.executemany("insert into given values (?, ?)", ((number, f"name {number}") for number in range(ROWS)))
        connection.commit()


def ask_postgres(url: str, sql: str) -> list[tuple[int, ...]]:
    """Rows of an answer."""

    async def ask() -> list[tuple[int, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def ask(sink: str, url: str, path: Path, sql: str) -> list[tuple[int, ...]]:
    """Rows of an answer of either store."""
    if sink == "postgres":
        return ask_postgres(url, sql)
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    "route",
    [
        ("postgres", "sqlite", "append"),
        ("sqlite", "postgres", "append"),
        ("postgres", "postgres", "replace"),
        ("sqlite", "sqlite", "upsert(id)"),
        ("sqlite", "sqlite", "replace"),
    ],
)
def test_every_kill_is_survived_exactly(route: tuple[str, str, str], database_url: str, tmp_path: Path, seed: int) -> None:
    """Runs that are killed again and again end with exactly the rows of the table, and with counts that say so."""
    source, sink, mode = route
    draw, url, path = random.Random(f"{route} {seed}"), database_url, tmp_path / "data.sqlite"
    fill_sqlite(path)
    ask_postgres(url, f"create table given as select g::bigint as id, 'name ' || g as name from generate_series(0, {ROWS - 1}) g")
    ask_postgres(url, "alter table given add primary key (id)")
    taken, given = ENDS[sink].replace("TABLE", "taken"), ENDS[source].replace("TABLE", "given")
    (tmp_path / "copy.toml").write_text(f'mode = "{mode}"\n[source]\n{given}[sink]\n{taken}')
    command = [*PENSTOCK, "run", str(tmp_path / "copy.toml"), "--json", "--progress", "log", "--port", "0"]
    environment = os.environ | {"URL": url, "PENSTOCK_HOME": str(tmp_path / "home")}

    for _ in range(KILLS):
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(draw.uniform(0.5, 2.0))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
    last = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert last.returncode == 0, f"seed {seed}: {last.stderr}"
    assert json.loads(last.stdout)["state"] == "completed"
    assert ask(sink, url, path, "select count(*), count(distinct id), min(id), max(id) from taken") == [(ROWS, ROWS, 0, ROWS - 1)]
    coverage = "penstock.coverage" if sink == "postgres" else "penstock_coverage"
    counted = ", ".join(f"cast(sum({name}) as bigint)" for name in ("received", "stored", "repeated"))
    sums = ask(sink, url, path, f"select {counted} from {coverage}")
    assert sums == [(ROWS, ROWS, 0)]
