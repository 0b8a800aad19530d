"""PostgreSQL as a pipeline file names it: what is said about a table before and after, and what reading one gives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pyarrow as pa
import pytest

from penstock.engine.run import EngineSettings, Transfer
from penstock.engine.telemetry import Telemetry
from penstock.model.counts import Counts
from penstock.model.coverage import Interval
from penstock.model.errors import PenstockError
from penstock.model.metrics import Counters
from penstock.ports.checkpoints import Pipeline
from penstock.ports.ends import Intake, Surroundings
from penstock.ports.flow import Batch
from penstock.ports.source import Plan, Progress, Source
from penstock.stores.columns import is_json
from penstock.stores.memory import MemoryCheckpoints
from penstock.stores.postgres import SINK, SOURCE, reading
from penstock.stores.postgres.errors import DatabaseUnreachable, UnusableAddress
from penstock.stores.postgres.keys import NoSuchKeyType
from penstock.stores.postgres.reading import Read
from penstock.stores.postgres.settings import PostgresSinkSettings, PostgresSourceSettings
from penstock.stores.postgres.source import PostgresSource, RowTooLong
from penstock.stores.tables import NoSuchKey, NoSuchTable, RowsWithoutKey, TableDoesNotFit
from penstock.testing import records
from tests.contract.benches import PostgresBench

AROUND = Surroundings("orders", Path(), MemoryCheckpoints(), Counters.zero())
SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])

TYPES = """
    create table "{name}" (
        id bigint primary key, flag boolean, small smallint, whole integer, ratio double precision, real real, price numeric(20,4),
        exact numeric, note text, short varchar(9), bytes bytea, day date, clock time, moment timestamptz, wall timestamp(3),
        mark uuid, facts jsonb, old json, list int[], network inet, span interval)"""

FULL = """
    insert into "{name}" values (1, true, -1, 2, 0.1, 0.5, -12345.6780, 1e30, 'ü', 'nine', '\\x00ff', '1999-12-31', '23:59:59.999999',
        '2026-01-01 00:00:00.000001+01', '1969-12-31 23:59:59.999', '00112233-4455-6677-8899-aabbccddeeff', '{{"b": 1, "a": [null]}}',
        '{{"b":1}}', '{{1,null}}', '10.0.0.1/8', '1 day 2 hours')"""


async def batches(source: Source, done: Progress) -> tuple[Plan, list[Batch]]:
    """What a run would read."""
    plan = await source.plan(done)
    return plan, [batch for partition in plan.partitions async for batch in source.read(partition)]


def rows(read: Sequence[Batch]) -> list[dict[str, Any]]:
    """All rows of batches."""
    return [row for batch in read for row in batch.rows.to_pylist()]


def settings(bench: PostgresBench, table: str, key: str | None = None) -> PostgresSourceSettings:
    """A table of the test's database."""
    return PostgresSourceSettings(f'"{table}"', key, bench.url)


async def test_every_type_is_read_as_it_is(bench: PostgresBench) -> None:
    """Values come as Arrow's types have them; what has no type there as PostgreSQL writes it; nulls as nulls."""
    name = f"types {uuid4().hex}"
    await bench.ask(TYPES.format(name=name))
    await bench.ask(FULL.format(name=name))
    await bench.ask(f'insert into "{name}" (id) values (2)')

    async with SOURCE.open(settings(bench, name), AROUND) as source:
        _, read = await batches(source, Progress())

    (full, empty), schema = rows(read), source.schema
    assert set(empty.values()) == {2, None}
    assert {name for name in schema.names if is_json(schema.field(name))} == {"facts", "old", "list"}
    assert not schema.field("id").nullable
    expected = await bench.ask(f'select * from "{name}" where id = 1')
    assert {key: full[key] for key in ("flag", "small", "whole", "ratio", "real", "price", "note", "short", "bytes", "day", "clock")} == {
        key: expected[0][key] for key in ("flag", "small", "whole", "ratio", "real", "price", "note", "short", "bytes", "day", "clock")
    }
    assert (full["moment"], full["wall"], full["mark"]) == (expected[0]["moment"], expected[0]["wall"], expected[0]["mark"])
    assert (full["exact"], full["network"], full["span"]) == (f"1{'0' * 30}", "10.0.0.1/8", "1 day 02:00:00")
    assert [json.loads(full[key]) for key in ("facts", "old", "list")] == [{"a": [None], "b": 1}, {"b": 1}, [1, None]]


