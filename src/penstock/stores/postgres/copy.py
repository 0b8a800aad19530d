"""Rows of the binary COPY format, joined out of Arrow columns.

Source of the format: PostgreSQL manual, COPY, "Binary Format". Each row is an int16 with the number of fields, then for each field an int32
with its length (-1: null) and its bytes, all big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.model.errors import Fatal

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
PIECE_BYTES = 256 * 1024
POSTGRES_EPOCH_MS = 946_684_800_000
"""2000-01-01 in Unix milliseconds: binary timestamps count microseconds from there."""

EARLIEST_MS, LATEST_MS = -211_813_488_000_000 + POSTGRES_EPOCH_MS, 9_223_371_331_200_000 - 1 + POSTGRES_EPOCH_MS
"""The years 4714 BC to 294276 in Unix milliseconds: what a timestamp can be (PostgreSQL, src/include/datatype/timestamp.h)."""

SQL_TYPES: dict[pa.DataType, str] = {
    pa.uuid(): "uuid",
    pa.timestamp("ms", "UTC"): "timestamp with time zone",
    pa.string(): "text",
    pa.int64(): "bigint",
}

_EMPTY = pa.scalar(b"", pa.binary())


class NoSuchColumnType(Fatal):
    """A column has a type that has no counterpart in PostgreSQL here."""


class TimeOutOfRange(Fatal):
    """A timestamp lies outside of what PostgreSQL can hold."""

    default_hint = "The source has to refuse such a record."


def sql_type(field: pa.Field) -> str:
    """The PostgreSQL type of an Arrow column.

    Raises:
        NoSuchColumnType: where there is none.
    """
    try:
        return SQL_TYPES[field.type]
    except KeyError:
        raise NoSuchColumnType(f"{field.name}: {field.type}") from None


def rows(batch: pa.RecordBatch) -> pa.BinaryArray:
    """The batch's rows in the format of the wire, one value each."""
    fields = [part for column in batch.columns for part in _field(column)]
    return pc.binary_join_element_wise(_scalar(">h", batch.num_columns), *fields, _EMPTY)


def wire(rows: pa.BinaryArray) -> Iterator[memoryview]:
    """Rows as pieces to be sent, between signature and trailer."""
    ends = np.frombuffer(rows.buffers()[1], np.int32)[rows.offset : rows.offset + len(rows) + 1]
    data = memoryview(rows.buffers()[2] or b"")
    for start in range(int(ends[0]), int(ends[-1]), PIECE_BYTES):
        yield data[start : min(start + PIECE_BYTES, int(ends[-1]))]


def _field(column: pa.Array) -> list[pa.Array | pa.Scalar]:
    """Length and bytes of one column, as two things to be joined row by row."""
    values = _values(column)
    if pa.types.is_fixed_size_binary(values.type) and not column.null_count:
        return [_scalar(">i", values.type.byte_width), values.cast(pa.binary())]
    values = values.cast(pa.binary())
    lengths = pc.fill_null(pc.binary_length(values), -1).to_numpy(zero_copy_only=False)
    return [_fixed(lengths.astype(">i4")).cast(pa.binary()), pc.fill_null(values, b"") if column.null_count else values]


def _values(column: pa.Array) -> pa.Array:
    """The column's values in the format of the wire, as binary of one width or of any."""
    if column.type == pa.uuid():
        return column.storage
    if column.type == pa.timestamp("ms", "UTC"):
        return _big_endian(_within(column.cast(pa.int64())), shift=-POSTGRES_EPOCH_MS, factor=1_000)
    if column.type == pa.int64():
        return _big_endian(column)
    return column.cast(pa.binary())


def _big_endian(column: pa.Array, *, shift: int = 0, factor: int = 1) -> pa.Array:
    numbers = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    wire = _fixed(((numbers + shift) * factor).astype(">i8"))
    return pc.if_else(column.is_valid(), wire, pa.scalar(None, wire.type)) if column.null_count else wire


def _within(milliseconds: pa.Array) -> pa.Array:
    bounds = pc.min_max(milliseconds)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is not None and not EARLIEST_MS <= low <= high <= LATEST_MS:
        raise TimeOutOfRange(f"{low if low < EARLIEST_MS else high} ms")
    return milliseconds


def _fixed(numbers: NDArray[np.generic]) -> pa.Array:
    buffers = [None, pa.py_buffer(np.ascontiguousarray(numbers))]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(numbers.dtype.itemsize), len(numbers), buffers)


def _scalar(layout: str, number: int) -> pa.Scalar:
    return pa.scalar(struct.pack(layout, number), pa.binary())
