"""Text into values of a type, a column at a time, and bit by bit only where one of them is no such value."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import time
from typing import TypeVar
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from penstock.stores.columns.types import is_json

T = TypeVar("T")

_READERS: dict[pa.DataType, Callable[[str], object]] = {
    pa.uuid(): lambda text: UUID(text).bytes,
    pa.binary(): lambda text: base64.b64decode(text, validate=True),
    pa.time64("us"): time.fromisoformat,
}
"""For types that Arrow does not make out of text itself."""

UNREADABLE = (pa.ArrowException, ValueError, OverflowError)
"""What reading a value raises that is none; those of `binascii`, of UTF-8 and of msgspec are `ValueError`s."""


HEXADECIMAL, TOO_LARGE = "a whole number is written in decimal digits", "the number is too large"


def parse(texts: pa.Array, field: pa.Field) -> tuple[pa.Array, list[int]]:
    """The values of `texts` in the type of `field`, null where there is none, and the numbers of the texts that are no such value.

    A timestamp needs its zone (`Z`, `+01:00`), a datetime must have none; binary is base64 (RFC 4648 §4).
    """
    pieces, bad = [], []
    for start, piece in in_parts(len(texts), lambda start, end: _read(texts.slice(start, end - start), field)):
        pieces.append(pa.nulls(1, field.type) if isinstance(piece, Exception) else piece)
        if isinstance(piece, Exception):
            bad.append(start)
    return pa.concat_arrays(pieces) if pieces else pa.array([], field.type), bad


def in_parts(count: int, attempt: Callable[[int, int], T]) -> Iterator[tuple[int, T | Exception]]:
    """What `attempt(start, end)` makes of `count` items: in one go, or in halves of halves around those it cannot take.

    Yields where each part starts, and what was made of it; an error for one item that alone raises one of `UNREADABLE`.
    """
    todo = [(0, count)] if count else []
    while todo:
        start, end = todo.pop()
        try:
            yield start, attempt(start, end)
        except UNREADABLE as error:
            if end - start == 1:
                yield start, error
            else:
                middle = (start + end) // 2
                todo += [(middle, end), (start, middle)]


def _read(texts: pa.Array, field: pa.Field) -> pa.Array:
    if field.type in _READERS:
        read = _READERS[field.type]
        return pa.array([None if text is None else read(text) for text in texts.to_pylist()], field.type)
    if is_json(field):
        for text in texts.to_pylist():
            if text is not None:
                msgspec.json.decode(text)
        return texts
    if pa.types.is_string(field.type):
        return texts
    return _cast(pc.utf8_trim_whitespace(texts), field.type)


def _cast(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """What Arrow reads; it would take `0x1f` for a whole number, and a number that is too large for infinity."""
    values = pc.cast(texts, kind)
    if pa.types.is_integer(kind) and pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py():
        raise pa.ArrowInvalid(HEXADECIMAL)
    if pa.types.is_floating(kind):
        infinite = texts.filter(pc.is_inf(values))
        if not pc.all(pc.match_substring(infinite, "inf", ignore_case=True), min_count=0).as_py():
            raise pa.ArrowInvalid(TOO_LARGE)
    return values
