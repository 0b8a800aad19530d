"""Rows of a page as columns, and the reason for each that is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from penstock.stores.columns import infer, is_json, named, parse, record_batch, said, widened
from penstock.stores.http.path import UNDECODABLE
from penstock.stores.http.window import Window

_row = msgspec.json.Decoder(dict[str, Any])


@dataclass(slots=True)
class Sorted:
    """The rows of a page, sorted out: those to store, by their number on the page; why others are none; how many are left out."""

    good: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    filtered: int = 0
    duplicate: int = 0


def sort_out(raws: Sequence[bytes], before: Collection[bytes], window: Window | None) -> Sorted:
    """Decode rows; what stood on the page `before` in the very same words is a duplicate, what is outside the window is filtered."""
    sorted_ = Sorted()
    for number, raw in enumerate(raws):
        if raw in before:
            sorted_.duplicate += 1
            continue
        try:
            row = _row.decode(raw)
            if window is not None and not window.holds(row):
                sorted_.filtered += 1
                continue
        except (*UNDECODABLE, TypeError, ValueError) as error:
            sorted_.refused[number] = str(error)
        else:
            sorted_.good[number] = row
    return sorted_


def identities(raws: Sequence[bytes], key: Sequence[str]) -> list[bytes]:
    """What tells rows apart: their key, or, where there is none, all of them as received."""
    return [_identity(raw, key) for raw in raws] if key else list(raws)


def columns(rows: Sequence[Mapping[str, Any]], stated: Mapping[str, str]) -> pa.Schema:
    """The columns of rows: those that are stated as they are stated, the others as they look."""
    found = {field.name: field for field in infer(rows)} | {name: named(name, kind) for name, kind in stated.items()}
    return pa.schema(list(found.values()))


def arranged(rows: Mapping[int, Mapping[str, Any]], raws: Sequence[bytes], known: pa.Schema, stated: Mapping[str, str]) -> Arranged:
    """Rows in the columns of `known`, or in wider ones where they do not fit these."""
    numbers, values = list(rows), list(rows.values())
    inferred = infer([{name: value for name, value in row.items() if name not in stated} for row in values])
    schema = widened(known, inferred)
    plain = pa.schema([field for field in schema if field.name not in stated])
    made, bad = dict(zip(plain.names, record_batch(values, plain).columns, strict=True)), dict[int, str]()
    for name in stated:
        made[name], unreadable = parse(_texts(values, [raws[number] for number in numbers], schema.field(name)), schema.field(name))
        for place in unreadable:
            bad.setdefault(place, f"{name}: {str(values[place].get(name))[:60]!r} is no {said(schema.field(name))}")
    batch = pa.RecordBatch.from_arrays([made[field.name] for field in schema], schema=schema)
    if bad:
        batch = batch.take(pa.array(np.delete(np.arange(len(values)), list(bad))))
    return Arranged(batch, {numbers[place]: reason for place, reason in bad.items()})


@dataclass(frozen=True, slots=True)
class Arranged:
    """Rows in columns, and by its number on the page why each other one is none."""

    rows: pa.RecordBatch
    refused: Mapping[int, str]


def _texts(values: Sequence[Mapping[str, Any]], raws: Sequence[bytes], field: pa.Field) -> pa.Array:
    """The values of a stated column as texts; numbers that have to be exact in the words in which they came."""
    if pa.types.is_decimal(field.type):
        exact = [bytes(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get(field.name, b"null")).decode() for raw in raws]
        return pa.array([None if text == "null" else text.strip('"') for text in exact], pa.string())
    return pa.array([_text(row.get(field.name), field) for row in values], pa.string())


def _text(value: object, field: pa.Field) -> str | None:
    if value is None or (isinstance(value, str) and not is_json(field)):
        return value
    return msgspec.json.encode(value).decode()


def _identity(raw: bytes, key: Sequence[str]) -> bytes:
    try:
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except UNDECODABLE:
        return raw
    return b"\0".join(bytes(members.get(name, b"")) for name in key)
