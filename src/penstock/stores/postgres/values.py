"""Values of Arrow columns as PostgreSQL's types have them on the wire, big-endian (src/backend/utils/adt, the functions named *_send)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.model.errors import Refused
from penstock.stores.postgres import numeric

if TYPE_CHECKING:
    from numpy.typing import NDArray

POSTGRES_EPOCH_MS = 946_684_800_000
"""2000-01-01 in Unix milliseconds: binary timestamps count microseconds from there."""

EARLIEST_MS, LATEST_MS = -211_813_488_000_000 + POSTGRES_EPOCH_MS, 9_223_371_331_200_000 - 1 + POSTGRES_EPOCH_MS
"""The years 4714 BC to 294276 in Unix milliseconds: what a timestamp can be (PostgreSQL, src/include/datatype/timestamp.h)."""

POSTGRES_EPOCH_DAY = 10_957
FIRST_DAY, LAST_DAY = -2_440_588, 2_147_483_493 - 2_440_588
"""The years 4714 BC to 5874897 in days since 1970: what a date can be."""

DAY_US = 86_400_000_000


class OutOfRange(Refused):
    """A value lies outside of what its column can hold."""


def on_the_wire(column: pa.Array, sql_type: str) -> pa.Array:
    """The column's values in the format of the wire, as binary of one width or of any.

    Raises:
        OutOfRange: where the type cannot hold one of them.
    """
    return _ENCODERS[sql_type.partition("(")[0]](column)


def _integers(layout: str) -> Callable[[pa.Array], pa.Array]:
    bounds = np.iinfo(layout)

    def encode(column: pa.Array) -> pa.Array:
        if bounds.bits < 64:
            _require(column, int(bounds.min), int(bounds.max))
        return _fixed(column, _numbers(column).astype(layout))

    return encode


def _timestamps(column: pa.Array) -> pa.Array:
    numbers = column.cast(pa.int64())
    if column.type.unit == "ms":
        _require(numbers, EARLIEST_MS, LATEST_MS, "ms")
        return _fixed(column, ((_numbers(numbers) - POSTGRES_EPOCH_MS) * 1_000).astype(">i8"))
    _require(numbers, EARLIEST_MS * 1_000, 2**63 - 1, "us")
    return _fixed(column, (_numbers(numbers) - POSTGRES_EPOCH_MS * 1_000).astype(">i8"))


def _dates(column: pa.Array) -> pa.Array:
    days = column.cast(pa.int32())
    _require(days, FIRST_DAY, LAST_DAY, "days")
    return _fixed(column, (_numbers(days) - POSTGRES_EPOCH_DAY).astype(">i4"))


def _times(column: pa.Array) -> pa.Array:
    numbers = column.cast(pa.int64())
    _require(numbers, 0, DAY_US, "us")
    return _fixed(column, _numbers(numbers).astype(">i8"))


def _booleans(column: pa.Array) -> pa.Array:
    return _fixed(column, _numbers(column.cast(pa.uint8())))


def _floats(column: pa.Array) -> pa.Array:
    return _fixed(column, _numbers(column).astype(">f8"))


def _decimals(column: pa.Array) -> pa.Array:
    return _fixed(column, numeric.encode(column))


def _uuids(column: pa.Array) -> pa.Array:
    return column.storage


def _bytes(column: pa.Array) -> pa.Array:
    return column.cast(pa.binary())


def _jsonb(column: pa.Array) -> pa.Array:
    """Version 1, then the text."""
    return pc.binary_join_element_wise(pa.scalar(b"\x01"), column.cast(pa.binary()), pa.scalar(b""))


_ENCODERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "boolean": _booleans,
    "bigint": _integers(">i8"),
    "integer": _integers(">i4"),
    "smallint": _integers(">i2"),
    "double precision": _floats,
    "numeric": _decimals,
    "text": _bytes,
    "character varying": _bytes,
    "bytea": _bytes,
    "jsonb": _jsonb,
    "uuid": _uuids,
    "date": _dates,
    "time without time zone": _times,
    "timestamp with time zone": _timestamps,
    "timestamp without time zone": _timestamps,
}


def _numbers(column: pa.Array) -> NDArray[np.generic]:
    return pc.fill_null(column, 0).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _require(numbers: pa.Array, low: int, high: int, unit: str = "") -> None:
    bounds = pc.min_max(numbers)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    if least is not None and not low <= least <= most <= high:
        raise OutOfRange(f"{least if least < low else most} {unit}".rstrip())


def _fixed(column: pa.Array, numbers: NDArray[np.generic]) -> pa.Array:
    """Values of one width, null where the column is."""
    wire = fixed(numbers)
    return pc.if_else(column.is_valid(), wire, pa.scalar(None, wire.type)) if column.null_count else wire


def fixed(numbers: NDArray[np.generic]) -> pa.Array:
    """Numbers as binary of their width."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(numbers))]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(numbers.dtype.itemsize), len(numbers), buffers)