async def test_what_arrow_cannot_hold_is_refused(bench: PostgresBench) -> None:
    """Infinite times and numbers that are none: the row goes to the dead letters, with the reason; its neighbours are read."""
    name = f"odd {uuid4().hex}"
    await bench.ask(f'create table "{name}" (id int primary key, at timestamptz, day date, price numeric(9,2))')
    await bench.ask(
        f"""insert into "{name}" values (1, 'infinity', null), (2, '-infinity', null), (3, now(), null), (4, now(), 'infinity')"""
    )
    await bench.ask(f"""insert into "{name}" values (5, now(), null, 'NaN'), (6, '20000-01-01', null, 1)""")

    async with SOURCE.open(settings(bench, name), AROUND) as source:
        _, (batch,) = await batches(source, Progress())

    assert batch.rows.column("id").to_pylist() == [3, 6]
    assert [(refusal.row, refusal.reason.split(" has")[0]) for refusal in batch.refused] == [
        (0, "at: infinity"),
        (1, "at: -infinity"),
        (3, "day: infinity"),
        (4, "price: NaN"),
    ]
    assert json.loads(batch.refused[0].raw) == {"id": 1, "at": None, "day": None, "price": None}


async def test_the_next_run_reads_what_is_newer(bench: PostgresBench) -> None:
    """The scope is frozen at the greatest key; once it is whole, a later plan widens it, and states all rows up to there."""
    name = f"growing {uuid4().hex}"
    await bench.ask(f'create table "{name}" (id int primary key)')
    counts = list[tuple[int | None, int]]()
    async with SOURCE.open(settings(bench, name), AROUND) as source:
        done = Progress()
        for newest in (-1, 9, 19, 29):
            await bench.ask(f'insert into "{name}" select generate_series(0, {newest}) on conflict do nothing')
            plan, read = await batches(source, done)
            counts.append((plan.scope.rows, len(rows(read))))
            span = plan.scope.span
            done = Progress(plan.scope, (Interval(span.start, span.end, Counts(received=plan.scope.rows or 0)),))
        late = await source.plan(done)

    assert counts == [(0, 0), (10, 10), (20, 10), (30, 10)]
    assert late.partitions == ()


async def test_a_scope_that_is_not_whole_stays(bench: PostgresBench) -> None:
    """What comes while a run is interrupted waits until what it set out to read is there."""
    name = f"staying {uuid4().hex}"
    await bench.ask(f'create table "{name}" (id int primary key)')
    await bench.ask(f'insert into "{name}" select generate_series(1, 5)')
    async with SOURCE.open(settings(bench, name), AROUND) as source:
        plan = await source.plan(Progress())
        await bench.ask(f'insert into "{name}" values (6)')

        again, read = await batches(source, Progress(plan.scope))

    assert again.scope == plan.scope
    assert len(rows(read)) == 5


