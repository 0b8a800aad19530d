r"""The main job against dlt at its best documented settings: the same API, as many requests at once, the same server, interleaved.

    .venv/bin/python benchmarks/dlt_extract.py [--events 3000000] [--rounds 3]

Each round runs, one after the other, each into an empty database and from process start to the end of the process:

* `penstock`: the command as a user calls it, with 8 requests at once, to the printed proof. The id is a uuid and the primary key; rows
  and positions commit together, so that a killed run goes on, and nothing is there twice;
* `dlt, unique id`: the id is text with a unique constraint, dlt's own hint for one;
* `dlt, no index`: the same without it, on a table without any index. penstock keeps its key: it cannot do without.

dlt reads with penstock's own client and decoder, 8 requests at once, and is told where the events begin and end, which penstock finds out
by itself. It writes Parquet files of 250,000 rows, which four workers load through ADBC. It keeps no position in the API: a run that is
killed while it reads begins again.

dlt lives in an environment of its own, made in `--dlt` when it is first needed, and is not part of this project's requirements. What each
variant has written is counted, and that the constraint is there. Ratios are of rows a second, paired within a round.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import dlt_environment
import penstock
from extract import PENSTOCK, Bench, arguments, prepared, print_rates, print_ratio

CONNECTIONS = 8
DLT = ("postgres,parquet", "adbc-driver-postgresql", "aiohttp", "isal", "msgspec", "numpy", "pyarrow")
"""What dlt needs for Parquet and ADBC, and what the generator needs."""

TUNED = {"LOAD__WORKERS": "4", "DATA_WRITER__FILE_MAX_ITEMS": "250000", "DATA_WRITER__BUFFER_MAX_ITEMS": "50000"}
PEERS = {"dlt, unique id": 1, "dlt, no index": 0}
INDEXES = "select count(*) from pg_index where indrelid = 'bench.ingested_events'::regclass and indisunique"
"""How many indexes keep the ids unique."""


def peer(bench: Bench, name: str, python: Path, edges: list[int]) -> None:
    """Run dlt, and count what it has written."""
    bench.clear()
    state = bench.home / "dlt"
    shutil.rmtree(state, ignore_errors=True)
    script = Path(__file__).with_name("dlt_api.py")
    words = [bench.server.url, str(state / "pipelines"), "unique" if PEERS[name] else "plain", *map(str, edges)]
    environment = dlt_environment.environ(state, **TUNED, **bench.api, PYTHONPATH=str(Path(penstock.__file__).parents[1]))
    with bench.measured(name) as children:
        children.append(subprocess.Popen([str(python), str(script), *words], env=environment))
    assert bench.sql("select count(*) from bench.ingested_events") == bench.events
    assert bench.sql(INDEXES) == PEERS[name]


def edges_of(bench: Bench) -> list[int]:
    """Times (Unix milliseconds) between which lie equal parts of the time that the events span, one for each connection."""
    first, last = (
        bench.sql(f"select {which}(extract(epoch from occurred_at) * 1000)::bigint from ingested_events") for which in ("min", "max")
    )
    return [first - 1 + (last - first + 1) * part // CONNECTIONS for part in range(CONNECTIONS + 1)]


def main() -> None:
    """Run the rounds and print what came of them."""
    parser = arguments(__doc__ or "", rounds=3)
    parser.add_argument(
        "--dlt", type=Path, default=Path(tempfile.gettempdir()) / "penstock-bench-dlt-extract", help="where its environment is"
    )
    given = parser.parse_args()
    python = dlt_environment.made(given.dlt, *DLT)
    os.environ |= {"PARTITION_COUNT": str(CONNECTIONS), "MAX_WORKERS": str(CONNECTIONS)}
    with prepared(given.events, given.folder) as bench:
        bench.extract("warm-up", PENSTOCK)
        edges = edges_of(bench)
        for number in range(given.rounds):
            sys.stderr.write(f"round {number + 1} of {given.rounds}\n")
            bench.extract("penstock", PENSTOCK)
            for name in PEERS:
                peer(bench, name, python, edges)
        print_rates(bench)
        print("\nratios, paired within a round:")
        for name in PEERS:
            print_ratio(bench, "penstock", name)
        print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
