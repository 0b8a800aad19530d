"""The table that a pipeline writes."""

from __future__ import annotations

import re
from dataclasses import replace

import asyncpg
import pyarrow as pa
import pytest

from penstock.ports.checkpoints import Pipeline, Run
from penstock.ports.flow import Batch, Block, BlockId
from penstock.stores.postgres.names import TableName, UnusableName, quoted
from penstock.stores.postgres.table import Table
from penstock.stores.tables import ForeignTable, NoSuchColumnType, TableDoesNotFit, TableGone
from penstock.testing import records
from tests.contract.benches import PostgresBench, PostgresDestinationBench

EVENTS = pa.schema(
    [
        pa.field("id", pa.uuid(), nullable=False),
        pa.field("at", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("name", pa.string()),
        pa.field("number", pa.int64()),
    ]
)


@pytest.fixture
async def run(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> Run:
    """A run of the bench's process."""
    return await records_bench.runs.begin(pipeline, records.here())


async def prepared(bench: PostgresDestinationBench, run: Run, schema: pa.Schema) -> None:
    """Open and close."""
    async with bench.runs.open(run, schema):
        pass


async def columns(bench: PostgresBench, table: str) -> list[tuple[str, str, bool]]:
    """Name, type, and whether it may be null."""
    sql = "select column_name, data_type, is_nullable from information_schema.columns where table_name = $1 order by ordinal_position"
    return [(row["column_name"], row["data_type"], row["is_nullable"] == "YES") for row in await bench.ask(sql, table)]


async def test_it_is_made_of_the_schema(records_bench: PostgresDestinationBench, run: Run) -> None:
    """Types, nulls and key are those of the rows, and a remark says who writes it."""
    name = records_bench.table.name.name

    await prepared(records_bench, run, EVENTS)

    assert await columns(records_bench.checkpoints, name) == [
        ("id", "uuid", False),
        ("at", "timestamp with time zone", False),
        ("name", "text", True),
        ("number", "bigint", True),
    ]
    remark = await records_bench.checkpoints.ask("select obj_description(to_regclass($1)) as words", quoted(name))
    assert remark[0]["words"] == f"Written by Penstock pipeline {run.pipeline.name}; source: {run.pipeline.source}"


async def test_it_is_found_again(records_bench: PostgresDestinationBench, run: Run) -> None:
    """What a pipeline made it goes on with, also where the schema leaves open whether the key may be null."""
    open_key = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])

    for _ in range(2):
        await prepared(records_bench, run, open_key)


@pytest.mark.parametrize("name", ['with "quotes"', "Groß; drop table x", "select", "a.b", "x" * 63, "%s $1 {}"])
async def test_any_name_will_do(bench: PostgresBench, pipeline: Pipeline, name: str) -> None:
    """Names are quoted, in the table's own as in its columns', on the straight way and by way of staging."""
    schema = pa.schema([pa.field(name, pa.int64(), nullable=False), pa.field("name", pa.string())])
    rows = pa.RecordBatch.from_arrays(records.rows(range(4)).columns, schema=schema)
    batch = replace(records.batch(0, 4), rows=rows)
    block = Block(BlockId(batch.after, batch.after, batch.upto), (batch,))
    destination = replace(PostgresDestinationBench(bench).runs, table=Table(TableName(name), (name,)))
    run = await destination.begin(pipeline, records.here())

    async with destination.open(run, schema) as writer:
        await writer.write(block)
        again = replace(block.id, after=batch.upto, upto=records.place(8))
        receipt = await writer.write(replace(block, id=again))

    assert receipt.duplicate == 4
    assert [row[0] for row in await bench.ask(f"select {quoted(name)} from {quoted(name)} order by 1")] == [0, 1, 2, 3]
    await bench.ask(f"drop table {quoted(name)}")


@pytest.mark.parametrize("name", ["", "x" * 64, "ü" * 32, "a\0b"])
def test_some_names_are_none(name: str) -> None:
    """What PostgreSQL would refuse, or cut short without a word, is refused here."""
    with pytest.raises(UnusableName):
        quoted(name)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("drop column name", "name is missing, the rows have text"),
        ("add column more int not null", "more is integer not null, the rows do not have it"),
        ("alter column name type char(5)", r"name is character\(5\), the rows have text"),
        ("rename column name to title", "name is missing, the rows have text"),
        ("drop constraint {key}", "its unique key without nulls is missing, the rows have id"),
        ("drop constraint {key}, alter id drop not null, add unique (id)", "its unique key without nulls is missing, the rows have id"),
        ("drop constraint {key}, add primary key (id, name)", "its unique key without nulls is id, name, the rows have id"),
    ],
)
async def test_other_columns_do_not_fit(records_bench: PostgresDestinationBench, run: Run, change: str, difference: str) -> None:
    """A table that was changed is not written: what differs is named."""
    await prepared(records_bench, run, records.SCHEMA)
    name = records_bench.table.name.name
    key = quoted(f"{name}_pkey")
    await records_bench.checkpoints.ask(f"alter table {quoted(name)} {change.format(key=key)}")

    with pytest.raises(TableDoesNotFit, match=difference):
        await prepared(records_bench, run, records.SCHEMA)


