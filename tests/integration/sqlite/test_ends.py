"""SQLite as a pipeline file names it: rows in each mode, every type there and back, and what is said about a table."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from penstock.model.counts import Counts
from penstock.model.coverage import Interval
from penstock.model.metrics import Counters
from penstock.ports.checkpoints import LeaseLost, Pipeline
from penstock.ports.ends import Intake, Surroundings
from penstock.ports.flow import Batch, Block, BlockId, Receipt
from penstock.ports.sink import Destination
from penstock.ports.source import Plan, Progress, Source
from penstock.stores.columns import is_json, json_field
from penstock.stores.memory import MemoryCheckpoints
from penstock.stores.sqlite import SINK, SOURCE
from penstock.stores.sqlite.column_types import affinity, takes
from penstock.stores.sqlite.errors import FileCannotBeOpened
from penstock.stores.sqlite.names import UnusableName
from penstock.stores.sqlite.settings import SqliteSinkSettings, SqliteSourceSettings
from penstock.stores.tables import ForeignTable, NoSuchColumnType, NoSuchKey, NoSuchTable, RowsWithoutKey, TableDoesNotFit, TableGone
from penstock.testing import records

SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])
PIPELINE = Pipeline("run/orders", "the test's records")
INTO = SqliteSinkSettings("data.sqlite", "orders")
EVERYTHING = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("flag", pa.bool_()),
        pa.field("ratio", pa.float64()),
        pa.field("note", pa.string()),
        pa.field("bytes", pa.binary()),
        pa.field("day", pa.date32()),
        pa.field("clock", pa.time64("us")),
        pa.field("moment", pa.timestamp("us", "UTC")),
        pa.field("wall", pa.timestamp("us")),
        pa.field("price", pa.decimal128(20, 4)),
        pa.field("mark", pa.uuid()),
        json_field("facts"),
    ]
)


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    """Paths begin at a folder of the test's own."""
    return Surroundings("orders", tmp_path, MemoryCheckpoints(), Counters.zero())


def block(rows: Sequence[dict[str, Any]], at: int = 0, schema: pa.Schema = SCHEMA) -> Block:
    """Rows as the `at`-th record on."""
    batch = Batch(pa.RecordBatch.from_pylist(list(rows), schema), (), records.place(at), records.place(at + len(rows)))
    return Block(BlockId(records.place(0), batch.after, batch.upto), (batch,))


def row(number: int | None, name: str | None) -> dict[str, Any]:
    """One order."""
    return {"id": number, "name": name}


async def write(to: Destination, *parts: Sequence[dict[str, Any]], at: int = 0, schema: pa.Schema = SCHEMA) -> list[Receipt]:
    """Write parts one after another, as a run of its own; published at the end."""
    run, receipts = await to.begin(PIPELINE, records.gone()), []
    async with to.open(run, schema) as writer:
        for rows in parts:
            receipts.append(await writer.write(block(rows, at, schema)))
            at += len(rows)
    await to.publish(run)
    return receipts


def read(around: Surroundings, sql: str = "select id, name from orders order by 1, 2") -> list[tuple[Any, ...]]:
    """What readers find."""
    with closing(sqlite3.connect(around.folder / "data.sqlite")) as connection:
        return connection.execute(sql).fetchall()


def change(around: Surroundings, sql: str) -> None:
    """Something that somebody else does to the file."""
    with closing(sqlite3.connect(around.folder / "data.sqlite")) as connection:
        connection.executescript(sql)


async def batches(source: Source, done: Progress) -> tuple[Plan, list[Batch]]:
    """What a run would read."""
    plan = await source.plan(done)
    return plan, [batch for partition in plan.partitions async for batch in source.read(partition)]


async def test_appending_keeps_every_row(around: Surroundings) -> None:
    """Rows that are the same are as many rows."""
    async with SINK.open(INTO, around, Intake()) as to:
        receipts = await write(to, [row(1, "a"), row(1, "a")], [row(1, None)])

    assert receipts == [Receipt(2), Receipt(1)]
    assert read(around) == [(1, None), (1, "a"), (1, "a")]


