"""Rows added, in the place of others, or in the place of all; and what a table that was there before has to say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pyarrow as pa
import pytest

from penstock.ports.checkpoints import LeaseLost, Pipeline, Run
from penstock.ports.ends import Mode
from penstock.ports.flow import Batch, Block, BlockId, Receipt
from penstock.stores.postgres.destination import PostgresDestination
from penstock.stores.postgres.errors import NoPermission
from penstock.stores.postgres.names import TableName, UnusableName
from penstock.stores.postgres.table import Table
from penstock.stores.tables import ForeignTable, TableDoesNotFit, TableGone, TableInUse
from penstock.testing import records
from tests.contract.benches import PostgresBench

SCHEMA = pa.schema([pa.field("day", pa.date32()), pa.field("id", pa.int64()), pa.field("name", pa.string())])


def destination(bench: PostgresBench, mode: Mode, **more: Any) -> PostgresDestination:  # noqa: ANN401 - fields of a table
    """A table of its own, as a pipeline file has it."""
    key = ("day", "id") if mode == "upsert" else ()
    return PostgresDestination(Table(TableName(f"orders {uuid4().hex}"), key, mode, **{"adopts": True, **more}), bench.runs)


def block(rows: Sequence[dict[str, Any]], at: int, schema: pa.Schema = SCHEMA, strand: int = 0) -> Block:
    """Rows as the `at`-th record on, in two batches."""
    middle = len(rows) // 2
    batches = tuple(
        Batch(pa.RecordBatch.from_pylist(list(part), schema), (), records.place(low), records.place(low + len(part)))
        for part, low in ((rows[:middle], at), (rows[middle:], at + middle))
    )
    return Block(BlockId(records.place(strand), records.place(at), records.place(at + len(rows))), batches)


def row(number: int, name: str | None) -> dict[str, Any]:
    """One order."""
    return {"day": number % 3, "id": number, "name": name}


async def write(to: PostgresDestination, run: Run, *parts: Sequence[dict[str, Any]], at: int = 0) -> list[Receipt]:
    """Write parts one after another."""
    receipts = []
    async with to.open(run, SCHEMA) as writer:
        for rows in parts:
            receipts.append(await writer.write(block(rows, at)))
            at += len(rows)
    return receipts


async def read(bench: PostgresBench, to: PostgresDestination) -> list[tuple[int, str | None]]:
    """What readers find."""
    return [(found["id"], found["name"]) for found in await bench.ask(f"select id, name from {to.table.name.sql} order by 1, 2")]


async def test_appending_without_a_key_keeps_every_row(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Rows that are the same are as many rows, and positions still say which are stored."""
    to = destination(bench, "append")
    run = await to.begin(pipeline, records.here())

    receipts = await write(to, run, [row(1, "a"), row(1, "a")], [row(1, "a")])

    assert receipts == [Receipt(2), Receipt(1)]
    assert await read(bench, to) == [(1, "a")] * 3
    assert records.covered(await to.progress(run)) == [(0, 3)]


async def test_the_last_row_of_a_key_stays(bench: PostgresBench, pipeline: Pipeline) -> None:
    """What is new or other is stored, what says the same is unchanged, and within a block earlier rows of a key are duplicates."""
    to = destination(bench, "upsert")
    run = await to.begin(pipeline, records.here())

    receipts = await write(
        to,
        run,
        [row(1, "a"), row(2, None)],
        [row(1, "a"), row(2, "b"), row(3, "c")],
        [row(4, "x"), row(4, "y"), row(1, "z"), row(1, "a")],
        [],
    )

    assert receipts == [Receipt(2), Receipt(2, unchanged=1), Receipt(1, duplicate=2, unchanged=1), Receipt(0)]
    assert await read(bench, to) == [(1, "a"), (2, "b"), (3, "c"), (4, "y")]


