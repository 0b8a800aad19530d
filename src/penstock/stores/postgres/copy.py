"""Rows of the binary COPY format, joined out of Arrow columns.

Source of the format: PostgreSQL manual, COPY, "Binary Format". Each row is an int16 with the number of fields, then for each field an int32
with its length (-1: null) and its bytes, all big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.stores.postgres.values import fixed, on_the_wire

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
PIECE_BYTES = 256 * 1024

_EMPTY = pa.scalar(b"", pa.binary())


def rows(batch: pa.RecordBatch, sql_types: Sequence[str]) -> pa.BinaryArray:
    """The batch's rows in the format of the wire, one value each, for columns of these PostgreSQL types.

    Raises:
        OutOfRange: where a type cannot hold a value.
    """
    fields = [part for column, kind in zip(batch.columns, sql_types, strict=True) for part in _field(on_the_wire(column, kind))]
    return pc.binary_join_element_wise(_scalar(">h", batch.num_columns), *fields, _EMPTY)


def wire(rows: pa.BinaryArray) -> Iterator[memoryview]:
    """Rows as pieces to be sent, between signature and trailer."""
    ends = np.frombuffer(rows.buffers()[1], np.int32)[rows.offset : rows.offset + len(rows) + 1]
    data = memoryview(rows.buffers()[2] or b"")
    for start in range(int(ends[0]), int(ends[-1]), PIECE_BYTES):
        yield data[start : min(start + PIECE_BYTES, int(ends[-1]))]


def _field(values: pa.Array) -> list[pa.Array | pa.Scalar]:
    """Length and bytes of one column, as two things to be joined row by row."""
    if pa.types.is_fixed_size_binary(values.type) and not values.null_count:
        return [_scalar(">i", values.type.byte_width), values.cast(pa.binary())]
    values = values.cast(pa.binary())
    lengths = pc.fill_null(pc.binary_length(values), -1).to_numpy(zero_copy_only=False)
    return [fixed(lengths.astype(">i4")).cast(pa.binary()), pc.fill_null(values, b"") if values.null_count else values]


def _scalar(layout: str, number: int) -> pa.Scalar:
    return pa.scalar(struct.pack(layout, number), pa.binary())