async def test_any_rows_end_as_the_last_of_each_key(around: Surroundings, seed: int, scale: int) -> None:
    """Drawn rows with few keys: the table is what a dictionary makes of them, and receipts say of each row what became of it."""
    random = Random(f"sqlite upsert {seed}")
    parts = [[row(random.randint(0, 20), random.choice(["a", "b", None])) for _ in range(random.randint(1, 12))] for _ in range(30 * scale)]
    table: dict[int, str | None] = {}
    expected = []
    for rows in parts:
        last = {one["id"]: one["name"] for one in rows}
        unchanged = sum(table.get(key, "nothing") == name for key, name in last.items())
        expected.append(Receipt(len(last) - unchanged, duplicate=len(rows) - len(last), unchanged=unchanged))
        table |= last

    async with SINK.open(INTO, around, Intake("upsert", ("id",))) as to:
        receipts = await write(to, *parts)

    assert receipts == expected, f"seed {seed}"
    assert dict(read(around)) == table, f"seed {seed}"


async def test_a_key_that_is_the_whole_row(around: Surroundings) -> None:
    """Rows of nothing but their key are there or not."""
    async with SINK.open(INTO, around, Intake("upsert", ("id", "name"))) as to:
        receipts = await write(to, [row(1, "a")], [row(1, "a"), row(2, "b")])

    assert receipts == [Receipt(1), Receipt(1, unchanged=1)]


async def test_what_the_table_turns_away_is_refused(around: Surroundings) -> None:
    """Row by row, with the reason; all others are stored, also those that only change what is there."""
    change(around, "create table orders (id integer primary key, name text check (name <> 'no'))")
    async with SINK.open(INTO, around, Intake("upsert", ("id",))) as to:
        receipts = await write(to, [row(1, "a")], [row(1, "a"), row(2, "no"), row(None, "b"), row(3, "c")])

    assert (receipts[1].stored, receipts[1].unchanged, [verdict.row for verdict in receipts[1].refused]) == (1, 1, [1, 2])
    assert "CHECK constraint" in receipts[1].refused[0].reason
    assert receipts[1].refused[1].reason == "id: the key is null"
    assert read(around) == [(1, "a"), (3, "c")]


async def test_what_sqlite_would_make_null_is_refused(around: Surroundings) -> None:
    """It has no NaN; it has infinity."""
    schema = pa.schema([pa.field("ratio", pa.float64())])
    async with SINK.open(INTO, around, Intake()) as to:
        (receipt,) = await write(to, [{"ratio": value} for value in (1.5, float("nan"), None, float("-inf"))], schema=schema)

    assert (receipt.stored, [verdict.reason for verdict in receipt.refused]) == (3, ["ratio: SQLite has no NaN"])
    assert read(around, "select ratio from orders") == [(1.5,), (None,), (float("-inf"),)]


async def test_a_time_that_cannot_be_written_is_refused(around: Surroundings) -> None:
    """Text has the years 0 to 9999."""
    schema = pa.schema([pa.field("at", pa.timestamp("us"))])
    async with SINK.open(INTO, around, Intake()) as to:
        (receipt,) = await write(to, [{"at": 0}, {"at": 2**62}], schema=schema)

    assert (receipt.stored, [verdict.row for verdict in receipt.refused]) == (1, [1])
    assert read(around, "select at from orders") == [("1970-01-01 00:00:00.000000",)]


