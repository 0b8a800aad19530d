"""Rows whose key came shortly before; they are left out and counted as duplicates."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from penstock.pipelines.stages.step import Cause, Sifted, Step, required

WINDOW_KEYS = 1_000
"""How many different keys are remembered. They are part of every position, so that a run that is killed goes on as if it had not been."""

KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Dedupe:
    """Columns that make the key. The first row of a key stays; where a part of the key is null, every row does.

    It sees repeats within the last `WINDOW_KEYS` keys of one partition. A key that is never to be stored twice wants mode upsert.
    """

    place: str
    key: tuple[str, ...]

    def bind(self, schema: pa.Schema) -> Step:
        """See `Stage`."""
        required(schema, self.key, self.place)
        return _Deduping(self.place, schema, self.key)


@dataclass(frozen=True, slots=True)
class _Deduping:
    place: str
    schema: pa.Schema
    key: tuple[str, ...]
    left_out: Cause = "duplicate"
    remembers: bool = True

    def apply(self, rows: pa.RecordBatch, state: bytes) -> Sifted:
        recent = OrderedDict.fromkeys(state[at : at + KEY_BYTES] for at in range(0, len(state), KEY_BYTES))
        kept = [number for number, key in enumerate(self._keys(rows)) if key is None or _is_new(key, recent)]
        left = b"".join(recent)
        if len(kept) == rows.num_rows:
            return Sifted(rows, state=left)
        numbers = np.array(kept, np.int64)
        return Sifted(rows.take(pa.array(numbers)), numbers, state=left)

    def _keys(self, rows: pa.RecordBatch) -> list[bytes | None]:
        """A digest of each row's key; None where a part of it is missing."""
        columns = [rows.column(name).to_pylist() for name in self.key]
        return [None if None in parts else _digest(parts) for parts in zip(*columns, strict=True)]


def _digest(parts: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(parts, enc_hook=repr), digest_size=KEY_BYTES).digest()


def _is_new(key: bytes, recent: OrderedDict[bytes, None]) -> bool:
    if key in recent:
        return False
    recent[key] = None
    if len(recent) > WINDOW_KEYS:
        recent.popitem(last=False)
    return True
