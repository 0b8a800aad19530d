"""The page on validation does what it says: its examples are taken out of it and run."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import penstock

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "validation.md").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader tries them out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_python_of_the_page_holds(folder: Path) -> None:
    """Every assertion in it, and the letter that it shows is the one that is kept."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for block in blocks:
        exec(block, {})  # noqa: S102 - a page of ours

    with closing(sqlite3.connect(folder / "samples.db")) as connection:
        ((raw, records),) = connection.execute("select raw, records from penstock_dead_letters").fetchall()
    assert len(blocks) == 4
    assert records == 3
    assert raw.decode() in PAGE


def test_the_pipeline_of_the_page_runs(folder: Path) -> None:
    """Samples get their quality, and a bad one is refused."""
    (pipeline,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (folder / "log.toml").write_text(pipeline)
    rows = [{"timestamp_ms": row, "channel": "IAT", "value": 90.0 + row if row else None, "unit": "°C"} for row in range(100)]
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    ending = penstock.run(folder / "log.toml")

    with closing(sqlite3.connect(folder / "samples.db")) as connection:
        found = dict(connection.execute("select quality, count(*) from samples group by 1").fetchall())
        (reason,) = connection.execute("select reason from penstock_dead_letters").fetchone() or ("",)
    assert ending.outcome.state == "completed with rejected rows"
    assert found == {"ok": 3, "warn": 55, "out_of_range": 41}
    assert reason == "validate_row raised BadSample: The sample is refused: value: there is no value"
