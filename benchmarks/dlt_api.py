"""dlt from the simulated API into PostgreSQL, to be run by `benchmarks/dlt_extract.py` in dlt's own environment.

    dlt_api.py SERVER STATE unique|plain EDGE EDGE...

Its generator is penstock's own client and decoder (aiohttp, isal, msgspec, a column at a time): whatever makes ours fast makes it fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from itertools import pairwise

import dlt
import pyarrow as pa

from penstock.extract.address import Address
from penstock.extract.api import EventsApi
from penstock.extract.cursor import Cursor
from penstock.extract.stretch import following
from penstock.model.metrics import Counters

PAGE_EVENTS = 5_000
ID = pa.field("id", pa.string(), nullable=False)


async def events(low: int, high: int) -> AsyncIterator[pa.Table]:
    """The events in `(low, high]` (Unix milliseconds), page by page; the id as text, because dlt has no UUID."""
    address = Address(os.environ["API_BASE_URL"], os.environ["TARGET_API_KEY"])
    async with EventsApi.connected(address, Counters.zero(), connections=1) as api:
        cursor = Cursor.above(high)
        while (page := await api.page(cursor, PAGE_EVENTS)) is not None:
            first, end = int((page.ts > high).sum()), int((page.ts > low).sum())
            rows = page.rows.set_column(0, ID, pa.array(page.ids, pa.string()))
            yield pa.Table.from_batches([rows.slice(first, end - first)])
            if end < len(page) or not page.paging.has_more:
                return
            cursor = following(page).cursor()


def main(server: str, state: str, key: str, *edges: str) -> None:
    """Extract, normalise and load; what lies between two edges is read over one connection, and dlt waits for all of them at once."""
    columns = {"id": {"unique": True, "nullable": False}} if key == "unique" else {}
    parts = [
        dlt.resource(events(*ends), name=f"from_{ends[0]}", table_name="ingested_events", columns=columns, write_disposition="append")
        for ends in pairwise(map(int, edges))
    ]
    pipeline = dlt.pipeline("events", destination=dlt.destinations.postgres(server), dataset_name="bench", pipelines_dir=state)
    pipeline.run(parts, loader_file_format="parquet").raise_on_failed_jobs()
    for step in pipeline.last_trace.steps:
        print(f"{step.step} {(step.finished_at - step.started_at).total_seconds():.1f} s", file=sys.stderr)
    jobs = pipeline.last_trace.last_load_info.load_packages[0].jobs["completed_jobs"]
    formats = [job.job_file_info.file_format for job in jobs if job.job_file_info.table_name == "ingested_events"]
    print(f"{len(formats)} files", file=sys.stderr)
    if set(formats) != {"parquet"}:
        raise SystemExit(f"it loaded {formats}")


if __name__ == "__main__":
    main(*sys.argv[1:])