async def test_every_type_there_and_back(around: Surroundings) -> None:
    """What was stored is read again as it was, with its type, and other programs find text that says what it is."""
    full = {
        "id": 2**62,
        "flag": True,
        "ratio": -0.1,
        "note": "ü\0",
        "bytes": b"\0\xff",
        "day": dt.date(1969, 12, 31),
        "clock": dt.time(23, 59, 59, 999_999),
        "moment": dt.datetime(2026, 1, 1, 0, 0, 0, 1, dt.UTC),
        "wall": dt.datetime(1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - what has no zone
        "price": Decimal("-1234567890123456.7800"),
        "mark": uuid.UUID(int=2**127 + 5).bytes,
        "facts": '{"a": [1, null]}',
    }
    empty = dict.fromkeys(full) | {"id": 1}
    async with SINK.open(INTO, around, Intake()) as to:
        await write(to, [empty, full], schema=EVERYTHING)

    async with SOURCE.open(SqliteSourceSettings("data.sqlite", "orders"), around) as source:
        _, (batch,) = await batches(source, Progress())

    assert source.schema.equals(EVERYTHING)
    assert [is_json(field) for field in source.schema] == [is_json(field) for field in EVERYTHING]
    assert batch.refused == ()
    assert batch.rows.equals(pa.RecordBatch.from_pylist([empty, full], EVERYTHING))
    shown = read(around, "select flag, day, clock, moment, wall, price, mark from orders where id > 1")
    assert shown == [
        (
            1,
            "1969-12-31",
            "23:59:59.999999",
            "2026-01-01 00:00:00.000001Z",
            "0001-02-03 04:05:06.000000",
            "-1234567890123456.7800",
            "80000000-0000-0000-0000-000000000005",
        )
    ]


async def test_readers_see_the_old_rows_until_the_new_ones_are_published(around: Surroundings) -> None:
    """A replaced table changes at one moment, also where a view is made of it; an interrupted one goes on."""
    change(around, "create table orders (old text); insert into orders values ('old'); create view seen as select * from orders")
    async with SINK.open(INTO, around, Intake("replace")) as to:
        run = await to.begin(PIPELINE, records.gone())
        async with to.open(run, SCHEMA) as writer:
            await writer.write(block([row(1, "a")]))
        before = read(around, "select * from seen")
        await write(to, [row(2, "b")], at=1)
        first = read(around, "select * from seen")
        run = await to.begin(PIPELINE, records.gone())
        await to.forget(run)
        await write(to, [row(3, "c")])

    assert (before, first, read(around)) == ([("old",)], [(1, "a"), (2, "b")], [(3, "c")])


async def test_a_replaced_run_publishes_nothing(around: Surroundings) -> None:
    """Nor does it open the table."""
    async with SINK.open(INTO, around, Intake("replace")) as to:
        first = await to.begin(PIPELINE, records.gone())
        async with to.open(first, SCHEMA):
            await to.begin(PIPELINE, records.gone())
            with pytest.raises(LeaseLost):
                await to.publish(first)
        with pytest.raises(LeaseLost):
            async with to.open(first, SCHEMA):
                pass

    assert read(around, "select count(*) from sqlite_master where name = 'orders'") == [(0,)]


@pytest.mark.parametrize("mode", ["append", "replace"])
async def test_a_wider_schema(around: Surroundings, mode: Any) -> None:  # noqa: ANN401 - a mode
    """A column that the table lacks is added where the pipeline may, and is an error where it may not."""
    wider = SCHEMA.append(pa.field("price", pa.float64(), nullable=False))
    async with SINK.open(INTO, around, Intake(mode)) as to:
        run = await to.begin(PIPELINE, records.gone())
        async with to.open(run, SCHEMA) as writer:
            await writer.write(block([row(1, "a")]))
        with pytest.raises(TableDoesNotFit, match="price is missing, the rows have real"):
            await write(to, schema=wider)
    async with SINK.open(INTO, around, Intake(mode, schema="evolve")) as to:
        await write(to, [row(2, "b") | {"price": 1.5}], at=1, schema=wider)

    assert read(around, "select id, price from orders order by 1") == [(1, None), (2, 1.5)]


@pytest.mark.parametrize(
    ("sql", "intake", "error", "words"),
    [
        ("create table orders (id text, name text)", Intake(), TableDoesNotFit, "id is TEXT, the rows have integer"),
        ("create table orders (id int, name text, more int not null)", Intake(), TableDoesNotFit, "more is INT not null"),
        ("create table orders (id int, name text)", Intake("upsert", ("id",)), TableDoesNotFit, "its unique key is missing"),
        ("create table orders (id int, name text, unique (id, name))", Intake("upsert", ("id",)), TableDoesNotFit, "key is id, name, the"),
        ("select 1", Intake("upsert", ("day",)), TableDoesNotFit, "the key day is no column"),
    ],
)
async def test_a_table_of_another_shape(around: Surroundings, sql: str, intake: Intake, error: type[Exception], words: str) -> None:
    """Is told when one looks, and when a run opens it; nothing of ours is left by looking."""
    change(around, sql)

    with pytest.raises(error, match=words):
        await SINK.look(INTO, around, intake, SCHEMA)
    looked = read(around, "select count(*) from sqlite_master where name like 'penstock%'")
    async with SINK.open(INTO, around, intake) as to:
        with pytest.raises(error, match=words):
            await write(to)

    assert looked == [(0,)]


async def test_tables_that_fit(around: Surroundings) -> None:
    """One that is not there, one that is, and one that another pipeline writes."""
    said = [await SINK.look(INTO, around, Intake(), SCHEMA)]
    change(around, "create table orders (name varchar(20), id bigint, unique (id))")
    said.append(await SINK.look(INTO, around, Intake("upsert", ("id",)), SCHEMA))
    said.append(await SINK.look(replace(INTO, table="others"), around, Intake(), SCHEMA))
    async with SINK.open(INTO, around, Intake("upsert", ("id",))) as to:
        await write(to, [row(1, "a")])
        other = await to.begin(replace(PIPELINE, name="run/other"), records.gone())
        with pytest.raises(ForeignTable, match="is written by run/orders"):
            async with to.open(other, SCHEMA):
                pass

    assert [words.partition("data.sqlite")[2] for words in said] == [
        " is not there yet, and will be made",
        " is there and fits",
        " is not there yet, and will be made",
    ]
    assert SINK.count is not None
    assert await SINK.count(INTO, around, Intake()) == 1
    assert SINK.place(INTO, around) == f"table orders in {around.folder / 'data.sqlite'}"
    assert SINK.show(INTO, around).startswith("sqlite3 -header ")


async def test_a_table_that_was_dropped_is_missed(around: Surroundings) -> None:
    """Where rows were stored, a new one is not begun in the middle."""
    async with SINK.open(INTO, around, Intake()) as to:
        await write(to, [row(1, "a")])
        change(around, "drop table orders")
        with pytest.raises(TableGone):
            await write(to, at=1)


@pytest.mark.parametrize("name", ["", "a\0b", "sqlite_master", "Penstock_runs"])
async def test_names_that_a_table_cannot_have(around: Surroundings, name: str) -> None:
    """Those of SQLite and of ourselves are taken."""
    with pytest.raises(UnusableName):
        await SINK.look(replace(INTO, table=name), around, Intake(), SCHEMA)


@pytest.mark.parametrize(
    ("found", "kept", "number", "text"),
    [
        ("BIGINT", "INTEGER", True, False),
        ("varchar(9)", "TEXT", False, True),
        ("", "BLOB", True, True),
        ("DOUBLE", "REAL", False, False),
        ("decimal(10,2)", "NUMERIC", True, False),
    ],
)
def test_affinities(found: str, kept: str, number: bool, text: bool) -> None:  # noqa: FBT001 - a case's answers
    """A column is used only where SQLite keeps values as they are."""
    assert affinity(found) == kept
    assert [takes(found, pa.field("c", kind)) for kind in (pa.int64(), pa.string(), pa.binary())] == [number, text, True]


def test_a_type_without_a_counterpart_is_named() -> None:
    """Which column it is, and what it holds."""
    with pytest.raises(NoSuchColumnType, match="c: list"):
        takes("text", pa.field("c", pa.list_(pa.int64())))


async def test_values_of_other_types_are_refused(around: Surroundings) -> None:
    """A column may hold anything; a row whose value is of another type goes to the dead letters, as it is."""
    change(
        around,
        """create table orders (id integer primary key, number int, price decimal(9,2), day date_text, flag boolean, note text, raw blob);
        insert into orders values (1, 1, 1.5, '2026-02-28', 0, 'a', x'00'), (2, 'many', 1, null, null, null, null),
        (3, 2, 'n/a', '2026-02-30', null, null, null), (4, 3, null, null, 2, null, null),
        (5, 3, null, null, 1, cast(x'ff' as text), 'text')""",
    )
    async with SOURCE.open(SqliteSourceSettings("data.sqlite", "orders"), around) as source:
        _, (batch,) = await batches(source, Progress())

    (good,) = batch.rows.to_pylist()
    assert good == {"id": 1, "number": 1, "price": "1.5", "day": dt.date(2026, 2, 28), "flag": False, "note": "a", "raw": b"\0"}
    assert [(refusal.row, refusal.reason) for refusal in batch.refused] == [
        (1, "number: 'many' is no int64"),
        (2, "day: '2026-02-30' is no date"),
        (3, "flag: '2' is no bool"),
        (4, "note: '\\udcff' is no string"),
    ]
    assert b'"number": "many"' in batch.refused[0].raw


async def test_the_next_run_reads_what_is_newer(around: Surroundings) -> None:
    """The scope is frozen at the greatest key; once it is whole, a later plan widens it."""
    change(around, "create table orders (id integer primary key, name text)")
    counts, done = list[tuple[int | None, int]](), Progress()
    async with SOURCE.open(SqliteSourceSettings("data.sqlite", "orders"), around) as source:
        for sql in ("select 1", "insert into orders values (-5, 'a'), (7, 'b')", "insert into orders values (9, 'c')", "select 1"):
            change(around, sql)
            plan, found = await batches(source, done)
            counts.append((plan.scope.rows, sum(batch.rows.num_rows for batch in found)))
            done = Progress(plan.scope, (Interval(plan.scope.span.start, plan.scope.span.end, Counts()),))

    assert counts == [(0, 0), (2, 2), (3, 1), (3, 0)]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (SqliteSourceSettings("data.sqlite", "none"), NoSuchTable),
        (SqliteSourceSettings("data.sqlite", "orders", "number"), NoSuchKey),
        (SqliteSourceSettings("none.sqlite", "orders"), FileCannotBeOpened),
    ],
)
async def test_a_table_that_cannot_be_read_is_said_at_once(
    around: Surroundings, settings: SqliteSourceSettings, error: type[Exception]
) -> None:
    """Before anything is moved, and no file is made by looking for one."""
    change(around, "create table orders (id integer primary key)")

    with pytest.raises(error):
        async with SOURCE.open(settings, around):
            pass

    assert not (around.folder / "none.sqlite").exists()


