"""`penstock.run`: rows that a program holds, and pipeline files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import penstock
from penstock.engine.configuration import FaultySettings
from penstock.engine.ledger import TooManyRefused
from penstock.model.coverage import Interval
from penstock.model.errors import PenstockError
from penstock.pipelines.calling import NotComplete, UnclearAddress, UnclearMode
from penstock.pipelines.reading import NoPipelineFile
from penstock.pipelines.rows import CHUNK_ROWS, NoRows, Rows, RowsGone
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Progress, Source
from penstock.stores.memory import MemorySource
from penstock.testing.sources import SourceSuite, read
from tests.unit.pipelines import ends

ENDS = '[source]\ntype = "memory"\ntable = "t"\n[sink]\ntype = "memory"\ntable = "u"\n'
MANY = CHUNK_ROWS * 2 + 5


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths are those of the test."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def dictionaries(count: int) -> Iterator[dict[str, Any]]:
    """Rows that can be gone through once."""
    return ({"id": number, "name": f"row {number}"} for number in range(count))


@pytest.mark.parametrize(
    "make",
    [
        lambda: dictionaries(MANY),
        lambda: list(dictionaries(MANY)),
        lambda: pa.Table.from_pylist(list(dictionaries(MANY))),
        lambda: pa.Table.from_pylist(list(dictionaries(MANY))).to_reader(1_000),
        lambda: MemorySource(pa.Table.from_pylist(list(dictionaries(MANY)))),
    ],
    ids=["generator", "list", "table", "reader", "source"],
)
def test_rows_of_every_kind_arrive(make: Callable[[], Any]) -> None:
    """Dictionaries, Arrow and sources, each row once and in order."""
    ending = penstock.run(make(), to="out.jsonl", mode="replace")

    assert ending.evidence is not None
    assert (ending.outcome.state, ending.evidence.counts.stored, ending.evidence.in_sink) == ("completed", MANY, MANY)
    assert sorted(json.loads(line)["id"] for line in Path("out.jsonl").read_text().splitlines()) == list(range(MANY))


def test_each_call_begins_anew() -> None:
    """In mode replace the rows of the last call are there, in mode append those of both."""
    for _ in range(2):
        penstock.run(list(dictionaries(5)), to="replaced.csv", mode="replace")
        penstock.run(list(dictionaries(5)), to="appended.csv", mode="append")

    assert [len(list(csv.DictReader(Path(name).read_text().splitlines()))) for name in ("replaced.csv", "appended.csv")] == [5, 10]


def test_no_rows_are_no_fault() -> None:
    """An empty list is carried, too."""
    assert penstock.run([], to="out.csv", mode="replace").outcome.state == "completed"


async def test_it_runs_where_an_event_loop_runs_already() -> None:
    """As in a notebook."""
    assert penstock.run(list(dictionaries(5)), to="out.csv", mode="replace").outcome.state == "completed"


def test_a_row_that_does_not_fit_is_a_dead_letter() -> None:
    """A later row with another column or type does not stop the others, unless there are too many of them."""
    rows = [*dictionaries(CHUNK_ROWS), {"id": "x", "name": "odd"}, {"id": 7, "more": 1}, {"id": 8}]

    ending = penstock.run(rows, to="out.csv", mode="replace")

    assert ending.outcome.state == "completed with rejected rows"
    assert ending.evidence is not None
    assert (ending.evidence.counts.stored, ending.evidence.counts.refused) == (CHUNK_ROWS + 1, 2)
    with pytest.raises(TooManyRefused):
        penstock.run([*dictionaries(CHUNK_ROWS), *({"id": "x"} for _ in range(500))], to="out.csv", mode="replace")


def test_one_odd_row_does_not_take_its_neighbours_with_it() -> None:
    """Only the rows whose values have no place are refused, whatever the types of the other columns."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows: list[dict[str, Any]] = [{"at": moment, "tags": [1.5]} for _ in range(CHUNK_ROWS + 200)]
    rows[CHUNK_ROWS + 7] = {"at": "2026-01-01", "tags": []}
    rows[CHUNK_ROWS + 9] = {"at": moment, "tags": [float("nan")]}
    rows[CHUNK_ROWS + 11] = {"at": moment, 5: "x"}  # type: ignore[dict-item]  # as a program without types may
    rows[CHUNK_ROWS + 13] = {"at": moment, "none": None}

    ending = penstock.run(rows, to="out.jsonl", mode="replace")

    assert ending.evidence is not None
    assert (ending.evidence.counts.stored, ending.evidence.counts.refused) == (CHUNK_ROWS + 197, 3)


