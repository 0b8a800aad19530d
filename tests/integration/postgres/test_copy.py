"""Arrow columns in PostgreSQL's binary COPY format."""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import asyncpg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.columns import json_field
from penstock.stores.postgres import copy
from penstock.stores.postgres.column_types import sql_type, takes
from penstock.stores.postgres.values import DAY_US, EARLIEST_MS, FIRST_DAY, LAST_DAY, LATEST_MS, POSTGRES_EPOCH_MS, OutOfRange
from penstock.stores.tables import NoSuchColumnType

TIME, TEXT = pa.timestamp("ms", "UTC"), pa.string()
INT64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, 0, -1])
MS = st.integers(EARLIEST_MS, LATEST_MS) | st.sampled_from([EARLIEST_MS, LATEST_MS, 0, -1, POSTGRES_EPOCH_MS])
US = st.integers(EARLIEST_MS * 1_000, 2**63 - 1) | st.sampled_from([EARLIEST_MS * 1_000, 2**63 - 1, 0, -1])
FLOATS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324])

FIELDS: dict[str, tuple[pa.Field, st.SearchStrategy[Any]]] = {
    "bool": (pa.field("", pa.bool_()), st.booleans()),
    "int64": (pa.field("", pa.int64()), INT64),
    "float64": (pa.field("", pa.float64()), FLOATS),
    "string": (pa.field("", TEXT), st.text(max_size=12)),
    "binary": (pa.field("", pa.binary()), st.binary(max_size=12)),
    "timestamp ms": (pa.field("", TIME), MS),
    "timestamp us": (pa.field("", pa.timestamp("us", "UTC")), US),
    "datetime us": (pa.field("", pa.timestamp("us")), US),
    "datetime ms": (pa.field("", pa.timestamp("ms")), MS),
    "date": (pa.field("", pa.date32()), st.integers(FIRST_DAY, LAST_DAY)),
    "time": (pa.field("", pa.time64("us")), st.integers(0, DAY_US - 1)),
    "decimal(38, 0)": (pa.field("", pa.decimal128(38, 0)), st.decimals(-(10**38) + 1, 10**38 - 1, places=0)),
    "decimal(38, 38)": (pa.field("", pa.decimal128(38, 38)), st.decimals(-1, 1, places=38).filter(lambda value: abs(value) < 1)),
    "decimal(20, 7)": (pa.field("", pa.decimal128(20, 7)), st.decimals(-(10**12), 10**12, places=7)),
    "decimal(3, 1)": (pa.field("", pa.decimal128(3, 1)), st.decimals(-99, 99, places=1)),
    "uuid": (pa.field("", pa.uuid()), st.binary(min_size=16, max_size=16)),
    "json": (json_field(""), st.sampled_from(["{}", "[1, null]", '"\\u00fc"'])),
}
"""By name: a column, and what it holds; times as numbers of their unit."""


