"""The rows of a page, sorted out: those to store, those that are left out, and those that are none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from penstock.stores.http.path import UNDECODABLE
from penstock.stores.http.window import Window
from penstock.stores.jsonl.entries import decode_each
from penstock.stores.jsonl.rows import RowDecoder

_row = msgspec.json.Decoder(dict[str, Any])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(slots=True)
class Sorted:
    """The rows of a page by their numbers: in columns, refused with the reason, and how many are left out for which cause."""

    rows: pa.RecordBatch
    refused: dict[int, str] = field(default_factory=dict)
    filtered: int = 0
    duplicate: int = 0


def sort_out(raws: Sequence[bytes], before: Collection[bytes], window: Window | None, decoder: RowDecoder) -> Sorted:
    """What stood on the page `before` in the very same words is a duplicate, what is outside the window is filtered."""
    sorted_, numbers = Sorted(pa.RecordBatch.from_pylist([], schema=decoder.schema)), list[int]()
    for number, raw in enumerate(raws):
        if raw in before:
            sorted_.duplicate += 1
        elif window is None or _is_within(window, number, raw, sorted_):
            numbers.append(number)
    if numbers:
        decoded = decode_each(decoder, [raws[number] for number in numbers])
        sorted_.rows = decoded.rows
        sorted_.refused |= {numbers[bad.record]: bad.reason for bad in decoded.bad}
    return sorted_


def sample(raws: Sequence[bytes]) -> list[Mapping[str, Any]]:
    """The objects among some rows, for their columns to be inferred."""
    return [row for raw in raws if isinstance(row := _decoded(raw), dict)]


def identities(raws: Sequence[bytes], key: Sequence[str]) -> list[bytes]:
    """What tells rows apart: their key, or, where there is none, all of them as received."""
    return [_identity(raw, key) for raw in raws] if key else list(raws)


def _is_within(window: Window, number: int, raw: bytes, sorted_: Sorted) -> bool:
    """Whether a row belongs to the window; where not, it is counted or refused."""
    row = _decoded(raw)
    if isinstance(row, Exception):
        return True  # the decoder says what is wrong with it
    try:
        within = window.holds(row)
    except (TypeError, ValueError) as error:
        sorted_.refused[number] = f"{window.filter.column}: {error}"
        return False
    sorted_.filtered += not within
    return within


def _decoded(raw: bytes) -> dict[str, Any] | Exception:
    try:
        return _row.decode(raw)
    except UNDECODABLE as error:
        return error


def _identity(raw: bytes, key: Sequence[str]) -> bytes:
    try:
        members = _members.decode(raw)
    except UNDECODABLE:
        return raw
    return b"\0".join(bytes(members.get(name, b"")) for name in key)
