"""Rows as lines of JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from penstock.ports.flow import Verdict
from penstock.stores.columns import as_text, is_json, unsayable, without
from penstock.stores.files.written import Encoded

NOT_FINITE = "{} is not finite, which JSON cannot say"

_encoder = msgspec.json.Encoder()


class JsonLines:
    """One object a line, with every column in it, null ones too. JSON text is embedded as it is."""

    def header(self, schema: pa.Schema) -> bytes:
        """None: every line says which columns it has."""
        del schema
        return b""

    def encode(self, rows: Sequence[pa.RecordBatch]) -> Encoded:
        """The lines, without rows that have an infinite number or none, or a time beyond the years that can be written."""
        lines, refused, first = [], list[Verdict](), 0
        for batch in rows:
            bad = unsayable(dict(zip(batch.schema.names, batch.columns, strict=True))) | _not_finite(batch)
            refused += [Verdict(first + row, reason) for row, reason in sorted(bad.items())]
            lines.append(_encoder.encode_lines(_objects(as_text(without(batch, bad)))))
            first += batch.num_rows
        return Encoded(b"".join(lines), tuple(refused))


def _objects(rows: pa.RecordBatch) -> list[dict[str, object]]:
    objects: list[dict[str, object]] = rows.to_pylist()
    for column in rows.schema:
        if is_json(column):
            for one in objects:
                text = one[column.name]
                one[column.name] = None if text is None else msgspec.Raw(str(text).encode())
    return objects


def _not_finite(rows: pa.RecordBatch) -> dict[int, str]:
    """By its number, why a row with a number that is not finite cannot be written."""
    bad: dict[int, str] = {}
    for column in rows.schema:
        if pa.types.is_floating(column.type):
            finite = pc.fill_null(pc.is_finite(rows.column(column.name)), True)
            for row in pc.indices_nonzero(pc.invert(finite)).to_pylist():
                bad.setdefault(row, NOT_FINITE.format(column.name))
    return bad
