"""Rows as records of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv as arrow_csv

from penstock.stores.columns import as_text
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
        """The records; every row can be one."""
        return Encoded(self._written([as_text(batch) for batch in rows], header=False))

    def _written(self, batches: Sequence[pa.RecordBatch], *, header: bool) -> bytes:
        options = arrow_csv.WriteOptions(include_header=header, delimiter=self.delimiter, batch_size=10_000)
        into = pa.BufferOutputStream()
        for batch in batches:
            arrow_csv.write_csv(batch, into, options)
        return bytes(into.getvalue())
