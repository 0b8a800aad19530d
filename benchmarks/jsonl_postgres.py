r"""A file of JSON lines into a PostgreSQL table, against dlt at its documented settings, interleaved.

    .venv/bin/python benchmarks/jsonl_postgres.py [--rows 1000000] [--rounds 3] [--only parquet]

Each round runs, one after the other and from process start to the end of the process:

* `penstock`: `penstock run` with the file below, to the printed evidence;
* `dlt, parquet`: Arrow tables through Parquet files and ADBC, four load workers, files of about 250,000 rows;
* `dlt, csv`: the same through CSV and COPY;
* `dlt, default`: dictionaries through `insert into ... values`, as dlt comes.

dlt lives in an environment of its own, made in `--dlt` when it is first needed, and is not part of this project's requirements. What each
variant has written is counted. Ratios are of rows a second, paired within a round. dlt appends without positions: killed, it loads twice.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import asyncpg
import msgspec

import dlt_environment
from race import OURS, Race, parser, run

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


def begin(race: Race, dlt: Path) -> Mapping[str, Callable[[], None]]:
    """Write the file; who runs."""
    file = race.folder / "orders.jsonl"
    write(file, race.rows)
    peers = {name: partial(peer, race, dlt, name, file) for name in FORMATS}
    return {OURS: partial(penstock, race, file), **peers}


def penstock(race: Race, file: Path) -> None:
    """Ours."""
    asyncio.run(emptied(race.url))
    race.penstock(PIPELINE.format(url=race.url, path=file), lambda: asyncio.run(counted(race.url, "orders")))


def peer(race: Race, dlt: Path, name: str, file: Path) -> None:
    """One of dlt's."""
    asyncio.run(emptied(race.url))
    home, script = race.home(), str(Path(__file__).with_name("dlt_jsonl.py"))
    command = [str(dlt), script, race.url, FORMATS[name], str(file), str(home / "state")]
    race.timed(name, command, dlt_environment.environ(home / "data", **TUNED), lambda: asyncio.run(counted(race.url, "bench.orders")))


def write(file: Path, rows: int) -> None:
    """Eight columns, about 190 bytes a row."""
    drawn, encoder = random.Random(1), msgspec.json.Encoder()  # noqa: S311 - the same rows each time
    with file.open("wb") as lines:
        for number in range(rows):
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
            lines.write(encoder.encode(row) + b"\n")


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


if __name__ == "__main__":
    given = parser(__doc__, "penstock-bench-dlt-load").parse_args()
    run(given, partial(begin, dlt=dlt_environment.made(given.dlt, *DLT)))
