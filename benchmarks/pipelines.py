r"""A PostgreSQL table into Parquet files, against dlt at its documented settings, interleaved.

    .venv/bin/python benchmarks/pipelines.py [--rows 1000000] [--rounds 3] [--only connectorx]

Each round runs, one after the other and from process start to the last file closed:

* `penstock`: `penstock run` with the file below, to the printed evidence;
* `dlt, default`: `sql_table` as it comes (backend sqlalchemy);
* `dlt, pyarrow`, `dlt, connectorx`: the backends its documentation names for speed, with chunks of 100,000 rows.

dlt lives in an environment of its own, made in `--dlt` when it is first needed, and is not part of this project's requirements. What each
variant has written is counted. Ratios are of rows a second, paired within a round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import asyncpg
import pyarrow.parquet as pq

import dlt_environment
from race import OURS, Race, parser, run

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


def begin(race: Race, dlt: Path) -> Mapping[str, Callable[[], None]]:
    """Fill the table; who runs."""
    asyncio.run(filled(race.url, race.rows))
    count = partial(counted, race.folder / "run" / "out")
    peers = {name: partial(peer, race, dlt, name, count) for name in BACKENDS}
    return {OURS: partial(race.penstock, PIPELINE.format(url=race.url), count), **peers}


def peer(race: Race, dlt: Path, name: str, count: Callable[[], int]) -> None:
    """One of dlt's."""
    home, script = race.home(), str(Path(__file__).with_name("dlt_postgres_parquet.py"))
    race.timed(name, [str(dlt), script, race.url, BACKENDS[name], str(home / "out")], dlt_environment.environ(home / "state"), count)


def counted(out: Path) -> int:
    """Rows in the files."""
    return sum(pq.read_metadata(path).num_rows for path in out.rglob("*.parquet") if "_dlt" not in path.parent.name)


async def filled(url: str, rows: int) -> None:
    """The table, with its key, looked over by vacuum."""
    connection = await asyncpg.connect(url)
    await connection.execute(TABLE.format(rows=rows))
    await connection.execute("alter table orders add primary key (id)")
    await connection.execute("vacuum analyze orders")
    await connection.close()


if __name__ == "__main__":
    given = parser(__doc__, "penstock-bench-dlt").parse_args()
    run(given, partial(begin, dlt=dlt_environment.made(given.dlt, *DLT)))