async def test_any_rows_end_as_the_last_of_each_key(bench: PostgresBench, pipeline: Pipeline, seed: int, scale: int) -> None:
    """Drawn rows with few keys: the table is what a dictionary makes of them, and the receipts add up."""
    random = Random(f"upsert {seed}")
    parts = [[row(random.randint(0, 20), random.choice(["a", "b", None])) for _ in range(random.randint(1, 12))] for _ in range(20 * scale)]
    to = destination(bench, "upsert")
    run = await to.begin(pipeline, records.here())
    table: dict[int, str | None] = {}
    expected = []
    for rows in parts:
        last = {one["id"]: one["name"] for one in rows}
        unchanged = sum(table.get(key, "nothing") == name for key, name in last.items())
        expected.append(Receipt(len(last) - unchanged, duplicate=len(rows) - len(last), unchanged=unchanged))
        table |= last

    receipts = await write(to, run, *parts)

    assert receipts == expected, f"seed {seed}"
    assert dict(await read(bench, to)) == table, f"seed {seed}"


async def test_a_key_that_is_the_whole_row(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Rows of nothing but their key are there or not."""
    schema = pa.schema([pa.field("day", pa.date32()), pa.field("id", pa.int64())])
    to = destination(bench, "upsert")
    run = await to.begin(pipeline, records.here())

    async with to.open(run, schema) as writer:
        first = await writer.write(block([{"day": 0, "id": 1}], 0, schema))
        second = await writer.write(block([{"day": 0, "id": 1}, {"day": 0, "id": 2}], 1, schema))

    assert (first, second) == (Receipt(1), Receipt(1, unchanged=1))


@pytest.mark.parametrize("mode", ["append", "upsert"])
async def test_what_the_table_turns_away_is_refused(bench: PostgresBench, pipeline: Pipeline, mode: Mode) -> None:
    """Row by row, with the reason of the server, wherever it stands; all others are stored."""
    to = destination(bench, mode)
    run = await to.begin(pipeline, records.here())
    async with to.open(run, SCHEMA):
        await bench.ask(f"alter table {to.table.name.sql} add check (name <> 'no')")
    rows = [row(number, {3: "no", 10: "a\0b", 11: "no"}.get(number, "yes")) for number in range(20)]

    (receipt,) = await write(to, run, rows)

    assert receipt.stored == 17
    assert [verdict.row for verdict in receipt.refused] == [3, 10, 11]
    assert "check constraint" in receipt.refused[0].reason
    assert "0x00" in receipt.refused[1].reason
    assert len(await read(bench, to)) == 17
    assert len(await bench.dead_letters(pipeline)) == 3


async def test_a_row_without_its_key_is_refused(bench: PostgresBench, pipeline: Pipeline) -> None:
    """In a table of ours, and in one whose key takes nulls nothing is written at all."""
    to = destination(bench, "upsert")
    run = await to.begin(pipeline, records.here())

    (receipt,) = await write(to, run, [row(1, "a"), {**row(2, "b"), "day": None}])

    assert (receipt.stored, [verdict.row for verdict in receipt.refused]) == (1, [1])


async def test_readers_see_the_old_rows_until_the_new_ones_are_published(bench: PostgresBench, pipeline: Pipeline) -> None:
    """A replaced table changes at one moment, and publishing again changes nothing."""
    to, seen = destination(bench, "replace"), []
    run = await to.begin(pipeline, records.here())
    await write(to, run, [row(1, "old"), row(2, "old")])
    await to.publish(run)
    seen.append(await read(bench, to))
    await to.forget(run)

    await write(to, run, [row(1, "new")])
    seen.append(await read(bench, to))
    for _ in range(2):
        await to.publish(run)
        seen.append(await read(bench, to))

    old, new = [(1, "old"), (2, "old")], [(1, "new")]
    assert seen == [old, old, new, new]


async def test_a_replacement_that_was_interrupted_goes_on(bench: PostgresBench, pipeline: Pipeline) -> None:
    """What is stored aside stays there for the next run; what is left of one that stored nothing is thrown away."""
    to = destination(bench, "replace")
    run = await to.begin(pipeline, records.gone())
    async with to.open(run, SCHEMA.remove(2)):
        pass
    await write(to, run, [row(1, "a")])
    run = await to.begin(pipeline, records.here())

    await write(to, run, [row(2, "b")], at=1)
    await to.publish(run)

    assert await read(bench, to) == [(1, "a"), (2, "b")]


async def test_a_replaced_run_publishes_nothing(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Nor does it throw away what its successor has stored aside."""
    to = destination(bench, "replace")
    first = await to.begin(pipeline, records.gone())
    await write(to, first, [row(1, "a")])
    second = await to.begin(pipeline, records.here())

    with pytest.raises(LeaseLost):
        await to.publish(first)
    await to.forget(second)
    async with to.open(first, SCHEMA):
        pass

    gone, aside = (
        await bench.ask("select to_regclass($1) is null", to.table.name.sql),
        await bench.ask(f"select id from {to.table.into.sql}"),
    )
    assert (gone[0][0], aside[0][0]) == (True, 1)


async def test_a_table_with_views_is_not_replaced(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Said before anything is read, with the views' names."""
    to = destination(bench, "replace")
    name = to.table.name.name
    await bench.ask(f'create table "{name}" (id bigint)')
    await bench.ask(f'create view "view of {name}" as select id from "{name}"')
    run = await to.begin(pipeline, records.here())

    with pytest.raises(TableInUse, match="view of orders"):
        await write(to, run)


async def test_what_was_stored_aside_and_is_gone_is_missed(bench: PostgresBench, pipeline: Pipeline) -> None:
    """A replacement is not begun in the middle."""
    to = destination(bench, "replace")
    run = await to.begin(pipeline, records.here())
    await write(to, run, [row(1, "a")])
    await bench.ask(f"drop table {to.table.into.sql}")

    with pytest.raises(TableGone):
        await write(to, run, at=1)


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
async def test_a_wider_schema_adds_columns(bench: PostgresBench, pipeline: Pipeline, mode: Mode) -> None:
    """Where the pipeline may, a column that the table lacks is added, and older rows have null in it."""
    to = destination(bench, mode, evolves=True)
    run = await to.begin(pipeline, records.here())
    wider = SCHEMA.append(pa.field("price", pa.decimal128(8, 2), nullable=False))
    await write(to, run, [row(1, "a")])

    async with to.open(run, wider) as writer:
        await writer.write(block([{**row(2, "b"), "price": 5}], 1, wider))
    await to.publish(run)

    found = await bench.ask(f"select id, price::text from {to.table.name.sql} order by 1")
    assert [tuple(one) for one in found] == [(1, None), (2, "5.00")]


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
async def test_a_wider_schema_is_an_error_where_columns_are_frozen(bench: PostgresBench, pipeline: Pipeline, mode: Mode) -> None:
    """What is missing is named, and nothing is written."""
    to = destination(bench, mode)
    run = await to.begin(pipeline, records.here())
    await write(to, run, [row(1, "a")])

    with pytest.raises(TableDoesNotFit, match="price is missing, the rows have bigint"):
        async with to.open(run, SCHEMA.append(pa.field("price", pa.int64()))):
            pass


async def test_a_table_that_was_there_is_used(bench: PostgresBench, pipeline: Pipeline) -> None:
    """In a schema of its own, with columns of its own and narrower types, beside rows that were there; but by one pipeline only."""
    schema = f"sales {uuid4().hex[:8]}"
    await bench.ask(f'create schema "{schema}"')
    await bench.ask(
        f'create table "{schema}"."or.ders" (note text, id int primary key, name varchar, day date, at timestamptz default now())'
    )
    await bench.ask(f"""insert into "{schema}"."or.ders" (id, name) values (0, 'was there')""")
    to = replace(destination(bench, "append"), table=Table(TableName.parsed(f'{schema}."or.ders"'), adopts=True))
    run = await to.begin(pipeline, records.here())

    (receipt,) = await write(to, run, [row(0, "again"), row(1, "a"), row(2**40, "too large")])

    assert (receipt.stored, [verdict.row for verdict in receipt.refused]) == (1, [0, 2])
    assert await read(bench, to) == [(0, "was there"), (1, "a")]
    other = await to.begin(replace(pipeline, name=f"{pipeline.name}, other"), records.here())
    with pytest.raises(ForeignTable, match=f"is written by {pipeline.name}"):
        await write(to, other)


async def test_a_key_that_is_no_column(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Is named before a table is made."""
    to = replace(destination(bench, "upsert"), table=Table(TableName(f"t {uuid4().hex}"), ("number",), "upsert"))
    run = await to.begin(pipeline, records.here())

    with pytest.raises(TableDoesNotFit, match="the key number is no column of the rows"):
        await write(to, run)


async def test_two_writers_of_the_same_keys(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Partitions may bring the same keys at the same time: each key is there once, and every row is accounted for."""
    to = destination(bench, "upsert")
    run = await to.begin(pipeline, records.here())
    rows = [row(number, "a") for number in range(400)]

    async with to.open(run, SCHEMA) as writer:
        receipts = await asyncio.gather(*(writer.write(block(rows, at, strand=at)) for at in (0, 1_000, 2_000)))

    assert len(await read(bench, to)) == 400
    assert [receipt.stored + receipt.unchanged for receipt in receipts] == [400] * 3


async def test_a_role_that_may_not_write_is_told(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Before anything is stored, in one error."""
    to = destination(bench, "append")
    await bench.ask(f"create table {to.table.name.sql} (day date, id bigint, name text)")
    run = await to.begin(pipeline, records.here())
    role = f"reader_{uuid4().hex[:8]}"
    await bench.ask(f"create role {role} login password 'x'")
    await bench.ask(f"grant all on schema penstock to {role}")
    await bench.ask(f"grant all on all tables in schema penstock to {role}")
    await bench.ask(f"grant all on all sequences in schema penstock to {role}")
    limited = PostgresBench(_as(bench.url, role))
    try:
        with pytest.raises(NoPermission, match="permission denied"):
            await write(replace(to, checkpoints=limited.runs), run, [row(1, "a")])
    finally:
        await limited.close()

    assert await read(bench, to) == []
    assert records.covered(await to.progress(run)) == []


def _as(url: str, role: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:x@{rest.rpartition('@')[2]}"


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("orders", '"orders"'),
        ("Sales.Orders", '"Sales"."Orders"'),
        ('"a.b"', '"a.b"'),
        ('x."say ""hi"""', '"x"."say ""hi"""'),
        ("with space", '"with space"'),
    ],
)
def test_names_of_tables(text: str, sql: str) -> None:
    """With or without a schema, and quoted where there is a dot in a name."""
    assert TableName.parsed(text).sql == sql


@pytest.mark.parametrize("text", ["", ".", "a.", ".b", "a.b.c", '"a', 'a"b'])
def test_what_is_no_name(text: str) -> None:
    """Is said with how to write one."""
    with pytest.raises(UnusableName) as caught:
        TableName.parsed(text)

    assert "sales.orders" in caught.value.hint


async def test_types_survive_the_upsert(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Staging keeps what comparing needs: NaN is NaN, JSON is compared as JSON, decimals as numbers."""
    schema = pa.schema(
        [
            pa.field("day", pa.date32()),
            pa.field("id", pa.int64()),
            pa.field("ratio", pa.float64()),
            pa.field("facts", pa.string(), metadata={b"penstock.json": b"true"}),
            pa.field("price", pa.decimal128(30, 3)),
        ]
    )
    to = destination(bench, "upsert")
    run = await to.begin(pipeline, records.here())
    one: dict[str, Any] = {"day": 1, "id": 1, "ratio": float("nan"), "facts": '{"a": 1, "b": 2}', "price": 7}

    async with to.open(run, schema) as writer:
        receipts = [
            await writer.write(block([rows], at, schema))
            for at, rows in enumerate([one, {**one, "facts": '{"b":2,"a":1}'}, {**one, "price": 8}, {**one, "facts": "{", "price": 9}])
        ]

    assert [(receipt.stored, receipt.unchanged, len(receipt.refused)) for receipt in receipts] == [
        (1, 0, 0),
        (0, 1, 0),
        (1, 0, 0),
        (0, 0, 1),
    ]


async def test_rows_are_there_with_their_position_or_not_at_all(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Where the position does not move, no row of a sifted block stays either."""
    to = destination(bench, "append")
    run = await to.begin(pipeline, records.gone())
    await write(to, run, [row(1, "a")])
    await bench.ask(f"alter table {to.table.name.sql} add check (name <> 'no')")

    async with to.open(run, SCHEMA) as writer:
        await to.begin(pipeline, records.here())
        with pytest.raises((LeaseLost, asyncpg.PostgresError)):
            await writer.write(block([row(2, "b"), row(3, "no")], 1))

    assert await read(bench, to) == [(1, "a")]
