"""Samples on their way through a pipeline."""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest

import penstock
from penstock.cli import main
from penstock.instruments import Validated, ValidationSettings, validate_row
from penstock.instruments.columns import NoSamples
from penstock.instruments.validation import NAN, NO_TIME, BadSample
from penstock.ports.flow import Batch
from penstock.ports.source import Progress
from penstock.stores.memory import MemorySource

ROWS = 1_000
BROKEN = range(200, 206)
"""Rows in which the torque is NaN; it is every second row."""


def samples() -> pa.Table:
    """Two channels, one sample after the other."""
    return pa.table(
        {
            "timestamp_ms": range(ROWS),
            "provider": ["RT CPU"] * ROWS,
            "channel": ["Engine RPM", "Torque"] * (ROWS // 2),
            "value": [
                math.nan if row in BROKEN and row % 2 else 25_000.0 if row == 500 else 3_000.0 * (row % 2 == 0) for row in range(ROWS)
            ],
        }
    )


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the samples go."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    return tmp_path / "samples.db"


def test_a_run_of_refused_samples_is_one_letter_and_every_sample_is_counted(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is out of range is stored with its flag, what is NaN is refused, and the counts of the run add up."""
    ending = penstock.run(Validated(MemorySource(samples(), batch_rows=ROWS)), to=str(database), table="samples", mode="append")

    with sqlite3.connect(database) as connection:
        stored = dict(connection.execute("select quality, count(*) from samples group by 1").fetchall())
        (reason, records, raw) = connection.execute("select reason, records, raw from penstock_dead_letters").fetchone()
    connection.close()
    assert ending.evidence is not None
    counts = ending.evidence.counts
    assert stored == {"ok": ROWS - 4, "out_of_range": 1}
    assert (counts.received, counts.stored, counts.refused) == (ROWS, ROWS - 3, 3)
    assert (reason, records, json.loads(raw)["count"], json.loads(raw)["last"]) == (NAN, 3, 3, {"timestamp_ms": 205, "value": "nan"})
    assert f"{NAN} (3 records)" in _dead("list", database, capsys)
    assert json.loads(_dead("list", database, capsys, "--json"))["records"] == 3


def test_what_a_source_refused_itself_keeps_its_place() -> None:
    """Letters of both are in the order of their records, and no record has two."""
    source = Validated(MemorySource(samples(), ROWS, ROWS, frozenset({0, 201, 204})))

    batch = _only(source)

    assert batch.received == ROWS
    assert [(refusal.row, refusal.also, refusal.origin) for refusal in batch.refused] == [
        (0, (), "row 0"),
        (201, (), "row 201"),
        (203, (205,), "RT CPU, Torque"),
        (204, (), "row 204"),
    ]


def test_strict_mode_goes_with_the_source() -> None:
    """What is out of range is refused by the limits."""
    batch = _only(Validated(MemorySource(samples(), ROWS, ROWS), ValidationSettings(strict_mode=True)))

    assert [(refusal.row, refusal.reason) for refusal in batch.refused] == [(201, NAN), (500, "outside of 0 to 20,000 rpm")]


def test_numbers_written_as_text_are_stored_as_numbers(database: Path) -> None:
    """A table of texts becomes one whose values can be summed."""
    texts = pa.table({"channel": ["rpm"] * 3, "value": ["1000", " 12.5 ", "3e3"]})

    penstock.run(Validated(MemorySource(texts)), to=str(database), table="samples", mode="append")

    with sqlite3.connect(database) as connection:
        assert connection.execute("select sum(value), min(typeof(value)) from samples").fetchone() == (4_012.5, "real")
    connection.close()


def test_rows_that_are_no_samples_are_told_before_anything_is_read() -> None:
    """By the columns."""
    with pytest.raises(NoSamples, match="channel"):
        _ = Validated(MemorySource(pa.table({"id": [1]}))).schema


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"channel": "rpm", "value": 3_000, "extra": 1}, "ok"),
        ({"channel": "rpm", "value": "300"}, "warn"),
        ({"channel": "IAT", "value": 200.0, "unit": "°C"}, "out_of_range"),
        ({"channel": "AFR", "value": None, "quality": "gap", "unit": None}, "gap"),
        ({"channel": "rpm", "value": 3_000, "quality": None, "source": "csv", "timestamp_ms": 0}, "ok"),
    ],
)
def test_a_row_gets_its_quality(row: dict[str, object], wanted: str) -> None:
    """And is otherwise what it was, numbers that were written as text apart."""
    read = {name: float(value) for name, value in row.items() if name == "value" and isinstance(value, str)}
    found = validate_row(row)

    assert found == row | {"quality": wanted} | read
    assert type(found["value"]) is (float if read else type(row["value"]))


def test_a_row_has_the_numbers_that_a_column_has() -> None:
    """Time and value, written as text; an empty text is no value."""
    assert validate_row({"channel": "rpm", "value": " 12.5", "timestamp_ms": "7"}) == {
        "channel": "rpm", "value": 12.5, "timestamp_ms": 7, "quality": "warn",
    }  # fmt: skip
    assert validate_row({"channel": "rpm", "value": "", "quality": "gap"})["value"] is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"channel": "rpm", "value": math.nan}, f"value: {NAN}"),
        ({"value": 1.0}, "channel: "),
        ({"channel": "rpm"}, "value: "),
        ({"channel": "rpm", "value": 1.0, "timestamp_ms": None}, f"timestamp_ms: {NO_TIME}"),
        ({"channel": "rpm", "value": 1.0, "source": ""}, "source: "),
    ],
)
def test_a_bad_row_is_refused(row: dict[str, object], said: str) -> None:
    """With everything that is wrong about it."""
    with pytest.raises(BadSample, match=said):
        validate_row(row)


def test_a_pipeline_file_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a python stage; its rows are those of samples, and each bad one is a letter of its own."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    lines = [{"timestamp_ms": 5 * row, "channel": "rpm", "value": 400.0 + row if row else "26D"} for row in range(200)]
    (tmp_path / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (tmp_path / "log.toml").write_text(
        """
        [source]
        type = "jsonl"
        path = "log.jsonl"
        [[stages]]
        python = "penstock.instruments.validate_row"
        columns = { timestamp_ms = "int64", channel = "string", value = "json", quality = "string" }
        [sink]
        type = "jsonl"
        path = "out.jsonl"
        """
    )

    ending = penstock.run(tmp_path / "log.toml")

    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert ending.outcome.state == "completed with rejected rows"
    assert [row["quality"] for row in written] == ["warn"] * 99 + ["ok"] * 100


def _only(source: Validated) -> Batch:
    """The only batch of a source."""

    async def read() -> list[Batch]:
        plan = await source.plan(Progress())
        return [batch async for batch in source.read(plan.partitions[0])]

    (batch,) = asyncio.run(read())
    return batch


def _dead(action: str, database: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `penstock dead` prints of a pipeline that writes there."""
    file = database.with_suffix(".toml")
    sink = f'type = "sqlite"\npath = "{database.name}"\ntable = "samples"'
    file.write_text(f'[source]\ntype = "jsonl"\npath = "-"\n[sink]\n{sink}\n')
    assert main(["dead", action, str(file), *words]) == 0
    return capsys.readouterr().out