async def test_long_values_come_in_smaller_pages(bench: PostgresBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages follow the size of what is in them, so that memory does not follow the table."""
    name = f"long {uuid4().hex}"
    await bench.ask(f'create table "{name}" (id int primary key, note text)')
    await bench.ask(f"""insert into "{name}" select g, repeat('x', 10000) from generate_series(1, 50) g""")
    monkeypatch.setattr("penstock.stores.postgres.source.FIRST_PAGE_ROWS", 4)
    monkeypatch.setattr("penstock.stores.postgres.source.PAGE_BYTES", 100_000)

    async with SOURCE.open(settings(bench, name), AROUND) as source:
        _, read = await batches(source, Progress())

    assert sum(batch.rows.num_rows for batch in read) == 50
    assert max(batch.rows.num_rows for batch in read) <= 10


@pytest.mark.parametrize(
    ("sql", "key", "error"),
    [
        ("select", None, NoSuchTable),
        ('create table "{name}" (id int)', None, NoSuchKey),
        ('create table "{name}" (id int, day int, primary key (id, day))', None, NoSuchKey),
        ('create table "{name}" (id int primary key)', "number", NoSuchKey),
        ('create table "{name}" (id numeric primary key)', None, NoSuchKeyType),
    ],
)
async def test_a_table_that_cannot_be_read_is_said_at_once(bench: PostgresBench, sql: str, key: str | None, error: type[Exception]) -> None:
    """Before anything is moved."""
    name = f"none {uuid4().hex}"
    await bench.ask(sql.format(name=name))

    with pytest.raises(error):
        async with SOURCE.open(settings(bench, name, key), AROUND):
            pass


async def test_rows_without_a_key_are_not_passed_over(bench: PostgresBench) -> None:
    """They would never be read, so nothing is."""
    name = f"keyless {uuid4().hex}"
    await bench.ask(f'create table "{name}" (id int)')
    await bench.ask(f'insert into "{name}" values (1), (null)')

    async with SOURCE.open(settings(bench, name, "id"), AROUND) as source:
        with pytest.raises(RowsWithoutKey, match="1 rows have null in id"):
            await source.plan(Progress())


async def test_a_source_makes_nothing(database_url: str) -> None:
    """A database that is only read has nothing of ours afterwards, and nothing could be written by mistake."""
    async with SOURCE.open(PostgresSourceSettings("pg_catalog.pg_settings", "name", database_url), AROUND) as source:
        _, read = await batches(source, Progress())

    connection = await asyncpg.connect(database_url)
    made = await connection.fetchval("select to_regnamespace('penstock')")
    await connection.close()
    assert len(rows(read)) > 100
    assert made is None
    assert [row["setting"] for row in rows(read) if row["name"] == "default_transaction_read_only"] == ["on"]


async def test_looking_says_what_is_there(bench: PostgresBench) -> None:
    """A table that is missing, one that fits and one that does not; nothing is made."""
    name = f"looked at {uuid4().hex}"
    into, intake = PostgresSinkSettings(f'"{name}"', bench.url), Intake("upsert", ("id",))

    before = await SINK.look(into, AROUND, intake, SCHEMA)
    nothing = await bench.ask("select to_regclass($1) as oid", f'"{name}"')
    await bench.ask(f'create table "{name}" (id bigint primary key, name text)')
    after = await SINK.look(into, AROUND, intake, SCHEMA)
    await bench.ask(f'alter table "{name}" alter name type int using 0')
    with pytest.raises(TableDoesNotFit, match="name is integer, the rows have text"):
        await SINK.look(into, AROUND, intake, SCHEMA)

    assert nothing[0]["oid"] is None
    assert (before, after) == (f"table {name} is not there yet, and will be made", f"table {name} is there and fits")


def test_passwords_are_not_shown() -> None:
    """Neither where the rows are, nor in the command that shows them, nor in the identity of a source."""
    url = "postgresql://me:p4ss@db.example:5432/shop?password=p4ss"
    into, out = PostgresSinkSettings("it's", url), PostgresSourceSettings("orders", None, url)

    said = [SINK.place(into, AROUND), SINK.show(into, AROUND), SOURCE.identity(out, AROUND), repr(into), repr(out)]

    assert not any("p4ss" in words for words in said)
    assert said[0] == "table it's in postgresql://me@db.example:5432/shop"
    assert said[1].startswith("psql postgresql://me@db.example:5432/shop -c 'select * from ")


async def test_from_table_to_table_in_one_server(bench: PostgresBench) -> None:
    """A pipeline may read and write the same server: reading is not cut off with what the run had begun to write."""
    name = f"from {uuid4().hex}"
    await bench.ask(f'create table "{name}" (id int primary key, name text)')
    await bench.ask(f"""insert into "{name}" select g, 'n' || g from generate_series(1, 5000) g""")
    into = PostgresSinkSettings(f'"to {name[5:]}"', bench.url)

    async with SOURCE.open(settings(bench, name), AROUND) as source, SINK.open(into, AROUND, Intake()) as destination:
        run = await destination.begin(Pipeline(name, "a table"), records.here())
        transfer = Transfer(run, source, destination, EngineSettings(), Telemetry(), asyncio.Event())
        done = await transfer.carry()

    assert sum(interval.counts.stored for interval in done.coverage) == 5_000
    assert transfer.telemetry.counters["reconnects_total"] == 0
    assert SINK.count is not None
    assert await SINK.count(into, AROUND, Intake()) == 5_000


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("nonsense", UnusableAddress, "scheme"),
        ("postgresql://me:p4ss@host:port/x", UnusableAddress, "its port is not a number"),
        ("postgresql://me:p4ss@127.0.0.1:1/x", DatabaseUnreachable, "Connect call failed"),
    ],
)
async def test_an_address_that_leads_nowhere(url: str, error: type[PenstockError], words: str) -> None:
    """One clear error for whoever looks, reads or writes, without the password."""
    into, out = PostgresSinkSettings("orders", url), PostgresSourceSettings("orders", None, url)

    with pytest.raises(error, match=words) as looking:
        await SINK.look(into, AROUND, Intake(), SCHEMA)
    with pytest.raises(error, match=words) as reading:
        async with SOURCE.open(out, AROUND):
            pass
    with pytest.raises(error, match=words) as writing:
        async with SINK.open(into, AROUND, Intake()) as destination:
            await destination.begin(Pipeline("nowhere", "nothing"), records.here())

    assert not any("p4ss" in str(caught.value) for caught in (looking, reading, writing))


async def test_the_embedded_server_is_not_started_by_looking() -> None:
    """It is named, with the command that asks it."""
    into = PostgresSinkSettings("orders")

    assert await SINK.look(into, AROUND, Intake(), SCHEMA) == "table orders of the embedded PostgreSQL, which a run starts"
    assert SINK.place(into, AROUND) == "table orders in the embedded PostgreSQL"
    assert "db shell -c" in SINK.show(into, AROUND)
    assert SOURCE.identity(PostgresSourceSettings("orders"), AROUND) == "postgres the embedded server table orders"


async def test_a_key_of_infinite_times(bench: PostgresBench) -> None:
    """Rows whose key is infinite are refused like any others with such a time, and do not keep the rest from being read."""
    name = f"endless {uuid4().hex}"
    await bench.ask(f'create table "{name}" (at timestamp primary key)')
    await bench.ask(f"""insert into "{name}" values ('infinity'), ('-infinity'), ('2026-01-01'), ('0044-03-15 BC')""")
    async with SOURCE.open(settings(bench, name), AROUND) as found:
        assert isinstance(found, PostgresSource)
        small = PostgresSource(found.connections, found.name, found.key, found.reads, page_rows=1)
        _, read = await batches(small, Progress())

    assert sum(batch.rows.num_rows for batch in read) == 2
    assert sum(len(batch.refused) for batch in read) == 2


async def test_an_answer_that_is_too_long_is_asked_for_in_parts(bench: PostgresBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server cannot send a page in one go, fewer rows are asked for; one row that is too long is an error."""
    name = f"huge {uuid4().hex}"
    await bench.ask(f'create table "{name}" (id int primary key, note text)')
    await bench.ask(f"""insert into "{name}" select g, 'x' from generate_series(1, 20) g""")
    raising = "raise 'too long' using errcode = 'program_limit_exceeded'"  # as a real one does, which takes a gigabyte of memory
    await bench.ask(f'create function "{name}"() returns int language plpgsql as $$ begin {raising}; end $$')
    real, asked = reading.page_sql, list[int]()

    def page_sql(reads: Sequence[Read], table: str, condition: str, order: str, rows: int) -> str:
        asked.append(rows)
        if rows > limit:
            return f'select "{name}"()'
        return real(reads, table, condition, order, rows)

    monkeypatch.setattr(reading, "page_sql", page_sql)
    async with SOURCE.open(settings(bench, name), AROUND) as source:
        limit = 100
        _, read = await batches(source, Progress())
        limit = 0
        with pytest.raises(RowTooLong, match="too long"):
            await batches(source, Progress())

    assert len(rows(read)) == 20
    assert asked[:4] == [4_000, 500, 62, 4_000]
