"""Tables of text: where their records end, which types their columns have, and what becomes of what is no row."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.model.metrics import Counters
from penstock.ports.ends import Surroundings
from penstock.ports.source import Partition, Progress
from penstock.stores.columns import said
from penstock.stores.csv import SOURCE, _count
from penstock.stores.csv.records import Dialect, UnusableMark
from penstock.stores.csv.rows import UnusableHeader
from penstock.stores.csv.settings import CsvSink, CsvSource
from penstock.stores.csv.source import UnusableEncoding, source
from penstock.stores.files.errors import NoSuchFile
from penstock.stores.files.stream import Limits
from penstock.stores.memory import MemoryCheckpoints
from penstock.testing.sources import contents, read
from tests.unit.files.reading import Pipeline

CELL = st.text(st.sampled_from('ab ,"\n\r;é'), max_size=6)
RAW = st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b'""', b"\r\n", b"1", b"\xff", b" "]), max_size=40).map(b"".join)


async def brought(folder: Path, content: bytes, **given_: Any) -> Pipeline:  # noqa: ANN401 - whatever the settings are
    """What one run makes of a file."""
    (folder / "a.csv").write_bytes(content)
    pipeline = Pipeline()
    await pipeline.run(source(CsvSource("a.csv", **given_), folder))
    return pipeline


def rows_of(pipeline: Pipeline) -> list[dict[str, Any]]:
    """All rows."""
    return [row for batch in pipeline.batches for row in batch.rows.to_pylist()]


@settings(deadline=None, max_examples=60)
@given(table=st.lists(st.tuples(CELL, CELL), max_size=12), block=st.integers(1, 40))
async def test_what_a_writer_wrote_is_read(tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], block: int) -> None:
    """Cells with delimiters, quotes and line ends in them come back as they were, however the file is cut."""
    folder = tmp_path_factory.mktemp("csv")
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("one", "two"), *table])
    (folder / "a.csv").write_bytes(text.getvalue().encode())
    pipeline = Pipeline()

    rows = await pipeline.run(source(CsvSource("a.csv", {"one": "string", "two": "string"}), folder, block_bytes=block))

    assert [(row["one"], row["two"]) for row in rows] == table
    assert pipeline.refused == []


@settings(deadline=None, max_examples=100)
@given(body=RAW, block=st.integers(1, 40), data=st.data())
async def test_any_cut_of_any_content_goes_on_exactly(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, block: int, data: st.DataObject
) -> None:
    """Whatever a file holds, however it is cut and wherever a run ends, the records are those of one reading in one go, once each."""
    folder = tmp_path_factory.mktemp("cut")
    (folder / "a.csv").write_bytes(b"one,two\n" + body + b"\n")
    stated = CsvSource("a.csv", {"one": "string", "two": "int64"}, complete=True)
    whole, small = source(stated, folder), source(stated, folder, block_bytes=block)
    (partition,) = (await whole.plan(Progress())).partitions
    expected = contents(await read(whole, partition))

    batches = await read(small, partition)
    cut = data.draw(st.integers(0, len(batches) - 1))
    rest = await read(source(stated, folder, block_bytes=block), Partition(0, batches[cut].after, partition.end))

    assert contents(batches) == expected
    assert contents([*batches[:cut], *rest]) == expected


@given(RAW)
def test_records_are_the_whole_block(block: bytes) -> None:
    """Nothing of a block is in no record, or in two; what is whole is a part of the records."""
    records = list(Dialect().split(block))

    assert b"".join(records).rstrip(b"\n") == block.rstrip(b"\n")
    assert Dialect().whole(block) <= len(block)


@given(RAW, st.integers(0, 9), st.integers(1, 9))
def test_the_last_finished_record_is_found_in_pieces(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, quoted: int, block: int
) -> None:
    """A file is finished up to where whole records reach, wherever it is looked into and however small the pieces are."""
    path = tmp_path_factory.mktemp("end") / "a.csv"
    path.write_bytes(b'"' * quoted + body)

    assert Dialect().finished(path, 0, Limits(block)) == Dialect().whole(path.read_bytes())


@pytest.mark.parametrize(("tail", "finished"), [(b"", 0), (b"2,x\n", 4), (b"2,x\n3", 4), (b'2,"open\n', 0)])
def test_a_record_that_is_too_long_is_finished_with_its_line(tmp_path: Path, tail: bytes, finished: int) -> None:
    """What stands behind a quote that is never closed is not waited for once it is too much; a long line without its end is."""
    path, long = tmp_path / "a.csv", b'1,"' + b"x" * 60
    path.write_bytes(long + b"\n" + tail)
    assert Dialect().finished(path, 0, Limits(10, 50)) == len(long) + 1 + finished

    path.write_bytes(long)
    assert Dialect().finished(path, 0, Limits(10, 50)) == 0


async def test_a_quote_in_the_middle_of_a_field_opens_nothing(tmp_path: Path) -> None:
    """An inch mark is a character like others: what follows it is read, and nothing waits."""
    pipeline = await brought(tmp_path, b'id,size\n1,5" pipe\n2,x\n')

    assert rows_of(pipeline) == [{"id": 1, "size": '5" pipe'}, {"id": 2, "size": "x"}]
    assert SOURCE.pending is not None
    assert SOURCE.pending(CsvSource("a.csv"), Surroundings("p", tmp_path, MemoryCheckpoints(), Counters.zero())) == ""


async def test_a_later_number_keeps_its_digits(tmp_path: Path) -> None:
    """Behind the rows of which columns were inferred, leading noughts and too many digits refuse a row."""
    fine = b"7,0.30000000000000004"
    odd = [b"007,1", b"0x1f,1", b"7,-00.5", b"7,1.2345678901234567890", b"7,1e999", b" 7,12345678901234567890.1", b"-0,x"]
    content = b"whole,other\n" + b"1,1.5\n" * 400_000 + b"".join(cell + b"\n" for cell in [*odd, fine])
    pipeline = await brought(tmp_path, content)

    assert rows_of(pipeline)[400_000:] == [{"whole": 7, "other": 0.30000000000000004}]
    assert [one.raw for one in pipeline.refused] == odd
    stated = await brought(tmp_path, b"whole,other\n007,1.2345678901234567890\n", columns={"whole": "int64", "other": "float64"})
    assert rows_of(stated) == [{"whole": 7, "other": 1.2345678901234567}]


def test_blank_lines_of_a_written_table_are_rows(tmp_path: Path) -> None:
    """In a table of one column null is nothing at all, and counts as a row of the sink all the same."""
    for rows in (['"a"', "", "1", ""], ['"a"', "", '"x"', ""]):
        (tmp_path / "a.csv").write_text("".join(f"{row}\n" for row in rows))
        assert _count(CsvSink("a.csv"), tmp_path / "a.csv") == 3


async def test_types_are_inferred_and_stated(tmp_path: Path) -> None:
    """Columns have the narrowest type that holds what is written; a stated type comes before."""
    content = b"id,zip,amount,at,empty\n1,007,1.5,2026-11-20T10:00:00Z,\n2,008,2,,\n"

    pipeline = await brought(tmp_path, content, columns={"amount": "decimal(9, 2)"})

    schema = pipeline.batches[0].rows.schema
    assert [(column.name, said(column)) for column in schema] == [
        ("id", "int64"), ("zip", "string"), ("amount", "decimal(9, 2)"), ("at", "timestamp"), ("empty", "string"),
    ]  # fmt: skip
    assert rows_of(pipeline)[0]["at"] == datetime(2026, 11, 20, 10, tzinfo=UTC)


async def test_nothing_written_is_null_and_quotes_are_an_empty_text(tmp_path: Path) -> None:
    """What PostgreSQL means by it, too."""
    pipeline = await brought(tmp_path, b'a,b\n,""\n')

    assert rows_of(pipeline) == [{"a": None, "b": ""}]


async def test_what_is_no_row_is_refused_with_its_line(tmp_path: Path) -> None:
    """A record with another number of fields, of another encoding, or with a value of another type is refused with its line."""
    content = b'id,name\n1,"two\nlines"\n2\n3,\xff\n\nx,4\n5,"open\n'

    pipeline = await brought(tmp_path, content, columns={"id": "int64"}, complete=True)

    assert [row["id"] for row in rows_of(pipeline)] == [1]
    assert [(one.raw, one.reason, one.origin) for one in pipeline.refused] == [
        (b"2", "it has 1 fields, not 2", "a.csv, line 4"),
        (b"3,\xff", "it is not valid utf-8", "a.csv, line 5"),
        (b"x,4", "id: 'x' is no int64", "a.csv, line 7"),
        (b'5,"open', "its quotes or its line ends do not make it one row", "a.csv, line 8"),
    ]


async def test_a_record_waits_for_its_quotes(tmp_path: Path) -> None:
    """A line end inside of quotes does not finish a record."""
    (tmp_path / "a.csv").write_bytes(b'id,name\n1,one\n2,"two\n')
    pipeline = Pipeline()
    assert [row["id"] for row in await pipeline.run(source(CsvSource("a.csv"), tmp_path))] == [1]
    with (tmp_path / "a.csv").open("ab") as file:
        file.write(b'lines"\n3,three\n4')

    assert [row["name"] for row in await pipeline.run(source(CsvSource("a.csv"), tmp_path))] == ["two\nlines", "three"]


async def test_other_marks_and_encodings(tmp_path: Path) -> None:
    """Delimiter, quote, names and encoding are what the file has."""
    content = "1;'é;è'\n2;ü\n".encode("cp1252")

    pipeline = await brought(tmp_path, content, names=("id", "name"), delimiter=";", quote="'", encoding="cp1252")

    assert rows_of(pipeline) == [{"id": 1, "name": "é;è"}, {"id": 2, "name": "ü"}]


async def test_files_may_have_other_columns(tmp_path: Path) -> None:
    """Columns go by their names, in whatever order; what is missing is null, and what is new comes as text."""
    (tmp_path / "a.csv").write_bytes(b"id,name\n1,one\n" + b"1,one\n" * 400_000)
    (tmp_path / "b.csv").write_bytes(b"new,id\nx,2\n")
    pipeline = Pipeline()

    rows = await pipeline.run(source(CsvSource("*.csv"), tmp_path))

    assert rows[-1] == {"id": 2, "name": None, "new": "x"}


async def test_a_record_that_never_ends_is_skipped_line_by_line(tmp_path: Path) -> None:
    """A quote that is never closed does not fill the memory: beyond the limit its line is refused, and reading goes on behind it."""
    (tmp_path / "a.csv").write_bytes(b'id,name\n1,"open\n' + b"".join(b"%d,row\n" % number for number in range(2, 600)))
    pipeline = Pipeline()

    rows = await pipeline.run(source(CsvSource("a.csv", {"id": "int64"}, complete=True, max_record_bytes=500), tmp_path, block_bytes=100))

    assert [row["id"] for row in rows] == list(range(2, 600))
    assert [one.origin for one in pipeline.refused] == ["a.csv, line 2"]


@pytest.mark.parametrize("first", [b"", b"a,a\n", b"a,\n", b"\xff,b\n"])
def test_a_header_that_names_no_columns_is_told(tmp_path: Path, first: bytes) -> None:
    """Where the first record does not name the columns, nothing is read."""
    (tmp_path / "a.csv").write_bytes(first + b"1,2\n")
    if first:
        with pytest.raises(UnusableHeader):
            source(CsvSource("a.csv"), tmp_path)


@pytest.mark.parametrize(("delimiter", "quote"), [(",", ","), (";;", '"'), ("\n", '"'), (",", "é"), ("", '"')])
def test_marks_that_cannot_be_are_told(tmp_path: Path, delimiter: str, quote: str) -> None:
    """A delimiter and a quote are one character each, and two different ones."""
    with pytest.raises(UnusableMark):
        source(CsvSource("a.csv", delimiter=delimiter, quote=quote), tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "shift_jis", "klingon", "utf-7"])
def test_encodings_that_cannot_be_cut_are_told(tmp_path: Path, encoding: str) -> None:
    """A byte that looks like a line end has to be one."""
    with pytest.raises(UnusableEncoding):
        source(CsvSource("a.csv", encoding=encoding), tmp_path)


def test_no_file_is_there(tmp_path: Path) -> None:
    """A pattern that matches nothing is told."""
    with pytest.raises(NoSuchFile):
        source(CsvSource("*.csv"), tmp_path)
