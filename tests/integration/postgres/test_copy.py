"""Arrow columns in PostgreSQL's binary COPY format."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import asyncpg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.postgres import copy
from penstock.stores.postgres.copy import EARLIEST_MS, LATEST_MS, NoSuchColumnType, TimeOutOfRange

UUID, TIME, TEXT, NUMBER = pa.uuid(), pa.timestamp("ms", "UTC"), pa.string(), pa.int64()
INT64 = st.integers(-(2**63), 2**63 - 1)

VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    UUID: st.binary(min_size=16, max_size=16),
    TIME: st.integers(EARLIEST_MS, LATEST_MS) | st.sampled_from([EARLIEST_MS, LATEST_MS, 0, -1, copy.POSTGRES_EPOCH_MS]),
    TEXT: st.text(max_size=12),
    NUMBER: INT64 | st.sampled_from([-(2**63), 2**63 - 1, 0, -1]),
}
"""By type: what a column holds, as Python has it; times as Unix milliseconds."""

ENCODERS: dict[pa.DataType, Callable[[Any], bytes]] = {
    UUID: lambda value: value,
    TIME: lambda value: struct.pack(">q", (value - 946_684_800_000) * 1_000),
    TEXT: str.encode,
    NUMBER: lambda value: struct.pack(">q", value),
}


def by_hand(kinds: list[pa.DataType], rows: list[tuple[Any, ...]]) -> bytes:
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
    if kind == TIME:
        return pa.array(values, pa.int64()).cast(TIME)
    return pa.array(values, kind)


def batch(kinds: list[pa.DataType], rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    """An Arrow record batch of them."""
    arrays = [column(kind, [row[place] for row in rows]) for place, kind in enumerate(kinds)]
    return pa.RecordBatch.from_arrays(arrays, names=[f"c{place}" for place in range(len(kinds))])


def sent(batch: pa.RecordBatch) -> bytes:
    """What goes over the wire."""
    return b"".join(bytes(piece) for piece in copy.wire(copy.rows(batch)))


@given(st.data(), st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=5))
def test_it_is_what_one_would_write_by_hand(data: st.DataObject, kinds: list[pa.DataType]) -> None:
    """Byte for byte, whatever the values: nulls, empty texts, extremes, no rows at all, and a part of a longer column."""
    nullable = [data.draw(st.booleans()) for _ in kinds]
    values = [VALUES[kind] | st.none() if null else VALUES[kind] for kind, null in zip(kinds, nullable, strict=True)]
    rows = data.draw(st.lists(st.tuples(*values), max_size=8))
    first = data.draw(st.integers(0, len(rows)))
    length = data.draw(st.integers(0, len(rows) - first))

    wire = sent(batch(kinds, rows).slice(first, length))

    assert wire == by_hand(kinds, rows[first : first + length])


def test_no_rows_are_no_bytes() -> None:
    """A batch without rows adds nothing to a COPY, not even the padding of its buffers."""
    assert sent(batch([UUID, TEXT], [])) == b""


@given(st.integers(1, 40), st.lists(st.text(max_size=30), max_size=6))
def test_pieces_are_the_whole(size: int, texts: list[str]) -> None:
    """However small the pieces, together they are the rows, and none is larger than it may be."""
    rows = copy.rows(batch([TEXT], [(text,) for text in texts]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copy, "PIECE_BYTES", size)

        pieces = [bytes(piece) for piece in copy.wire(rows)]

    assert b"".join(pieces) == by_hand([TEXT], [(text,) for text in texts])
    assert all(0 < len(piece) <= size for piece in pieces)


@pytest.mark.parametrize("time", [EARLIEST_MS - 1, LATEST_MS + 1, 2**63 - 1, -(2**63)])
def test_a_time_that_postgres_cannot_hold_is_an_error(time: int) -> None:
    """It is not stored as some other time, which is what its microseconds would overflow to."""
    with pytest.raises(TimeOutOfRange, match=str(time)):
        copy.rows(batch([TIME], [(0,), (None,), (time,)]))


def test_a_type_without_a_counterpart_is_named() -> None:
    """Which column it is, and what it holds."""
    with pytest.raises(NoSuchColumnType, match="price: decimal128"):
        copy.sql_type(pa.field("price", pa.decimal128(10, 2)))


async def test_values_come_back_as_they_went(database_url: str, seed: int, scale: int) -> None:
    """Through a real table and back, every value is what it was."""
    random = Random(f"copy {seed}")
    kinds = [UUID, TIME, TEXT, NUMBER]
    rows = [_drawn(random) for _ in range(500 * scale)]
    rows += [(b"\0" * 16, EARLIEST_MS, "", -(2**63)), (b"\xff" * 16, LATEST_MS, "\U0001f600\\N\t\n", 2**63 - 1), (None, None, None, None)]
    connection = await asyncpg.connect(database_url)
    types = ", ".join(f"c{place} {copy.sql_type(pa.field('c', kind))}" for place, kind in enumerate(kinds))
    await connection.execute(f"create table t (number bigint generated always as identity, {types})")

    wire = [copy.SIGNATURE, sent(batch(kinds, rows)), copy.TRAILER]
    await connection.copy_to_table("t", source=_parts(wire), columns=[f"c{place}" for place in range(4)], format="binary")
    stored = await connection.fetch("select c0, extract(epoch from c1)::numeric as c1, c2, c3 from t order by number")
    await connection.close()

    assert [_read(row) for row in stored] == rows


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