async def test_rows_without_a_key_are_not_passed_over(around: Surroundings) -> None:
    """They would never be read, so nothing is."""
    change(around, "create table orders (id int); insert into orders values (1), (null), ('a')")

    async with SOURCE.open(SqliteSourceSettings("data.sqlite", "orders", "id"), around) as source:
        with pytest.raises(RowsWithoutKey, match="in 2 rows id is no integer"):
            await source.plan(Progress())


async def test_a_table_without_a_key_is_read_by_its_rows(around: Surroundings) -> None:
    """Every table has a number for each row; the identity names file and table."""
    change(around, "create table orders (name text); insert into orders values ('b'), ('a')")
    settings = SqliteSourceSettings("data.sqlite", "orders")

    async with SOURCE.open(settings, around) as source:
        _, (batch,) = await batches(source, Progress())

    assert batch.rows.to_pydict() == {"name": ["b", "a"]}
    assert SOURCE.identity(settings, around) == f"sqlite {around.folder / 'data.sqlite'} table orders"


async def test_who_peeks_makes_nothing(around: Surroundings) -> None:
    """Looking for positions in a file of somebody else leaves it as it is, and makes none where there is none."""
    async with SINK.open(INTO, around, Intake()) as to:
        before = await to.peek(PIPELINE)
        made = (around.folder / "data.sqlite").exists()
        change(around, "create table theirs (id int)")
        after = await to.peek(PIPELINE)

    assert (before, after, made) == (Progress(), Progress(), False)
    assert read(around, "select name from sqlite_master") == [("theirs",)]
