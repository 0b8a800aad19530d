"""Lines as they are: the text of each, and when it was received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.ports.flow import RAW_COLUMN
from penstock.ports.live import Arrival, NoRow

NOT_UTF8 = "it is not valid UTF-8"

SCHEMA = pa.schema(
    [pa.field("received_at", pa.timestamp("us", "UTC"), nullable=False), pa.field("line", pa.string(), nullable=False)],
    {RAW_COLUMN: b"line"},
)


@dataclass(frozen=True, slots=True)
class TextEntries:
    """Makes a row of each line that is UTF-8; a carriage return at its end is none of it."""

    schema: pa.Schema = SCHEMA

    @property
    def facts(self) -> Mapping[str, int | str]:
        """None: the columns are always the same."""
        return {}

    def decode(self, arrivals: Sequence[Arrival]) -> tuple[pa.RecordBatch, Sequence[NoRow]]:
        """See `Decoder`."""
        records = [body for arrival in arrivals for body in arrival.bodies]
        received = np.repeat([one.appended_us for one in arrivals], [len(one.bodies) for one in arrivals]).astype(np.int64)
        bad = [] if _is_text(records) else [number for number, record in enumerate(records) if not _is_text([record])]
        if bad:
            records = [record for number, record in enumerate(records) if number not in set(bad)]
            received = np.delete(received, bad)
        lines = pc.utf8_rtrim(pa.array(records, pa.binary()).cast(pa.string()), characters="\r")
        times = pa.array(received).cast(pa.timestamp("us", "UTC"))
        return pa.RecordBatch.from_arrays([times, lines], schema=SCHEMA), [NoRow(number, NOT_UTF8) for number in bad]


def _is_text(records: Sequence[bytes]) -> bool:
    try:
        b"\n".join(records).decode()
    except UnicodeDecodeError:
        return False
    return True
