"""Files of JSON lines: which rows they hold, how they grow, and what becomes of what is no row."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.model.coverage import missing
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, PositionLost, Progress
from penstock.stores.columns import UnknownType, conform, said
from penstock.stores.files.errors import FileNotAccessible, FileReplaced, NoColumns, NoSuchFile, NotReadable
from penstock.stores.files.source import FileSource
from penstock.stores.jsonl.settings import JsonlSource
from penstock.stores.jsonl.source import source
from penstock.testing.sources import read
from tests.unit.files.reading import Pipeline

LINE = st.one_of(
    st.builds(lambda number, name: json.dumps({"id": number, "name": name}).encode(), st.integers(0, 99), st.text(max_size=8)),
    st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from([b"", b" ", b"\r", b'{"id": 1}\r', b' {"id": 2} ', b"{}", b"null", b'{"id":1}{"id":2}', b'{"id": 3, "new": [1]}']),
    st.sampled_from(
        [b'{"id":', b"1}", b'{"id": "x"}', b'{"name": 5}', b'{"id": 1.5}', b'{"name": "\\ud800"}', b'{"id": 9223372036854775808}']
    ),
)
FIRST = b'{"id": 0, "name": "first"}\n'


def lines(*rows: dict[str, Any]) -> bytes:
    """Rows as they are written."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def numbered(low: int, high: int) -> bytes:
    """Rows with these numbers."""
    return lines(*({"id": number} for number in range(low, high)))


def ids(rows: list[dict[str, Any]]) -> list[int]:
    """Their numbers."""
    return [row["id"] for row in rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "orders.jsonl"


def opened(path: Path, **given_: Any) -> FileSource:  # noqa: ANN401 - whatever the settings are
    """The file as a source."""
    return source(JsonlSource(path.name, **given_), path.parent)


async def brought(path: Path, **given_: Any) -> Pipeline:  # noqa: ANN401 - as above
    """What one run makes of a file."""
    pipeline = Pipeline()
    await pipeline.run(opened(path, **given_))
    return pipeline


@settings(deadline=None, max_examples=60)
@given(body=st.lists(LINE, max_size=30), block=st.integers(1, 80), partition=st.integers(1, 300), data=st.data())
async def test_any_cut_of_any_content_goes_on_exactly(
    tmp_path_factory: pytest.TempPathFactory, body: list[bytes], block: int, partition: int, data: st.DataObject
) -> None:
    """Whatever a file holds, however it is cut and wherever a run ends, the records are those of one reading in one go, once each."""
    folder = tmp_path_factory.mktemp("cut")
    (folder / "a.jsonl").write_bytes(FIRST + b"".join(line + b"\n" for line in body))
    stated = JsonlSource("a.jsonl", columns={"id": "int64", "name": "string"})
    whole = source(stated, folder)
    plan = await whole.plan(Progress())
    expected = [batch for one in plan.partitions for batch in await read(whole, one)]

    small = source(stated, folder, partition, block)
    batches = [batch for one in (await small.plan(Progress())).partitions for batch in await read(small, one)]
    cut = data.draw(st.integers(0, len(batches) - 1))
    rest = await read(source(stated, folder, partition, block), Partition(0, batches[cut].after, plan.scope.span.end))

    assert fitted(batches) == fitted([*batches[:cut], *rest]) == fitted(expected)
    assert sum(batch.received for batch in batches) == sum(bool(line.strip()) for line in [FIRST, *body])


def fitted(batches: list[Batch]) -> tuple[list[dict[str, Any]], list[bytes], int]:
    """Rows and refused bytes in order, and how many rows do not fit the stated columns, whichever others their batch had."""
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])
    found = [conform(batch.rows, schema) for batch in batches]
    refused = [refusal.raw for batch in batches for refusal in batch.refused]
    return [row for one in found for row in one.rows.to_pylist()], refused, sum(len(one.refused) for one in found)