def numeric(value: Decimal, scale: int, before: int, behind: int) -> bytes:
    """All digits of a decimal, by long division."""
    sign, number = (0x4000 if value < 0 else 0), abs(int(value.as_integer_ratio()[0] * 10**scale // value.as_integer_ratio()[1]))
    number *= 10 ** (behind * 4 - scale)
    digits = [number // 10_000**place % 10_000 for place in reversed(range(before + behind))]
    return struct.pack(f">hhHh{len(digits)}h", len(digits), before - 1, sign, scale, *digits)


ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "bool": lambda value: struct.pack(">?", value),
    "int64": lambda value: struct.pack(">q", value),
    "float64": lambda value: struct.pack(">d", value),
    "string": str.encode,
    "binary": lambda value: value,
    "timestamp ms": lambda value: struct.pack(">q", (value - 946_684_800_000) * 1_000),
    "timestamp us": lambda value: struct.pack(">q", value - 946_684_800_000_000),
    "datetime us": lambda value: struct.pack(">q", value - 946_684_800_000_000),
    "datetime ms": lambda value: struct.pack(">q", (value - 946_684_800_000) * 1_000),
    "date": lambda value: struct.pack(">i", value - 10_957),
    "time": lambda value: struct.pack(">q", value),
    "decimal(38, 0)": lambda value: numeric(value, 0, 10, 0),
    "decimal(38, 38)": lambda value: numeric(value, 38, 0, 10),
    "decimal(20, 7)": lambda value: numeric(value, 7, 4, 2),
    "decimal(3, 1)": lambda value: numeric(value, 1, 1, 1),
    "uuid": lambda value: value,
    "json": lambda value: b"\x01" + value.encode(),
}


def by_hand(kinds: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> bytes:
    """The same rows, value by value."""
    wire = b""
    for row in rows:
        wire += struct.pack(">h", len(kinds))
        for kind, value in zip(kinds, row, strict=True):
            encoded = None if value is None else ENCODERS[kind](value)
            wire += struct.pack(">i", -1) if encoded is None else struct.pack(">i", len(encoded)) + encoded
    return wire


def column(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """An Arrow array of them."""
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, pa.int32()).cast(kind) if kind == pa.date32() else pa.array(values, kind)


def batch(kinds: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """An Arrow record batch of them."""
    fields = [FIELDS[kind][0].with_name(f"c{place}") for place, kind in enumerate(kinds)]
    arrays = [column(field.type, [row[place] for row in rows]) for place, field in enumerate(fields)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def types(batch: pa.RecordBatch) -> list[str]:
    """Of the columns, as we make them."""
    return [sql_type(field) for field in batch.schema]


def sent(batch: pa.RecordBatch) -> bytes:
    """What goes over the wire."""
    return b"".join(bytes(piece) for piece in copy.wire(copy.rows(batch, types(batch))))


@given(st.data(), st.lists(st.sampled_from(list(FIELDS)), min_size=1, max_size=5))
def test_it_is_what_one_would_write_by_hand(data: st.DataObject, kinds: list[str]) -> None:
    """Byte for byte, whatever the values: nulls, empty texts, extremes, no rows at all, and a part of a longer column."""
    nullable = [data.draw(st.booleans()) for _ in kinds]
    values = [FIELDS[kind][1] | st.none() if null else FIELDS[kind][1] for kind, null in zip(kinds, nullable, strict=True)]
    rows = data.draw(st.lists(st.tuples(*values), max_size=8))
    first = data.draw(st.integers(0, len(rows)))
    length = data.draw(st.integers(0, len(rows) - first))

    wire = sent(batch(kinds, rows).slice(first, length))

    assert wire == by_hand(kinds, rows[first : first + length])


def test_no_rows_are_no_bytes() -> None:
    """A batch without rows adds nothing to a COPY, not even the padding of its buffers."""
    assert sent(batch(list(FIELDS), [])) == b""


@given(st.integers(1, 40), st.lists(st.text(max_size=30), max_size=6))
def test_pieces_are_the_whole(size: int, texts: list[str]) -> None:
    """However small the pieces, together they are the rows, and none is larger than it may be."""
    rows = copy.rows(batch(["string"], [(text,) for text in texts]), ["text"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copy, "PIECE_BYTES", size)

        pieces = [bytes(piece) for piece in copy.wire(rows)]

    assert b"".join(pieces) == by_hand(["string"], [(text,) for text in texts])
    assert all(0 < len(piece) <= size for piece in pieces)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("timestamp ms", EARLIEST_MS - 1, f"{EARLIEST_MS - 1} ms"),
        ("timestamp ms", LATEST_MS + 1, f"{LATEST_MS + 1} ms"),
        ("datetime ms", 2**63 - 1, f"{2**63 - 1} ms"),
        ("timestamp us", EARLIEST_MS * 1_000 - 1, f"{EARLIEST_MS * 1_000 - 1} us"),
        ("datetime us", -(2**63), f"{-(2**63)} us"),
        ("date", FIRST_DAY - 1, f"{FIRST_DAY - 1} days"),
        ("date", LAST_DAY + 1, f"{LAST_DAY + 1} days"),
        ("time", DAY_US + 1, f"{DAY_US + 1} us"),
        ("time", -1, "-1 us"),
    ],
)
def test_a_value_that_postgres_cannot_hold_is_an_error(kind: str, value: int, said: str) -> None:
    """It is not stored as some other value, which is what it would overflow to."""
    with pytest.raises(OutOfRange, match=said):
        sent(batch([kind], [(0,), (None,), (value,)]))


@pytest.mark.parametrize(("sql", "size"), [("integer", 4), ("smallint", 2)])
def test_a_narrower_column_takes_what_fits(sql: str, size: int) -> None:
    """Whole numbers go into a narrower column of a table that was there before; one that does not fit is an error."""
    least, most = -(2 ** (size * 8 - 1)), 2 ** (size * 8 - 1) - 1

    rows = copy.rows(batch(["int64"], [(least,), (None,), (most,)]), [sql])

    assert [value[6:] for value in rows.to_pylist()] == [least.to_bytes(size, "big", signed=True), b"", most.to_bytes(size, "big")]
    for number in (least - 1, most + 1):
        with pytest.raises(OutOfRange, match=str(number)):
            copy.rows(batch(["int64"], [(0,), (number,)]), [sql])


@pytest.mark.parametrize("kind", [pa.decimal256(40, 2), pa.decimal128(5, -2), pa.timestamp("ns"), pa.list_(pa.int64()), pa.int32()])
def test_a_type_without_a_counterpart_is_named(kind: pa.DataType) -> None:
    """Which column it is, and what it holds."""
    with pytest.raises(NoSuchColumnType, match="price: "):
        sql_type(pa.field("price", kind))


@pytest.mark.parametrize(
    ("kind", "found", "fits"),
    [
        (pa.int64(), "bigint", True),
        (pa.int64(), "smallint", True),
        (pa.int64(), "double precision", False),
        (pa.float64(), "real", False),
        (TEXT, "character varying(5)", True),
        (TEXT, "character(5)", False),
        (TEXT, "jsonb", False),
        (TIME, "timestamp with time zone", True),
        (TIME, "timestamp(3) with time zone", False),
        (TIME, "timestamp without time zone", False),
        (pa.decimal128(10, 2), "numeric", True),
        (pa.decimal128(10, 2), "numeric(10,2)", True),
        (pa.decimal128(10, 2), "numeric(12,4)", True),
        (pa.decimal128(10, 2), "numeric(11,4)", False),
        (pa.decimal128(10, 2), "numeric(12,1)", False),
        (pa.decimal128(10, 2), "bigint", False),
    ],
)
def test_a_column_fits_where_nothing_is_altered(kind: pa.DataType, found: str, fits: bool) -> None:  # noqa: FBT001 - a case's answer
    """A column that would round, cut or reinterpret a value does not fit; one that refuses what it cannot hold does."""
    assert takes(found, pa.field("c", kind)) is fits


def test_json_text_fits_json() -> None:
    """And plain text; not the type json, whose values do not compare."""
    assert [takes(found, json_field("c")) for found in ("jsonb", "text", "json")] == [True, True, False]


@given(rows=st.lists(st.tuples(*(strategy | st.none() for _, strategy in FIELDS.values())), min_size=1, max_size=3))
def test_all_types_stand_in_one_row(rows: list[tuple[Any, ...]]) -> None:
    """Columns do not disturb each other."""
    assert sent(batch(list(FIELDS), rows)) == by_hand(list(FIELDS), rows)


async def test_values_come_back_as_they_went(database_url: str, seed: int, scale: int) -> None:
    """Through a real table and back, every value is what it was."""
    random = Random(f"copy {seed}")
    rows = [_drawn(random) for _ in range(500 * scale)]
    rows += [(b"\0" * 16, EARLIEST_MS, "", -(2**63)), (b"\xff" * 16, LATEST_MS, "\U0001f600\\N\t\n", 2**63 - 1), (None, None, None, None)]
    connection = await asyncpg.connect(database_url)
    whole = batch(["uuid", "timestamp ms", "string", "int64"], rows)
    named = ", ".join(f"c{place} {kind}" for place, kind in enumerate(types(whole)))
    await connection.execute(f"create table t (number bigint generated always as identity, {named})")

    wire = [copy.SIGNATURE, sent(whole), copy.TRAILER]
    await connection.copy_to_table("t", source=_parts(wire), columns=[f"c{place}" for place in range(4)], format="binary")
    stored = await connection.fetch("select c0, extract(epoch from c1)::numeric as c1, c2, c3 from t order by number")
    await connection.close()

    assert [_read(row) for row in stored] == rows


EXAMPLES = [
    ("bool", True, "true"),
    ("float64", math.nan, "NaN"),
    ("float64", -math.inf, "-Infinity"),
    ("float64", -0.0, "-0"),
    ("float64", 0.1, "0.1"),
    ("string", "", ""),
    ("binary", b"\0\xff", "\\x00ff"),
    ("timestamp us", 1_700_000_000_123_456, "2023-11-14 22:13:20.123456+00"),
    ("datetime us", 1_700_000_000_123_456, "2023-11-14 22:13:20.123456"),
    ("datetime us", 2**63 - 1, "294247-01-10 04:00:54.775807"),
    ("date", -1, "1969-12-31"),
    ("date", FIRST_DAY, "4714-11-24 BC"),
    ("date", LAST_DAY, "5874897-12-31"),
    ("time", DAY_US - 1, "23:59:59.999999"),
    ("decimal(38, 0)", 10**38 - 1, "9" * 38),
    ("decimal(38, 0)", 0, "0"),
    ("decimal(38, 38)", "-0.00000000000000000000000000000000000001", "-0.00000000000000000000000000000000000001"),
    ("decimal(20, 7)", "-1234567.0000100", "-1234567.0000100"),
    ("decimal(20, 7)", "10000", "10000.0000000"),
    ("decimal(3, 1)", "0.5", "0.5"),
    ("json", '{"b": 1, "a": [null]}', '{"a": [null], "b": 1}'),
]
"""A column, a value, and what the server shows of it."""


async def test_postgres_reads_what_was_meant(database_url: str) -> None:
    """The server shows each value as one would write it."""
    connection = await asyncpg.connect(database_url, server_settings={"timezone": "UTC"})
    shown = []
    for kind, value, _ in EXAMPLES:
        one = batch([kind], [(Decimal(str(value)) if kind.startswith("decimal") else value,)])
        await connection.execute(f"drop table if exists t; create table t (c0 {types(one)[0]})")
        await connection.copy_to_table("t", source=_parts([copy.SIGNATURE, sent(one), copy.TRAILER]), columns=["c0"], format="binary")
        shown.append((kind, value, await connection.fetchval("select c0::text from t")))
    await connection.close()

    assert repr(shown) == repr(EXAMPLES)


async def _parts(wire: list[bytes]) -> AsyncIterator[bytes]:
    for part in wire:
        yield part


def _drawn(random: Random) -> tuple[Any, ...]:
    values = (random.randbytes(16), random.randint(EARLIEST_MS, LATEST_MS), _text(random), random.randint(-(2**63), 2**63 - 1))
    return tuple(None if random.random() < 0.1 else value for value in values)


def _text(random: Random) -> str:
    return "".join(chr(random.choice([random.randint(1, 0xD7FF), random.randint(0xE000, 0x10FFFF)])) for _ in range(random.randint(0, 9)))


def _read(row: asyncpg.Record) -> tuple[Any, ...]:
    key, seconds = row["c0"], row["c1"]
    return None if key is None else key.bytes, None if seconds is None else int(seconds * 1_000), row["c2"], row["c3"]
