"""The notations a timestamp has on the wire, each denoting exactly the same millisecond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock.simulate.keys import DAY_MS

Millis = npt.NDArray[np.int64]
Notation = Callable[[Millis], pa.BinaryArray]


def fixed(cells: npt.NDArray[np.uint8]) -> pa.BinaryArray:
    """`cells` uint8[n, width] as n Arrow binary values of that width."""
    rows, width = cells.shape
    offsets = np.arange(0, rows * width + 1, width, dtype=np.int32) if rows else np.zeros(1, np.int32)
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(cells))])


def epoch_ms(ts: Millis) -> pa.BinaryArray:
    """1769541612369."""
    return pa.array(ts).cast(pa.string()).cast(pa.binary())


def epoch_ms_text(ts: Millis) -> pa.BinaryArray:
    """A string of digits: "1769541612369"."""
    return pc.binary_join_element_wise(b'"', epoch_ms(ts), b'"', b"")


def epoch_s(ts: Millis) -> pa.BinaryArray:
    """1769541612 at a whole second, 1769541612.369 otherwise."""
    whole = epoch_ms(ts // 1000)
    decimal = pc.binary_join_element_wise(whole, fixed(_digits(3)[ts % 1000]), b".")
    return pc.if_else(pa.array(ts % 1000 == 0), whole, decimal)


def iso(ts: Millis, *, minutes: int = 0, suffix: bytes) -> pa.BinaryArray:
    """ISO 8601 in the zone `minutes` east of Greenwich, which `suffix` names: "2026-01-27T19:20:12.369Z"."""
    day, in_day = np.divmod(ts + minutes * 60_000, DAY_MS)
    cells = np.empty((len(ts), 25 + len(suffix)), np.uint8)
    cells[:] = np.frombuffer(b'"0000-00-00T00:00:00.000' + suffix + b'"', np.uint8)
    cells[:, 1:11] = _dates(day)
    cells[:, 12:20] = _times()[in_day // 1000]
    cells[:, 21:24] = _digits(3)[in_day % 1000]
    return fixed(cells)


def iso_whole(ts: Millis) -> pa.BinaryArray:
    """Without a fraction at a whole second: "2026-01-27T19:20:12Z"; as `iso` otherwise."""
    full = iso(ts, suffix=b"Z")
    return pc.if_else(pa.array(ts % 1000 == 0), pc.replace_substring(full, b".000Z", b"Z"), full)


OBSERVED: tuple[Notation, ...] = (epoch_ms, partial(iso, suffix=b"Z"))
EVERY: tuple[Notation, ...] = (
    epoch_ms,
    iso_whole,
    epoch_ms_text,
    epoch_s,
    partial(iso, suffix=b""),
    partial(iso, suffix=b"+00:00"),
    partial(iso, suffix=b"+05:30", minutes=330),
    partial(iso, suffix=b"-08:00", minutes=-480),
)


def wire(ts: Millis, choice: npt.NDArray[np.uint8], notations: Sequence[Notation]) -> pa.BinaryArray:
    """Each timestamp in the notation its `choice` numbers."""
    order = np.argsort(choice, kind="stable")
    bounds = np.searchsorted(choice[order], np.arange(len(notations) + 1))
    groups = [order[low:high] for low, high in pairwise(bounds)]
    written = pa.concat_arrays([notation(ts[rows]) for notation, rows in zip(notations, groups, strict=True)])
    back = np.empty(len(ts), np.int64)
    back[order] = np.arange(len(ts))
    return written.take(pa.array(back))


def _dates(day: Millis) -> npt.NDArray[np.uint8]:
    """uint8[n, 10]: the dates of days since 1970."""
    days, place = np.unique(day, return_inverse=True)
    names = np.datetime_as_string(days.astype("datetime64[D]")).astype("S10")
    table: npt.NDArray[np.uint8] = names.view(np.uint8).reshape(-1, 10)
    return table[place]


@cache
def _times() -> npt.NDArray[np.uint8]:
    """uint8[86400, 8]: 00:00:00 to 23:59:59."""
    second = np.arange(86_400)
    cells = np.full((86_400, 8), ord(":"), np.uint8)
    for column, value in ((0, second // 3600), (3, second // 60 % 60), (6, second % 60)):
        cells[:, column : column + 2] = _digits(2)[value]
    return cells


@cache
def _digits(width: int) -> npt.NDArray[np.uint8]:
    """uint8[10^width, width]: every number of that many digits."""
    numbers = np.arange(10**width)[:, None] // 10 ** np.arange(width - 1, -1, -1)
    return (numbers % 10 + ord("0")).astype(np.uint8)
