"""Entries of a log as they are, with the place of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from penstock.ports.flow import RAW_COLUMN
from penstock.ports.live import NoRow
from penstock.queue.log import Entries

SCHEMA = pa.schema(
    [
        pa.field("epoch", pa.string(), nullable=False),
        pa.field("lane", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("received_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("data", pa.binary(), nullable=False),
    ],
    {RAW_COLUMN: b"data"},
)


@dataclass(frozen=True, slots=True)
class RawEntries:
    """Makes a row of every entry; the epoch is written in hexadecimal."""

    schema: pa.Schema = SCHEMA

    @property
    def facts(self) -> Mapping[str, int | str]:
        """None: the columns are always the same."""
        return {}

    def decode(self, arrivals: Sequence[Entries]) -> tuple[pa.RecordBatch, Sequence[NoRow]]:
        """See `Decoder`."""
        columns = list(zip(*_rows(arrivals), strict=True)) or [()] * len(SCHEMA)
        return pa.RecordBatch.from_arrays([pa.array(*one) for one in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA), ()


def _rows(arrivals: Sequence[Entries]) -> Iterator[tuple[str, int, int, int, bytes]]:
    for one in arrivals:
        epoch, lane, received = one.first.epoch.hex(), one.first.lane, one.appended_us
        yield from ((epoch, lane, offset, received, body) for offset, body in enumerate(one.bodies, one.first.offset))