def test_arrow_of_any_type_arrives() -> None:
    """Columns of a data frame that no store knows by name take the widest type of their kind; what would lose something is refused."""
    table = pa.table(
        {
            "small": pa.array([1] * 200, pa.int8()),
            "text": pa.array(["x"] * 200, pa.large_string()),
            "kind": pa.array(["a"] * 200).dictionary_encode(),
            "list": pa.array([[1]] * 200),
            "at": pa.array([1_000] * 199 + [1], pa.timestamp("ns")),
        }
    )
    for given in (table, table.to_reader()):
        ending = penstock.run(given, to="out.sqlite", table="t", mode="replace")

        assert ending.evidence is not None
        assert (ending.evidence.counts.stored, ending.evidence.counts.refused) == (199, 1)


def test_rows_that_fail_can_be_called_again() -> None:
    """What the program's own rows raise comes out as it is, and the next call does not wait for a lease."""

    def broken() -> Iterator[dict[str, Any]]:
        yield from dictionaries(MANY)
        raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        penstock.run(broken(), to="out.csv", mode="replace")

    assert penstock.run(list(dictionaries(5)), to="out.csv", mode="replace").outcome.state == "completed"


def test_a_pipeline_file_is_run(file: Path) -> None:
    """By its path; a second call goes on where the first one stopped."""
    ends.TABLES["t"] = pa.table({"id": range(30)})
    file.write_text(ENDS)

    assert penstock.run(str(file)).outcome.state == "completed"
    assert penstock.run(file).outcome.state == "completed"
    ends.SINKS["u"].rows.pop(3)
    with pytest.raises(NotComplete, match="30 rows were stored, the sink holds 29"):
        penstock.run(file)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: penstock.run([1, 2], "x.csv", mode="append"), NoRows),
        (lambda: penstock.run("rows", "x.csv", mode="append"), NoRows),
        (lambda: penstock.run(3, "x.csv", mode="append"), NoRows),
        (lambda: penstock.run([{"a": None}, {}], "x.csv", mode="append"), NoRows),
        (lambda: penstock.run([{1: 2}], "x.csv", mode="append"), NoRows),
        (lambda: penstock.run(pa.table([[1], [2]], names=["a", "a"]), "x.csv", mode="append"), NoRows),
        (lambda: penstock.run(pa.table({}), "x.csv", mode="append"), NoRows),
        (lambda: penstock.run([{"a": 1}], "x.exe", mode="append"), UnclearAddress),
        (lambda: penstock.run([{"a": 1}], "x.csv"), UnclearMode),
        (lambda: penstock.run([{"a": 1}], "x.csv", key="a"), UnclearMode),
        (lambda: penstock.run([{"a": 1}], "x.csv", "t", mode="append"), FaultySettings),
        (lambda: penstock.run("no.toml"), NoPipelineFile),
    ],
    ids=[
        "numbers",
        "text",
        "a number",
        "no values",
        "no names",
        "twice",
        "no columns",
        "address",
        "no mode",
        "no upsert",
        "no table",
        "no file",
    ],
)
def test_what_cannot_be_run_is_told_before_anything_is_touched(call: Callable[[], object], error: type[PenstockError]) -> None:
    """Things that are no rows, an address nobody knows, a mode that is not said or not possible; nothing is made."""
    with pytest.raises(error) as failure:
        call()

    assert failure.value.hint
    assert list(Path().iterdir()) == []


async def test_rows_that_are_gone_cannot_be_read_again() -> None:
    """What was read and not stored is lost with a generator, and the error says so; it goes on where everything was stored."""
    source = Rows.of(dictionaries(MANY))
    plan = await source.plan(Progress())
    (partition,) = plan.partitions
    reader = source.read(partition)
    first = await anext(reader)
    await reader.aclose()

    (rest,) = (await source.plan(Progress(plan.scope, (Interval(partition.start, first.upto),)))).partitions
    batches: list[Batch] = await read(source, rest)

    assert first.rows.num_rows + sum(batch.rows.num_rows for batch in batches) == MANY
    with pytest.raises(RowsGone, match=f"at row 0, when {MANY:,} had been read"):
        await read(source, Partition(0, partition.start, partition.end))


def test_importing_penstock_imports_nothing_heavy() -> None:
    """Only a call of `run` does."""
    program = "import sys, penstock; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert {"asyncio", "pyarrow", "penstock.pipelines"}.isdisjoint(loaded)


class TestRows(SourceSuite):
    """Rows that can be read again keep the contract of a source."""

    def make(self) -> Source:
        """More than one chunk, some rows refused."""
        rows = [{"id": number, "name": str(number)} for number in range(CHUNK_ROWS + 2)]
        source = Rows.of([*rows, {"id": "x"}, {"id": 1}])
        source.epoch = "given"
        return source