async def test_columns_are_inferred_from_the_first_rows(path: Path) -> None:
    """Values of JSON's own types keep them; nested ones are JSON text as it was received."""
    path.write_bytes(b'{"a": 1, "b": 1.5, "c": "x", "d": true, "e": {"deep": [1.10]}, "f": null}\n')

    rows = opened(path)

    assert [(column.name, said(column)) for column in rows.schema] == [
        ("a", "int64"), ("b", "float64"), ("c", "string"), ("d", "bool"), ("e", "json"),
    ]  # fmt: skip
    assert await Pipeline().run(rows) == [{"a": 1, "b": 1.5, "c": "x", "d": True, "e": '{"deep": [1.10]}'}]


async def test_whole_numbers_among_fractions_keep_their_digits(path: Path) -> None:
    """A whole number that a float64 would round refuses its row; one that it is written with, and a large fraction, are what they are."""
    path.write_bytes(b'{"id": 9007199254740993, "a": 1.5}\n' * 70_000)
    numbers = [b"9007199254740993", b"-100000000000000000", b"1e300", b"9007199254740992", b"9007199254740995 "]
    with path.open("ab") as file:
        file.write(b"".join(b'{"id": 1, "a": %s}\n' % number for number in numbers))
    pipeline = Pipeline()

    rows = await pipeline.run(opened(path))

    assert [row["a"] for row in rows[70_000:]] == [-1e17, 1e300, 2.0**53]
    assert [refusal.reason for refusal in pipeline.refused] == ["a: 9007199254740993 is no float64", "a: 9007199254740995 is no float64"]


async def test_stated_types_are_parsed(path: Path) -> None:
    """A column of a stated type is read as that, and a text that is no such value refuses its row."""
    path.write_bytes(
        lines({"id": 1, "at": "2026-11-20T10:00:00Z"}, {"id": 2, "at": "yesterday"}, {"id": 3, "at": None}, {"id": 4, "at": 5})
    )

    pipeline = await brought(path, columns={"at": "timestamp", "more": "string"})

    assert [row["id"] for batch in pipeline.batches for row in batch.rows.to_pylist()] == [1, 3]
    assert said(pipeline.batches[0].rows.schema.field("at")) == "timestamp"
    assert [refusal.reason for refusal in pipeline.refused] == ["at: 'yesterday' is no timestamp", "at: 5 is no timestamp"]


async def test_what_is_no_row_is_refused_with_its_line(path: Path) -> None:
    """A line that is no object is refused with its bytes, its line number and why; the others are rows."""
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n\n[2]\n{"id": 3}{"id": 4}\n{"id": 5, "name": "\xff"}\n  {"id": 6}  \n{"id": \n7}\n')

    pipeline = await brought(path)

    assert [(refusal.raw, refusal.origin) for refusal in pipeline.refused] == [
        (b"[2]", "orders.jsonl, line 3"),
        (b'{"id": 3}{"id": 4}', "orders.jsonl, line 4"),
        (b'{"id": 5, "name": "\xff"}', "orders.jsonl, line 5"),
        (b'{"id":', "orders.jsonl, line 7"),
        (b"7}", "orders.jsonl, line 8"),
    ]
    assert [refusal.reason for refusal in pipeline.refused][:3] == [
        "it is no JSON object", "it is no JSON: JSON is malformed: trailing characters (byte 10)", "it is not valid UTF-8",
    ]  # fmt: skip


async def test_other_columns_and_values_come_as_they_are(path: Path) -> None:
    """A row with another column, or a value of another type, is not refused here: its batch has what it takes, and the contract decides."""
    path.write_bytes(lines({"id": 1}, *({"id": number} for number in range(2, 90_000)), {"id": "x", "new": 1}))

    pipeline = await brought(path)

    last = pipeline.batches[-1].rows
    assert [said(column) for column in last.schema] == ["json", "int64"]
    assert last.slice(last.num_rows - 2).to_pylist() == [{"id": "89999", "new": None}, {"id": '"x"', "new": 1}]
    assert pipeline.refused == []


