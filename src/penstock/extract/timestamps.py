"""Timestamps of every notation the API is known to mix, as Unix milliseconds, a column at a time.

Notations: epoch milliseconds, epoch seconds (with or without a fraction), either as a numeric string, and ISO 8601 with or without a zone
(without: UTC). What is finer than a millisecond is cut off, as the API's own keys do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress, repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

Stamp = int | float | str | None

UNKNOWN = int(np.iinfo(np.int64).min)
"""Stands where no notation fits."""

SECONDS_BELOW = 100_000_000_000
"""Smaller numbers are seconds: as seconds this is the year 5138, as milliseconds March 1973."""

EARLIEST, LATEST = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999: what ISO 8601 can say and PostgreSQL can store."""

INTEGER = r"^[+-]?\d{1,18}$"
DECIMAL = r"^[+-]?\d{1,18}\.\d+$"
ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}(:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}(:?\d{2})?)?$"
ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)$"
BEYOND_MILLISECONDS = r"(\.\d{3})\d+"


def milliseconds(stamps: Sequence[Stamp]) -> NDArray[np.int64]:
    """Unix milliseconds of each stamp, `UNKNOWN` where no notation fits."""
    result = np.full(len(stamps), UNKNOWN, np.int64)
    kinds = np.fromiter(map(_KINDS.get, map(type, stamps), repeat(0)), np.int8, len(stamps))
    for kind, read in _READERS.items():
        mine = kinds == kind
        if mine.any():
            result[mine] = read(list(compress(stamps, mine.tolist())))
    return np.where((result < EARLIEST) | (result > LATEST), UNKNOWN, result)


def _integers(numbers: Sequence[int]) -> NDArray[np.int64]:
    try:
        exact = np.array(numbers, np.int64)
    except OverflowError:
        exact = np.array([number if EARLIEST <= number <= LATEST else UNKNOWN for number in numbers], np.int64)
    return np.where((exact > -SECONDS_BELOW) & (exact < SECONDS_BELOW), exact * 1_000, exact)


def _decimals(numbers: Sequence[float]) -> NDArray[np.int64]:
    """Numbers with a fraction; a second's is the last millisecond whose own binary fraction is not above it."""
    exact = np.array(numbers, np.float64)
    exact[~(np.abs(exact) <= LATEST)] = UNKNOWN
    near = np.round(exact * 1_000)
    return np.where(np.abs(exact) < SECONDS_BELOW, near - (near / 1_000 > exact), np.floor(exact)).astype(np.int64)


def _texts(texts: Sequence[str]) -> NDArray[np.int64]:
    """Texts: in one go when all are ISO 8601 with a zone, else form by form."""
    column = pa.array(texts, pa.string())
    try:
        return _cast(column)
    except pa.ArrowInvalid:
        return _by_form(pc.utf8_upper(pc.utf8_trim_whitespace(column)))


def _by_form(column: pa.Array) -> NDArray[np.int64]:
    result = np.full(len(column), UNKNOWN, np.int64)
    for form, read in ((INTEGER, _whole), (DECIMAL, _fractional), (ISO, _dates)):
        fits = pc.match_substring_regex(column, form)
        result[fits.to_numpy(zero_copy_only=False)] = read(column.filter(fits))
    return result


def _whole(column: pa.Array) -> NDArray[np.int64]:
    return _integers([int(text) for text in column.to_pylist()])


def _fractional(column: pa.Array) -> NDArray[np.int64]:
    return _decimals([float(text) for text in column.to_pylist()])


def _dates(column: pa.Array) -> NDArray[np.int64]:
    """ISO 8601, brought to one form first: three decimals at the most, and a zone."""
    shorter = pc.replace_substring_regex(column, BEYOND_MILLISECONDS, r"\1")
    zoned = pc.if_else(pc.match_substring_regex(shorter, ZONE), shorter, pc.binary_join_element_wise(shorter, "Z", ""))
    try:
        return _cast(zoned)
    except pa.ArrowInvalid:
        return np.fromiter((_date(zoned.slice(row, 1)) for row in range(len(zoned))), np.int64, len(zoned))


def _date(column: pa.Array) -> int:
    """A column of one, which may name a day that does not exist."""
    try:
        return int(_cast(column)[0])
    except pa.ArrowInvalid:
        return UNKNOWN


def _cast(column: pa.Array) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = pc.cast(column, pa.timestamp("ms", "UTC")).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


_KINDS: dict[type, int] = {int: 1, float: 2, str: 3}
_READERS: dict[int, Callable[[list[Any]], NDArray[np.int64]]] = {1: _integers, 2: _decimals, 3: _texts}
