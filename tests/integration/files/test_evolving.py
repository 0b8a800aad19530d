"""Rows that get a column in mid-run, from files into a folder of Parquet files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import dataset
from pyarrow import parquet as pq

from penstock.engine.telemetry import Telemetry
from penstock.pipelines.job import Ending, perform
from penstock.pipelines.reading import read

FILE = """
mode = "{mode}"
schema = "evolve"
[source]
type = "parquet"
path = "in/*.parquet"
[sink]
type = "parquet"
path = "out"
"""


async def run(folder: Path, mode: str) -> Ending:
    """The pipeline in `folder`, once."""
    file = folder / "evolving.toml"
    file.write_text(FILE.format(mode=mode))
    return await perform(read(file), Telemetry(), asyncio.Event())


def found(folder: Path) -> list[dict[str, object]]:
    """All rows, by a reader that joins columns by name."""
    schemas = [pq.read_schema(path) for path in (folder / "out").glob("*.parquet")]
    rows = dataset.dataset(folder / "out", schema=pa.unify_schemas(schemas)).to_table()
    return list(rows.sort_by("id").to_pylist())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pipeline is, with a first file to be read."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"id": range(1_000)}), tmp_path / "in" / "a.parquet")
    return tmp_path


def add(folder: Path) -> None:
    """Another file to be read, with another column."""
    pq.write_table(pa.table({"id": range(1_000, 2_000), "more": ["x"] * 1_000}), folder / "in" / "b.parquet")


WANTED = [{"id": number, "more": None if number < 1_000 else "x"} for number in range(2_000)]


async def test_new_columns_are_in_new_files(folder: Path) -> None:
    """The files of the run before stay as they are, those of the run that met the new column have it; every row is there once."""
    await run(folder, "append")
    add(folder)

    ending = await run(folder, "append")

    schemas = [pq.read_schema(path).names for path in sorted((folder / "out").glob("*.parquet"))]
    assert ending.outcome.state == "completed"
    assert schemas == [["id"], ["id", "more"]]
    assert found(folder) == WANTED


@pytest.mark.parametrize("mode", ["append", "replace"])
async def test_a_column_that_comes_in_mid_run_costs_no_row(folder: Path, mode: str) -> None:
    """What was read before it is written once, whether its file was finished by then or not."""
    add(folder)

    ending = await run(folder, mode)

    assert ending.outcome.state == "completed"
    assert found(folder) == WANTED


async def test_a_generation_has_the_columns_of_its_own_run(folder: Path) -> None:
    """A run that replaces the files brings the new column, and the old files are gone."""
    await run(folder, "replace")
    assert found(folder) == [{"id": number} for number in range(1_000)]
    add(folder)

    await run(folder, "replace")

    assert found(folder) == WANTED