async def test_a_line_that_is_too_long_is_skipped(tmp_path: Path) -> None:
    """A line over the limit is a dead letter that holds its beginning, memory stays bounded, and the lines around it are rows."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1}\n' + b'{"id": "' + b"x" * 300_000 + b'"}\n{"id": 3}\n')
    rows = source(JsonlSource("a.jsonl", {"id": "int64"}, max_line_bytes=2_000), tmp_path, block_bytes=1_000)
    pipeline = Pipeline()

    assert ids(await pipeline.run(rows)) == [1, 3]
    assert [(len(one.raw) <= 65_536, one.reason, one.origin) for one in pipeline.refused] == [
        (True, "it is too long: 300,011 bytes", "a.jsonl, line 2")
    ]


async def test_an_unfinished_line_waits(path: Path) -> None:
    """What follows the last line end is left for the run that finds it finished."""
    path.write_bytes(numbered(0, 3) + b'{"id": ')
    pipeline = Pipeline()

    assert ids(await pipeline.run(opened(path))) == [0, 1, 2]
    assert await pipeline.run(opened(path)) == []
    with path.open("ab") as file:
        file.write(b'3}\n{"id": 4}')

    assert ids(await pipeline.run(opened(path))) == [3]


async def test_a_complete_file_needs_no_last_line_end(path: Path) -> None:
    """Where the file is said to be complete its last line counts."""
    path.write_bytes(numbered(0, 3).rstrip())

    assert ids(await Pipeline().run(opened(path, complete=True))) == [0, 1, 2]


async def test_what_is_written_while_it_is_read_is_for_the_next_run(path: Path) -> None:
    """A run ends, however fast its file grows."""
    path.write_bytes(numbered(0, 3))
    pipeline, rows = Pipeline(), opened(path)
    await pipeline.run(rows)
    with path.open("ab") as file:
        file.write(numbered(3, 5))

    assert await pipeline.run(rows) == []
    assert ids(await pipeline.run(opened(path))) == [3, 4]


async def test_files_grow_and_new_ones_come(tmp_path: Path) -> None:
    """Each run brings what every file has more, and new files whatever their names, in the order of names; the coverage stays one piece."""
    (tmp_path / "b.jsonl").write_bytes(numbered(0, 2))
    pipeline = Pipeline()
    await pipeline.run(source(JsonlSource("*.jsonl"), tmp_path))
    for number in range(3):
        with (tmp_path / "b.jsonl").open("ab") as file:
            file.write(numbered(10 * number, 10 * number + 2))
        (tmp_path / f"a{number}.jsonl").write_bytes(numbered(100 + number, 101 + number))

        assert ids(await pipeline.run(source(JsonlSource("*.jsonl"), tmp_path))) == [100 + number, 10 * number, 10 * number + 1]

    assert pipeline.done.scope is not None
    assert not list(missing(pipeline.done.coverage, pipeline.done.scope.span))
    assert await pipeline.run(source(JsonlSource("*.jsonl"), tmp_path)) == []


async def test_an_interrupted_increment_is_finished_first(tmp_path: Path) -> None:
    """A run that was interrupted goes on with what it had planned, and only then takes what has come since."""
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_bytes(numbered(0, 3))
    pipeline = Pipeline()
    await pipeline.run(source(JsonlSource("*.jsonl"), tmp_path, partition_bytes=1), partitions=2)
    with (tmp_path / "a.jsonl").open("ab") as file:
        file.write(numbered(3, 4))

    assert ids(await pipeline.run(source(JsonlSource("*.jsonl"), tmp_path))) == [2, 0, 1, 2, 3]


@pytest.mark.parametrize("change", ["cut short", "another", "same size"])
async def test_a_replaced_file_is_told(path: Path, change: str) -> None:
    """A file that is not the one that was read stops the run before anything of it is read, and the error says what to do."""
    path.write_bytes(numbered(0, 9))
    pipeline = await brought(path)
    path.write_bytes({"cut short": numbered(0, 3), "another": numbered(50, 99), "same size": numbered(0, 8) + b'{"id": 7}\n'}[change])

    with pytest.raises(FileReplaced, match=re.escape(str(path))) as error:
        await pipeline.run(opened(path))

    assert "penstock state reset" in error.value.hint


async def test_a_file_that_is_stored_may_go(tmp_path: Path) -> None:
    """Files that are stored wholly may be put away; one that is not may not."""
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_bytes(numbered(0, 3))
    pipeline = Pipeline()
    await pipeline.run(source(JsonlSource("*.jsonl"), tmp_path))
    (tmp_path / "a.jsonl").unlink()
    (tmp_path / "c.jsonl").write_bytes(numbered(3, 5))

    assert ids(await pipeline.run(source(JsonlSource("*.jsonl"), tmp_path))) == [3, 4]

    interrupted = Pipeline()
    await interrupted.run(source(JsonlSource("*.jsonl"), tmp_path, partition_bytes=1), partitions=1)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(PositionLost, match=r"b\.jsonl is gone"):
        await interrupted.run(source(JsonlSource("*.jsonl"), tmp_path))


async def test_a_file_that_is_cut_while_it_is_read_is_told(path: Path) -> None:
    """A file that ends earlier than it did when the run began stops the run."""
    path.write_bytes(numbered(0, 9))
    rows = opened(path)
    plan = await rows.plan(Progress())
    path.write_bytes(numbered(0, 3))

    with pytest.raises(FileReplaced):
        await read(rows, plan.partitions[0])


async def test_what_was_read_in_earlier_increments_cannot_be_asked_for(path: Path) -> None:
    """Of earlier increments only how far they went is known; coverage that lost a part of them has lost it for good."""
    path.write_bytes(numbered(0, 3))
    pipeline = await brought(path)
    with path.open("ab") as file:
        file.write(numbered(3, 5))
    await pipeline.run(opened(path))

    with pytest.raises(PositionLost, match="unit 0"):
        await opened(path).plan(Progress(pipeline.done.scope, ()))


async def test_a_packed_file_may_get_another_member(tmp_path: Path) -> None:
    """What is appended to a gzip file as a further member is read by the next run."""
    path = tmp_path / "orders.jsonl.gz"
    path.write_bytes(gzip.compress(numbered(0, 3)))
    pipeline = await brought(path)
    with path.open("ab") as file:
        file.write(gzip.compress(numbered(3, 5)))

    assert ids(await pipeline.run(opened(path))) == [3, 4]


@pytest.mark.parametrize("damage", [slice(0, -9), slice(0, 20)])
async def test_a_damaged_packed_file_is_told(tmp_path: Path, damage: slice) -> None:
    """A packed file that was cut short stops the run with its name."""
    path = tmp_path / "orders.jsonl.gz"
    path.write_bytes(gzip.compress(numbered(0, 3_000))[damage])

    with pytest.raises(NotReadable, match=r"orders\.jsonl\.gz"):
        await brought(path, columns={"id": "int64"})


async def test_nothing_is_there(tmp_path: Path) -> None:
    """No file, no row and no permission are one clear error each."""
    with pytest.raises(NoSuchFile, match=r"none\.jsonl"):
        opened(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(NoColumns, match=r"empty\.jsonl"):
        opened(tmp_path / "empty.jsonl")
    with pytest.raises(UnknownType, match="varchar"):
        opened(tmp_path / "empty.jsonl", columns={"a": "varchar"})


async def test_an_empty_file_with_stated_columns_is_nothing_to_read(path: Path) -> None:
    """Nothing is read of it, and what comes later is."""
    path.touch()
    pipeline = Pipeline()

    assert await pipeline.run(opened(path, columns={"id": "int64"})) == []
    path.write_bytes(numbered(0, 3))
    assert ids(await pipeline.run(opened(path, columns={"id": "int64"}))) == [0, 1, 2]


def test_a_failure_of_the_system_has_its_meaning(tmp_path: Path) -> None:
    """A folder in place of a file, and a file that may not be read."""
    from penstock.stores.files.errors import DiskFull, meaning  # noqa: PLC0415

    assert type(meaning(tmp_path, OSError(13, "Permission denied"))) is FileNotAccessible
    assert type(meaning(tmp_path, OSError(28, "No space left on device"))) is DiskFull
    assert type(meaning(tmp_path, OSError(5, "Input/output error"))) is NotReadable
    assert type(meaning(tmp_path, FileNotFoundError(2, "gone"))) is NoSuchFile


async def test_a_large_file_is_cut_into_a_bounded_number_of_parts(tmp_path: Path) -> None:
    """However small the parts that are asked for, there are no more stretches to keep account of than a thousand and a few."""
    (tmp_path / "a.jsonl").write_bytes(b'{"a":1}\n' * 3_000)

    plan = await source(JsonlSource("*.jsonl"), tmp_path, partition_bytes=1).plan(Progress())

    assert 900 < len(plan.partitions) <= 1_001
