"""Columns under other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from penstock.pipelines.stages.step import Cause, Sifted, StageDoesNotFit, Step, required
from penstock.ports.flow import RAW_COLUMN


@dataclass(frozen=True, slots=True)
class Rename:
    """Old name to new name; all at once, so that two columns may change places."""

    place: str
    names: Mapping[str, str]

    def bind(self, schema: pa.Schema) -> Step:
        """See `Stage`."""
        required(schema, self.names, self.place)
        renamed = [self.names.get(name, name) for name in schema.names]
        if twice := {name for name in renamed if renamed.count(name) > 1}:
            raise StageDoesNotFit(f"{self.place}: two columns would be called `{min(twice)}`")
        columns = [field.with_name(name) for field, name in zip(schema, renamed, strict=True)]
        return _Renamed(self.place, pa.schema(columns, self._metadata(schema)))

    def _metadata(self, schema: pa.Schema) -> dict[bytes, bytes]:
        """The schema's own, in which the column of the bytes as received may have got another name."""
        metadata = dict(schema.metadata or {})
        if (raw := metadata.get(RAW_COLUMN)) is not None:
            metadata[RAW_COLUMN] = self.names.get(raw.decode(), raw.decode()).encode()
        return metadata


@dataclass(frozen=True, slots=True)
class _Renamed:
    place: str
    schema: pa.Schema
    left_out: Cause = "filtered"
    remembers: bool = False

    def apply(self, rows: pa.RecordBatch, state: bytes) -> Sifted:
        del state
        return Sifted(pa.RecordBatch.from_arrays(rows.columns, schema=self.schema))
