"""Records that came one by one, each a JSON object, as Arrow columns; and how a decoder is frozen with a scope."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from penstock.ports.live import Arrival, NoRow
from penstock.stores.columns import named
from penstock.stores.files.text import Decoded
from penstock.stores.jsonl.rows import RowDecoder, decoder_for, sample

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
"""In JSON, line ends stand only where blanks may."""

_NO_OBJECT = b"null"
"""Stands for a record of nothing but blanks, so that it is refused and not passed over."""


@dataclass(frozen=True, slots=True)
class JsonEntries:
    """Makes a row of each record; one that is no JSON object of these columns is none."""

    decoder: RowDecoder

    @property
    def schema(self) -> pa.Schema:
        """Columns as they were learned."""
        return self.decoder.schema

    @property
    def facts(self) -> Mapping[str, int | str]:
        """See `frozen`."""
        return frozen(self.decoder)

    def decode(self, arrivals: Sequence[Arrival]) -> tuple[pa.RecordBatch, Sequence[NoRow]]:
        """See `Decoder`."""
        found = decode_each(self.decoder, [body for arrival in arrivals for body in arrival.bodies])
        return found.rows, [NoRow(bad.record, bad.reason) for bad in found.bad]


def learned(records: Sequence[bytes], stated: Mapping[str, str]) -> JsonEntries | None:
    """A decoder for the columns of the first records, those that are stated as they are stated; None where there are none."""
    columns = {name: named(name, kind) for name, kind in stated.items()}
    decoder = decoder_for(sample(_lines(records)), columns)
    return JsonEntries(decoder) if decoder.schema.names else None


def recalled(facts: Mapping[str, int | str]) -> JsonEntries:
    """The decoder that was frozen."""
    return JsonEntries(thawed(facts))


def frozen(decoder: RowDecoder) -> dict[str, int | str]:
    """The columns as facts of a scope: what comes later may show fewer of them."""
    return {"columns": base64.b64encode(decoder.schema.serialize()).decode(), "void": json.dumps(sorted(decoder.void))}


def thawed(facts: Mapping[str, int | str]) -> RowDecoder:
    """The decoder out of the facts of a scope."""
    schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(str(facts["columns"]))))
    return RowDecoder(schema, frozenset(json.loads(str(facts["void"]))))


def decode_each(decoder: RowDecoder, records: Sequence[bytes]) -> Decoded:
    """The rows of records of whatever size and shape; each is a row, or is bad under its number."""
    return decoder.decode(_lines(records))


def _lines(records: Sequence[bytes]) -> bytes:
    """A line for each record."""
    block = b"\n".join([*records, b""])
    if block.count(b"\n") == len(records) and all(map(bytes.strip, records)):
        return block
    return b"\n".join([*(record.translate(_ONE_LINE).strip() or _NO_OBJECT for record in records), b""])
