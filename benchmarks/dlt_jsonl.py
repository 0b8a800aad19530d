"""dlt from JSON lines into PostgreSQL, run by `benchmarks/jsonl_postgres.py` in an environment of its own: URL FORMAT FILE STATE."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import msgspec
import pyarrow as pa
from pyarrow import json as arrow_json

BLOCK_BYTES = 48 * 2**20
"""About 250,000 rows, each to be a file that one of the workers loads."""


def blocks(path: Path) -> Iterator[bytes]:
    """Whole lines."""
    with path.open("rb") as file:
        kept = b""
        while block := file.read(BLOCK_BYTES):
            end = block.rfind(b"\n") + 1
            yield kept + block[:end]
            kept = block[end:]


def tables(path: Path) -> Iterator[pa.Table]:
    """Rows as Arrow, by Arrow's own reader and all its threads."""
    for block in blocks(path):
        yield arrow_json.read_json(pa.BufferReader(block), arrow_json.ReadOptions(block_size=4 * 2**20))


def dictionaries(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Rows as dlt takes them by default, by the fastest decoder."""
    for block in blocks(path):
        yield msgspec.json.Decoder(dict[str, Any]).decode_lines(block)


def main(url: str, file_format: str, path: str, state: str) -> None:
    """Extract, normalise and load."""
    rows = (dictionaries if file_format == "insert_values" else tables)(Path(path))
    pipeline = dlt.pipeline("orders", destination=dlt.destinations.postgres(url), dataset_name="bench", pipelines_dir=state)
    resource = dlt.resource(rows, name="orders", write_disposition="append")
    pipeline.run(resource, loader_file_format=file_format).raise_on_failed_jobs()
    for job in pipeline.last_trace.last_load_info.load_packages[0].jobs["completed_jobs"]:
        if "orders" in job.job_file_info.table_name and job.job_file_info.file_format != file_format:
            raise SystemExit(f"it loaded {job.job_file_info.file_format}")


if __name__ == "__main__":
    main(*sys.argv[1:])
