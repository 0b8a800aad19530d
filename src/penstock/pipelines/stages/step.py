"""What a stage is to the rows that pass it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

from penstock.model.errors import Misconfigured
from penstock.model.naming import near
from penstock.stores.columns.texts import in_parts

Cause = Literal["filtered", "duplicate"]


class StageDoesNotFit(Misconfigured):
    """A stage does not fit the columns it is given."""

    default_hint = "`penstock check` shows the columns of the source; nothing was moved."


@dataclass(frozen=True, slots=True)
class Sifted:
    """What a step made of some rows: those it gave, the number of the row each one came from, and why others are refused.

    `kept` of None means that every row was kept. Rows that are neither kept nor refused are left out. `state` is for the next rows.
    """

    rows: pa.RecordBatch
    kept: np.ndarray | None = None
    refused: tuple[tuple[int, str], ...] = ()
    state: bytes = b""


class Step(Protocol):
    """A stage that knows the columns it gets. What it gives for the same rows after the same rows is the same, however they are cut."""

    @property
    def place(self) -> str:
        """Which stage it is."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns it gives."""
        ...

    @property
    def left_out(self) -> Cause:
        """How rows are counted that it leaves out."""
        ...

    @property
    def remembers(self) -> bool:
        """Whether what it does depends on the rows before; its state is part of every position then."""
        ...

    def apply(self, rows: pa.RecordBatch, state: bytes) -> Sifted:
        """Take rows as they come; `state` is what it answered with those before, empty at the beginning."""
        ...


class Stage(Protocol):
    """A stage as the file says it."""

    @property
    def place(self) -> str:
        """Which one it is: `stage 2 (filter)`."""
        ...

    def bind(self, schema: pa.Schema) -> Step:
        """The stage on rows with these columns; raises `StageDoesNotFit`."""
        ...


def required(schema: pa.Schema, names: Collection[str], place: str) -> None:
    """Raise `StageDoesNotFit` where a column is missing."""
    for name in names:
        if name not in schema.names:
            raise StageDoesNotFit(f"{place}: there is no column `{name}`{near(name, schema.names)}")


def row_by_row(rows: pa.RecordBatch, work: Callable[[pa.RecordBatch], pa.RecordBatch]) -> Sifted:
    """`work`, which treats each row by itself, on all rows; those on which it fails are refused with the reason."""
    done = list(in_parts(rows.num_rows, lambda start, end: work(rows.slice(start, end - start))))
    refused = tuple((number, str(one)) for number, one in done if isinstance(one, Exception))
    given = pa.concat_batches([work(rows.slice(0, 0)), *(one for _, one in done if not isinstance(one, Exception))])
    kept = np.delete(np.arange(rows.num_rows), [number for number, _ in refused]) if refused else None
    return Sifted(given, kept, refused)
