"""Events of a page as rows of `ingested_events`: a column at a time, and one by one only where a page holds a bad one."""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.extract.body import UNDECODABLE, Paging, opened
from penstock.extract.cursor import NO_ID
from penstock.extract.timestamps import UNKNOWN, milliseconds
from penstock.ports.flow import RAW_COLUMN
from penstock.stores.columns.types import json_field
from penstock.stores.http.body import UnusableBody, inflated

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = pa.schema(
    [
        pa.field("id", pa.uuid(), nullable=False),
        pa.field("occurred_at", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("type", pa.string()),
        pa.field("name", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("event", pa.string(), nullable=False),
    ],
    metadata={RAW_COLUMN: b"event"},
)

JSONB_SCHEMA = SCHEMA.set(SCHEMA.get_field_index("event"), json_field("event").with_nullable(False))
"""The same, for tables whose column `event` is jsonb."""

NOT_A_TIME = "its timestamp has no known notation"
NOT_A_UUID = "its id is not a UUID"
HAS_NUL = "it holds a NUL character, which PostgreSQL's text cannot"
NOT_UTF8 = "it is not valid UTF-8"


class Head(msgspec.Struct, gc=False, rename="camel"):
    """The members of an event that have a column of their own."""

    id: str
    timestamp: int | float | str | None
    type: str | None = None
    name: str | None = None
    session_id: str | None = None
    user_id: str | None = None


class _Heads(msgspec.Struct):
    data: list[Head]


_heads_decoder = msgspec.json.Decoder(_Heads)
_head_decoder = msgspec.json.Decoder(Head)

_DASHES = np.array([8, 13, 18, 23])


@dataclass(frozen=True, slots=True)
class Page:
    """A page taken apart, in the order of the API.

    `rows` are its good events and `places` their numbers on the page; `refused` says why each other one is none. `ids` and `ts` (Unix
    milliseconds) are of all events, "" and `UNKNOWN` where they could not be read; `raws` are all events as received.
    """

    rows: pa.RecordBatch
    places: NDArray[np.int64]
    refused: dict[int, str]
    ids: Sequence[str]
    ts: NDArray[np.int64]
    raws: Sequence[msgspec.Raw]
    paging: Paging

    def __len__(self) -> int:
        return len(self.raws)


def page(raw: bytes) -> Page:
    """Read an answer body, gzip or plain.

    Raises:
        UnusableBody: where it is not a page at all.
    """
    body = inflated(raw)
    raws, paging = opened(body)
    heads, refused = _heads(body, raws)
    ids, ts = [head.id for head in heads], milliseconds([head.timestamp for head in heads])
    uuids, valid = _uuids(ids)
    texts = [pa.array(column, pa.string()) for column in _texts(heads)]
    events, sound = _events(raws)
    for reason, bad in ((NOT_A_TIME, ts == UNKNOWN), (NOT_A_UUID, ~valid), (NOT_UTF8, ~sound), (HAS_NUL, _with_nul(texts))):
        for row in np.flatnonzero(bad).tolist():
            refused.setdefault(row, reason)
    times = pa.array(ts, pa.int64()).cast(pa.timestamp("ms", "UTC"))
    places = np.delete(np.arange(len(raws)), list(refused))
    columns = [column if not refused else column.take(pa.array(places)) for column in (uuids, times, *texts, events)]
    rows = pa.RecordBatch.from_arrays([*columns[:-1], columns[-1].cast(pa.string())], schema=SCHEMA)
    return Page(rows, places, refused, ids, ts, raws, paging)


def alone(raw: bytes) -> pa.RecordBatch | str:
    """One event as a row, or why it is none."""
    try:
        read = page(b'{"data":[' + raw + b'],"hasMore":false}')
    except UnusableBody as error:
        return str(error)
    if len(read) != 1:
        return "it is more than one event"
    return read.rows if read.rows.num_rows else read.refused[0]


def _heads(body: bytes, raws: Sequence[msgspec.Raw]) -> tuple[list[Head], dict[int, str]]:
    """The heads of all events in one go; one by one, with reasons, where one of them is bad."""
    try:
        return _heads_decoder.decode(body).data, {}
    except UNDECODABLE:
        return _one_by_one(raws)


def _one_by_one(raws: Sequence[msgspec.Raw]) -> tuple[list[Head], dict[int, str]]:
    heads, refused = [], {}
    for row, raw in enumerate(raws):
        try:
            heads.append(_head_decoder.decode(raw))
        except UNDECODABLE as error:
            refused[row] = f"it does not decode: {str(error).partition(' (byte ')[0]}"
            heads.append(_guessed(raw))
    return heads, refused


def _guessed(raw: msgspec.Raw) -> Head:
    """Key of a bad event, as far as a lenient reader gets: it tells on which side of a seam the event lies."""
    try:
        members = json.loads(bytes(raw).decode(errors="replace"), strict=False)
        key, stamp = members.get("id"), members.get("timestamp")
    except (ValueError, AttributeError, RecursionError):
        key = stamp = None
    if isinstance(stamp, str):
        stamp = _sound(stamp)
    known = isinstance(stamp, (int, float, str)) and not isinstance(stamp, bool)
    return Head(id=_sound(key) if isinstance(key, str) else "", timestamp=stamp if known else None)


def _sound(text: str) -> str:
    """Text that may hold lone surrogates, without them."""
    return text.encode(errors="replace").decode()


def _uuids(ids: Sequence[str]) -> tuple[pa.Array, NDArray[np.bool_]]:
    """UUIDs of the canonical form of 36 characters, in either case, and which of the texts are such."""
    packed, valid = _packed(ids), np.ones(len(ids), bool)
    if packed is None:
        valid = np.fromiter((_packed([one]) is not None for one in ids), bool, len(ids))
        packed = _packed([one if fits else NO_ID for one, fits in zip(ids, valid, strict=True)])
    storage = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(ids), [None, pa.py_buffer(packed)])
    return pa.ExtensionArray.from_storage(pa.uuid(), storage), valid


def _packed(ids: Sequence[str]) -> bytes | None:
    """The 16 bytes of each UUID, one after the other; None where one is not of the canonical form."""
    text = "".join(ids)
    if set(map(len, ids)) - {36} or not text.isascii():
        return None
    dashes = np.frombuffer(text.encode(), np.uint8).reshape(-1, 36)[:, _DASHES]
    try:
        packed = binascii.unhexlify(text.replace("-", ""))
    except binascii.Error:
        return None
    return packed if len(packed) == 16 * len(ids) and (dashes == ord("-")).all() else None


def _texts(heads: Sequence[Head]) -> list[list[str | None]]:
    return [
        [head.type for head in heads],
        [head.name for head in heads],
        [head.session_id for head in heads],
        [head.user_id for head in heads],
    ]


def _with_nul(texts: Sequence[pa.Array]) -> NDArray[np.bool_]:
    """Which rows hold a NUL in one of their columns; hardly ever one does, so the buffers are looked at first."""
    found = np.zeros(len(texts[0]), bool)
    for column in texts:
        if b"\0" in (column.buffers()[2] or pa.py_buffer(b"")).to_pybytes():
            found |= pc.fill_null(pc.match_substring(column, "\0"), False).to_numpy(zero_copy_only=False)
    return found


def _events(raws: Sequence[msgspec.Raw]) -> tuple[pa.Array, NDArray[np.bool_]]:
    """The events as received, in one column, and which of them are UTF-8."""
    ends = np.zeros(len(raws) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, map(cast("Callable[[msgspec.Raw], bytes]", memoryview), raws)), np.int32, len(raws)), out=ends[1:])
    column = pa.BinaryArray.from_buffers(pa.binary(), len(raws), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(raws))])
    try:
        return column.cast(pa.string()), np.ones(len(raws), bool)
    except pa.ArrowInvalid:
        return column, np.fromiter(map(_is_utf8, raws), bool, len(raws))


def _is_utf8(raw: msgspec.Raw) -> bool:
    try:
        bytes(raw).decode()
    except UnicodeDecodeError:
        return False
    return True
