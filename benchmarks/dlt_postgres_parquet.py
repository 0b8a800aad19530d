"""dlt from a PostgreSQL table into Parquet files, to be run by `benchmarks/pipelines.py` in dlt's own environment: URL BACKEND FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.sql_database import sql_table

CHUNK_ROWS = 100_000


def main(url: str, backend: str, folder: str) -> None:
    """Extract, normalise and load."""
    more: dict[str, Any] = {} if backend == "sqlalchemy" else {"chunk_size": CHUNK_ROWS}
    if backend == "connectorx":
        more["backend_kwargs"] = {"conn": url}
    table = sql_table(credentials=url.replace("postgresql://", "postgresql+psycopg2://"), table="orders", backend=backend, **more)
    destination = dlt.destinations.filesystem(Path(folder).as_uri())
    pipeline = dlt.pipeline(pipeline_name="orders", destination=destination, dataset_name="bench", pipelines_dir=f"{folder}.state")
    pipeline.run(table, loader_file_format="parquet", write_disposition="append")


if __name__ == "__main__":
    main(*sys.argv[1:])
