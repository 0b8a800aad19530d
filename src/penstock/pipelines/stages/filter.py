"""Rows for which an expression is true; the others are left out, and counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.pipelines.stages.expression import Expression
from penstock.pipelines.stages.step import Cause, Sifted, StageDoesNotFit, Step, required, row_by_row

_KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Filter:
    """An expression over the columns. A row for which it can not be told, because something is missing, is left out as in SQL."""

    place: str
    expression: Expression

    def bind(self, schema: pa.Schema) -> Step:
        """See `Stage`."""
        required(schema, sorted(self.expression.columns), self.place)
        try:
            found = self.expression.evaluate(pa.RecordBatch.from_pylist([], schema=schema))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise StageDoesNotFit(f"{self.place}: {str(error).splitlines()[0]}") from None
        if not pa.types.is_boolean(found.type):
            raise StageDoesNotFit(f"{self.place}: `{self.expression.text}` is {found.type}, neither true nor false")
        return _Filtering(self.place, schema, self.expression)


@dataclass(frozen=True, slots=True)
class _Filtering:
    place: str
    schema: pa.Schema
    expression: Expression
    left_out: Cause = "filtered"
    remembers: bool = False

    def apply(self, rows: pa.RecordBatch, state: bytes) -> Sifted:
        del state
        told = row_by_row(rows, self._judged)
        keep = told.rows.column(_KEEP).fill_null(False).to_numpy(zero_copy_only=False)
        kept = np.flatnonzero(keep) if told.kept is None else told.kept[keep]
        if len(kept) == rows.num_rows:
            return Sifted(rows)
        return Sifted(rows.take(pa.array(kept)), kept, told.refused)

    def _judged(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([self.expression.evaluate(rows)], names=[_KEEP])
