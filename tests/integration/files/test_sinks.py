"""Files that a pipeline writes: what they hold, whose they are, and what becomes of those that are somebody else's."""

from __future__ import annotations

import asyncio
import math
import shutil
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from penstock.engine.ledger import RefusalLimit
from penstock.engine.run import EngineSettings
from penstock.engine.tasks import Task, complete
from penstock.engine.telemetry import Telemetry
from penstock.model.metrics import Counters
from penstock.ports.checkpoints import Outcome, Pipeline
from penstock.ports.ends import Intake, Mode, SinkKind, Surroundings
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Progress, Source
from penstock.stores import csv, jsonl, parquet
from penstock.stores.columns import json_field
from penstock.stores.csv.settings import CsvSink, CsvSource
from penstock.stores.files.errors import FileDoesNotFit, FileLost, ForeignFile, NeedsFile, NoSuchFile, NoSuchFolder, NotReadable, OtherMode
from penstock.stores.jsonl.settings import JsonlSink, JsonlSource
from penstock.stores.memory import MemoryCheckpoints, MemorySource
from penstock.stores.parquet.settings import ParquetSink, ParquetSource
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints
from penstock.stores.sqlite.database import Database
from penstock.testing import records
from tests.unit.files.reading import Pipeline as Reading

KINDS: dict[str, tuple[SinkKind, object]] = {
    "jsonl": (jsonl.SINK, JsonlSink("out")),
    "csv": (csv.SINK, CsvSink("out")),
    "parquet": (parquet.SINK, ParquetSink("out")),
}
VALUES = pa.RecordBatch.from_arrays(
    [
        pa.array([True, None]),
        pa.array([-(2**63), None]),
        pa.array([0.1, None]),
        pa.array(['a "quoted"\ntext, ü', ""]),
        pa.array([b"\0\xff", None]),
        pa.array([datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        pa.array([datetime(2026, 11, 20, 10), None], pa.timestamp("us")),  # noqa: DTZ001 - without a zone is the point
        pa.array([date(2026, 11, 20), None]),
        pa.array([time(1, 2, 3, 4), None], pa.time64("us")),
        pa.array([Decimal("12.30"), None], pa.decimal128(9, 2)),
        pa.array([UUID(int=7).bytes, None], pa.uuid()),
        pa.array(['{"deep": [1.10]}', None]),
    ],
    schema=pa.schema(
        [
            *(pa.field(name, type_) for name, type_ in zip("abcd", (pa.bool_(), pa.int64(), pa.float64(), pa.string()), strict=True)),
            pa.field("e", pa.binary()),
            pa.field("f", pa.timestamp("us", "UTC")),
            pa.field("g", pa.timestamp("us")),
            pa.field("h", pa.date32()),
            pa.field("i", pa.time64("us")),
            pa.field("j", pa.decimal128(9, 2)),
            pa.field("k", pa.uuid()),
            json_field("l"),
        ]
    ),
)
TYPES = {
    "a": "bool", "b": "int64", "c": "float64", "d": "string", "e": "binary", "f": "timestamp", "g": "datetime", "h": "date", "i": "time",
    "j": "decimal(9, 2)", "k": "uuid", "l": "json",
}  # fmt: skip


@dataclass
class Place:
    """A folder with the state of a pipeline in it."""

    folder: Path
    telemetry: Telemetry = field(default_factory=Telemetry)

    @property
    def around(self) -> Surroundings:
        """The surroundings of a run."""
        return Surroundings("sinks", self.folder, SqliteCheckpoints(Database(self.folder / "home" / "state.sqlite")), Counters.zero())

    async def run(self, kind: str, source: Source, mode: Mode = "append") -> Outcome:
        """Carry a source to its end."""
        sink, settings = KINDS[kind]

        async def conclude(done: Progress) -> Outcome:
            return Outcome("completed", f"{len(done.coverage)}")

        engine = EngineSettings(reconnect_first_s=0, refusals=RefusalLimit(percent=100))
        async with sink.open(settings, self.around, Intake(mode)) as destination:
            task = Task(
                Pipeline("run/sinks", "s"),
                source,
                destination,
                engine,
                Telemetry(),
                conclude,
                asyncio.Event(),
                anew=lambda done: mode == "replace" and complete(done),
            )
            return await task.perform()

    async def look(self, kind: str, schema: pa.Schema = records.SCHEMA, mode: Mode = "append") -> str:
        """What is there."""
        sink, settings = KINDS[kind]
        return await sink.look(settings, self.around, Intake(mode), schema)

    async def count(self, kind: str) -> int:
        """How many rows a reader finds."""
        sink, settings = KINDS[kind]
        assert sink.count is not None
        return await sink.count(settings, self.around, Intake())


class Broken(MemorySource):
    """A source that fails after its first batch."""

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """Read, and fail."""
        yield await anext(MemorySource.read(self, partition))
        raise FileLost("on purpose")


class Joining(MemorySource):
    """A source whose refused records of a batch are one letter."""

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """Read, and join."""
        async for batch in MemorySource.read(self, partition):
            yield records.in_one_letter(batch)


def hidden(place: Place) -> list[str]:
    """What is there beside the data, its state apart, and apart from the folder that a link leads to."""
    out = place.folder / "out"
    shown = out.readlink().name if out.is_symlink() else ""
    return [path.name for path in place.folder.glob(".*") if path.name != shown]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty one."""
    return Place(tmp_path)


def memory(batch: pa.RecordBatch) -> MemorySource:
    """Rows as a source."""
    return MemorySource(pa.Table.from_batches([batch]), epoch="records")


@asynccontextmanager
async def reread(kind: str, place: Place) -> AsyncIterator[Source]:
    """What was written, as a source of the same kind."""
    source = {
        "jsonl": (jsonl.SOURCE, JsonlSource("out", TYPES)),
        "csv": (csv.SOURCE, CsvSource("out", TYPES)),
        "parquet": (parquet.SOURCE, ParquetSource("out/*.parquet")),
    }[kind]
    async with source[0].open(source[1], place.around) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
async def test_values_of_every_type_come_back(place: Place, kind: str) -> None:
    """What is written of every type is read as the same values, null and the empty text told apart."""
    await place.run(kind, memory(VALUES))

    async with reread(kind, place) as source:
        rows = await Reading().run(source)

    assert rows == VALUES.to_pylist()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_second_run_has_nothing_to_do(place: Place, kind: str) -> None:
    """Running again adds nothing; what a reader finds is what was stored, and looking changes nothing."""
    assert "will be" in await place.look(kind)
    await place.run(kind, records.source(30))
    await place.run(kind, records.source(30))

    assert await place.count(kind) == 30
    assert "of this pipeline" in await place.look(kind) or "from this pipeline" in await place.look(kind)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreign_file_is_left_alone(place: Place, kind: str) -> None:
    """A file or folder of that name which this pipeline did not write is told before anything is changed."""
    foreign = place.folder / ("out/x.parquet" if kind == "parquet" else "out")
    foreign.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"id": [1]}), foreign)
    before = foreign.read_bytes()

    with pytest.raises(ForeignFile, match=str(foreign)):
        await place.look(kind)
    with pytest.raises(ForeignFile, match=str(foreign)):
        await place.run(kind, records.source(3))

    assert foreign.read_bytes() == before


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("damage", ["gone", "shorter", "another"])
async def test_a_damaged_file_is_told(place: Place, kind: str, damage: str) -> None:
    """A file that was removed, cut or rewritten is not written on."""
    await place.run(kind, records.source(3))
    path = place.folder / "out"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-4] if damage == "shorter" else b"x" * 999)

    with pytest.raises(ForeignFile if damage == "another" else FileLost):
        await place.look(kind)


async def test_a_lost_parquet_file_is_told(place: Place) -> None:
    """Rows that were stored and are gone are not passed over."""
    await place.run("parquet", records.source(3))
    next((place.folder / "out").glob("*.parquet")).unlink()

    with pytest.raises(FileLost, match="part-"):
        await place.run("parquet", records.source(3))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
async def test_other_columns_do_not_fit(place: Place, kind: str) -> None:
    """A table of text keeps the columns it began with, and the files of a folder the types."""
    await place.run(kind, records.source(3))
    other = pa.schema([pa.field("id", pa.string()), pa.field("more", pa.string())])

    with pytest.raises(FileDoesNotFit):
        await place.look(kind, other)


async def test_new_columns_are_in_new_parquet_files(place: Place) -> None:
    """A folder takes rows with more columns; its older files have none of them."""
    await place.run("parquet", records.source(3))

    assert "1 files" in await place.look("parquet", records.SCHEMA.append(pa.field("more", pa.string())))


@pytest.mark.parametrize("kind", KINDS)
async def test_replacing_shows_the_old_rows_until_the_new_ones_are_complete(place: Place, kind: str) -> None:
    """The rows of the last complete run stay until those of the next are all there; then they are gone."""
    await place.run(kind, records.source(30), "replace")

    with pytest.raises(FileLost):
        await place.run(kind, Broken(records.source(50).table, batch_rows=10, epoch="records"), "replace")
    assert await place.count(kind) == 30
    await place.run(kind, records.source(50), "replace")

    assert await place.count(kind) == 50
    assert hidden(place) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_rows_replace_themselves(place: Place, kind: str) -> None:
    """A run that brings what is there already leaves one file, with each row once."""
    for _ in range(3):
        await place.run(kind, records.source(30), "replace")

    assert await place.count(kind) == 30
    assert hidden(place) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreign_file_is_not_replaced(place: Place, kind: str) -> None:
    """A file that was put in the place of ours, or was there before, stays."""
    (place.folder / "out").write_bytes(b"somebody else's")

    with pytest.raises(ForeignFile):
        await place.run(kind, records.source(3), "replace")

    assert (place.folder / "out").read_bytes() == b"somebody else's"


async def test_a_link_of_somebody_else_is_not_replaced(place: Place) -> None:
    """A link that leads elsewhere stays, with what it leads to."""
    (place.folder / "elsewhere").mkdir()
    (place.folder / "out").symlink_to("elsewhere")

    with pytest.raises(ForeignFile):
        await place.look("parquet", mode="replace")
    with pytest.raises(ForeignFile):
        await place.run("parquet", records.source(3), "replace")

    assert (place.folder / "out").readlink() == Path("elsewhere")


@pytest.mark.parametrize(("before", "after"), [("append", "replace"), ("replace", "append")])
async def test_parquet_does_not_go_from_one_mode_to_the_other(place: Place, before: Mode, after: Mode) -> None:
    """A folder that is added to and one that is replaced differ; the run says so, forgets nothing, and the mode before goes on."""
    await place.run("parquet", records.source(3), before)

    with pytest.raises(OtherMode):
        await place.look("parquet", mode=after)
    with pytest.raises(OtherMode):
        await place.run("parquet", records.source(3), after)
    await place.run("parquet", records.source(3), before)

    assert await place.count("parquet") == 3


async def test_positions_without_their_folder_are_of_another_mode(place: Place) -> None:
    """Where a folder that was added to was moved away, its positions are not taken for those of a new generation."""
    await place.run("parquet", records.source(3))
    shutil.rmtree(place.folder / "out")

    with pytest.raises(OtherMode):
        await place.run("parquet", records.source(3), "replace")


async def test_a_copy_in_the_place_of_the_link_is_foreign(place: Place) -> None:
    """A folder of files that somebody put where the link was is not replaced."""
    await place.run("parquet", records.source(3), "replace")
    shutil.copytree(place.folder / "out", place.folder / "copy")
    (place.folder / "out").unlink()
    (place.folder / "copy").rename(place.folder / "out")

    with pytest.raises(ForeignFile):
        await place.run("parquet", records.source(3), "replace")


async def test_a_link_that_is_gone_is_made_again(place: Place) -> None:
    """Removing the link removes no rows: looking says it will be made, and the next run shows its own."""
    await place.run("parquet", records.source(3), "replace")
    (place.folder / "out").unlink()

    assert "will be made" in await place.look("parquet", mode="replace")
    await place.run("parquet", records.source(5), "replace")

    assert await place.count("parquet") == 5


async def test_what_was_not_confirmed_is_not_taken_into_a_new_generation(place: Place) -> None:
    """A file that got its name in a generation of which nothing is stored goes with it, and its rows are read again as they are now."""
    before, now = (pa.RecordBatch.from_pydict({"id": ids}) for ids in ([7, 8], [1, 2, 3]))
    await place.run("parquet", memory(before), "replace")
    with pytest.raises(FileLost):
        await place.run("parquet", Broken(pa.Table.from_batches([now]), epoch="records"), "replace")
    (generation,) = hidden(place)
    (file,) = (place.folder / "out").glob("*.parquet")
    shutil.copy(file, place.folder / generation)

    await place.run("parquet", memory(now), "replace")

    assert pq.read_table(place.folder / "out").column("id").to_pylist() == [1, 2, 3]
    assert hidden(place) == []


async def test_numbers_that_json_cannot_say_are_refused(place: Place) -> None:
    """A row with an infinite number becomes a dead letter; the others are written."""
    rows = pa.RecordBatch.from_pydict({"id": [1, 2, 3], "x": [1.5, math.inf, math.nan]})

    await place.run("jsonl", memory(rows))

    assert (place.folder / "out").read_bytes() == b'{"id":1,"x":1.5}\n'


@pytest.mark.parametrize("kind", KINDS)
async def test_a_folder_that_is_not_there_is_told(place: Place, kind: str) -> None:
    """Folders above are not made."""
    sink, settings = KINDS[kind]

    with pytest.raises(NoSuchFolder, match="nowhere"):
        await sink.look(replace(settings, path="nowhere/out"), place.around, Intake(), records.SCHEMA)  # type: ignore[type-var]


@pytest.mark.parametrize("kind", KINDS)
async def test_positions_need_a_sqlite_file(place: Place, kind: str) -> None:
    """Without one there is no transaction to confirm files in."""
    sink, settings = KINDS[kind]

    with pytest.raises(NeedsFile):
        async with sink.open(settings, replace(place.around, checkpoints=MemoryCheckpoints()), Intake()):
            pass


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_where_the_rows_are(place: Place, kind: str) -> None:
    """The place and a command that shows the rows."""
    sink, settings = KINDS[kind]

    assert sink.place(settings, place.around) == str(place.folder / "out")
    assert str(place.folder / "out") in sink.show(settings, place.around)


@pytest.mark.parametrize("module", [jsonl, csv, parquet])
def test_a_source_says_which_files_it_reads(place: Place, module: ModuleType) -> None:
    """The identity names the format, the folder and the pattern."""
    assert str(place.folder / "x") in module.SOURCE.identity(module.SOURCE.settings("x"), place.around)


@pytest.mark.parametrize(("module", "more"), [(jsonl, b'{"id": '), (csv, b'2,"two\n')])
def test_an_unfinished_record_is_said(place: Place, module: ModuleType, more: bytes) -> None:
    """What waits at the end of a file for the rest of its record is told with its size; where nothing waits, nothing is."""
    path = place.folder / "x"
    path.write_bytes(b"id,name\n")
    settings = module.SOURCE.settings("x")

    assert module.SOURCE.pending(settings, place.around) == ""
    with path.open("ab") as file:
        file.write(more)

    assert f"x ({len(more)} bytes)" in module.SOURCE.pending(settings, place.around)
    assert module.SOURCE.pending(replace(settings, complete=True), place.around) == ""


@pytest.mark.parametrize(("kind", "wanted"), [(MemorySource, [(b"row 3", 1), (b"row 4", 1)]), (Joining, [(b"row 3", 2)])])
async def test_a_file_that_got_its_name_and_no_more_is_committed(
    place: Place, kind: type[MemorySource], wanted: list[tuple[bytes, int]]
) -> None:
    """Where the transaction that named a file was lost, its footer tells the next run everything, dead letters included."""
    source = kind(pa.Table.from_batches([records.rows(range(30))]), refused=frozenset({3, 4}))
    await place.run("parquet", source)
    checkpoints = place.around.checkpoints
    assert isinstance(checkpoints, SqliteCheckpoints)
    pipeline = Pipeline("run/sinks", "s")
    before = await checkpoints.peek(pipeline)

    def lose(connection: sqlite3.Connection) -> None:
        for table in ("coverage", "dead_letters"):
            connection.execute(f"delete from penstock_{table}")
        connection.execute("delete from penstock_written_files where path like '%.parquet'")

    await checkpoints.database.transact(lose)
    (file,) = (place.folder / "out").glob("*.parquet")
    shutil.copy(file, file.with_name("copy.parquet"))
    pq.write_table(pa.table({"id": [1]}), file.with_name("foreign.parquet"))
    await place.run("parquet", source)

    assert await checkpoints.peek(pipeline) == before
    sql = "select raw, records from penstock_dead_letters"
    letters = await checkpoints.database.transact(lambda connection: connection.execute(sql).fetchall())
    assert [(row["raw"], row["records"]) for row in letters] == wanted
    assert len(list((place.folder / "out").glob("part-*.parquet"))) == 1
    await checkpoints.database.close()


@pytest.mark.parametrize("content", [b"no Parquet at all", b""])
async def test_what_is_no_parquet_is_told(place: Place, content: bytes) -> None:
    """A file that is damaged, or something else, stops the run with its name."""
    (place.folder / "x.parquet").write_bytes(content)

    with pytest.raises(NotReadable, match=r"x\.parquet"):
        async with parquet.SOURCE.open(ParquetSource("*.parquet"), place.around):
            pass
    with pytest.raises(NoSuchFile):
        async with parquet.SOURCE.open(ParquetSource("none/*.parquet"), place.around):
            pass