async def test_another_key_does_not_fit(records_bench: PostgresDestinationBench, run: Run) -> None:
    """Rows are told apart by the key that the pipeline has, not by whatever key there is."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("other", pa.int64(), nullable=False)])
    await prepared(records_bench, run, schema)
    name = records_bench.table.name.sql
    key = quoted(f"{records_bench.table.name}_pkey")
    await records_bench.checkpoints.ask(f"alter table {name} drop constraint {key}, add primary key (other)")

    with pytest.raises(TableDoesNotFit, match="its unique key without nulls is other, the rows have id"):
        await prepared(records_bench, run, schema)


async def test_a_table_of_somebody_else_is_left_alone(records_bench: PostgresDestinationBench, run: Run) -> None:
    """A table that this pipeline did not make is not written, however well it fits."""
    name = records_bench.table.name.sql
    await records_bench.checkpoints.ask(f"create table {name} (id bigint primary key, name text)")

    with pytest.raises(ForeignTable):
        await prepared(records_bench, run, records.SCHEMA)

    assert await records_bench.stored() == []


async def test_a_table_that_was_dropped_is_missed(records_bench: PostgresDestinationBench, run: Run) -> None:
    """Where rows were stored and the table is gone, a new one is not begun in the middle; where nothing was, it is made again."""
    name = records_bench.table.name.sql
    await prepared(records_bench, run, records.SCHEMA)
    await records_bench.checkpoints.ask(f"drop table {name}")
    async with records_bench.runs.open(run, records.SCHEMA) as writer:
        await writer.write(records.block(0, 4))
    await records_bench.checkpoints.ask(f"drop table {name}")

    with pytest.raises(TableGone, match=re.escape(str(records_bench.table.name))):
        await prepared(records_bench, run, records.SCHEMA)


async def test_two_pipelines_do_not_share_a_table(records_bench: PostgresDestinationBench, run: Run, pipeline: Pipeline) -> None:
    """The second pipeline is turned away, the first goes on."""
    await prepared(records_bench, run, records.SCHEMA)
    second = await records_bench.runs.begin(replace(pipeline, name=f"{pipeline.name}, too"), records.here())

    with pytest.raises(ForeignTable):
        await prepared(records_bench, second, records.SCHEMA)

    await prepared(records_bench, run, records.SCHEMA)


async def test_a_type_that_has_no_counterpart_makes_no_table(records_bench: PostgresDestinationBench, run: Run) -> None:
    """Nothing is half made."""
    with pytest.raises(NoSuchColumnType):
        await prepared(records_bench, run, pa.schema([pa.field("id", pa.int64()), pa.field("ratio", pa.float32())]))

    assert await columns(records_bench.checkpoints, records_bench.table.name.name) == []


@pytest.mark.parametrize("change", ["add column more int", "add column more int not null default 7", "alter column name type varchar(8)"])
async def test_columns_that_take_nothing_away_fit(records_bench: PostgresDestinationBench, run: Run, change: str) -> None:
    """A table may have more than the rows bring, and may take less than they could bring: what it turns away is refused row by row."""
    await prepared(records_bench, run, records.SCHEMA)
    await records_bench.checkpoints.ask(f"alter table {records_bench.table.name.sql} {change}")
    async with records_bench.runs.open(run, records.SCHEMA) as writer:
        receipt = await writer.write(records.block(8, 12))

    assert (receipt.stored, [verdict.row for verdict in receipt.refused]) == ((2, [2, 3]) if "varchar" in change else (4, []))


async def test_rows_are_stored_in_the_order_of_their_keys(records_bench: PostgresDestinationBench, run: Run) -> None:
    """Whatever order they come in: neighbours of the index are inserted together. A part of a longer batch, and no rows, are no trouble."""
    keys = [bytes([number * 37 % 256]) + b"\0" * 15 for number in range(200)]
    whole = pa.RecordBatch.from_pylist([{"id": key, "at": 0, "name": None, "number": 1} for key in keys], schema=EVENTS)
    parts = [whole.slice(10, 50), whole.slice(0, 0), whole.filter(pa.array([False] * 200)), pa.RecordBatch.from_pylist([], schema=EVENTS)]
    batches = tuple(Batch(rows, (), records.place(number), records.place(number + 1)) for number, rows in enumerate(parts))

    async with records_bench.runs.open(run, EVENTS) as writer:
        receipt = await writer.write(Block(BlockId(records.place(0), records.place(0), records.place(4)), batches))

    stored = [
        row["id"].bytes for row in await records_bench.checkpoints.ask(f"select id from {records_bench.table.name.sql} order by ctid")
    ]
    assert receipt.stored == 50
    assert stored == sorted(keys[10:60])


async def test_time_is_stored_to_the_millisecond(records_bench: PostgresDestinationBench, run: Run) -> None:
    """And read back in whatever zone the reader likes."""
    rows = pa.RecordBatch.from_pylist([{"id": b"\1" * 16, "at": 1_700_000_000_123, "name": "ü", "number": None}], schema=EVENTS)
    batch = Batch(rows, (), records.place(0), records.place(1))
    async with records_bench.runs.open(run, EVENTS) as writer:
        await writer.write(Block(BlockId(batch.after, batch.after, batch.upto), (batch,)))

    stored: list[asyncpg.Record] = await records_bench.checkpoints.ask(f"select * from {records_bench.table.name.sql}")

    assert [(row["id"].bytes, row["at"].isoformat(), row["name"], row["number"]) for row in stored] == [
        (b"\1" * 16, "2023-11-14T22:13:20.123000+00:00", "ü", None)
    ]
