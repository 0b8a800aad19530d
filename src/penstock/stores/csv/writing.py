"""Rows as records of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv as arrow_csv

from penstock.ports.flow import Verdict
from penstock.stores.columns import as_text, unsayable, without
from penstock.stores.files.written import Encoded


@dataclass(frozen=True, slots=True)
class CsvRecords:
    """A header, and a record for each row; text is in quotes, and nothing at all is null."""

    delimiter: str = ","

    def header(self, schema: pa.Schema) -> bytes:
        """The names of the columns."""
        names = pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in schema], names=schema.names)
        return self._written([names], header=True)

    def encode(self, rows: Sequence[pa.RecordBatch]) -> Encoded:
        """The records, without rows that have a time beyond the years that can be written."""
        kept, refused, first = [], list[Verdict](), 0
        for batch in rows:
            bad = unsayable(dict(zip(batch.schema.names, batch.columns, strict=True)))
            refused += [Verdict(first + row, reason) for row, reason in sorted(bad.items())]
            kept.append(as_text(without(batch, bad)))
            first += batch.num_rows
        return Encoded(self._written(kept, header=False), tuple(refused))

    def _written(self, batches: Sequence[pa.RecordBatch], *, header: bool) -> bytes:
        options = arrow_csv.WriteOptions(include_header=header, delimiter=self.delimiter, batch_size=10_000)
        into = pa.BufferOutputStream()
        for batch in batches:
            arrow_csv.write_csv(batch, into, options)
        return bytes(into.getvalue())
