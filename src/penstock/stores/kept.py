"""What checkpoints keep, out of rows whose columns have the names of our tables, whichever store they are in."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, Protocol

from penstock.model.counts import Counts
from penstock.model.coverage import Interval, Position, Span
from penstock.ports.flow import BlockId
from penstock.ports.source import Scope


class Row(Protocol):
    """A row of a database driver."""

    def __getitem__(self, column: str, /) -> Any:  # noqa: ANN401  # what a driver answers
        """The value of a column."""
        ...


def scope(row: Row) -> Scope | None:
    """The frozen scope of a row of `pipelines`."""
    if row["scope_start"] is None:
        return None
    span = Span(Position(row["epoch"], row["scope_start"]), Position(row["epoch"], row["scope_end"]))
    return Scope(span, row["scope_rows"], json.loads(row["facts"]))


def interval(row: Row) -> Interval:
    """A row of `coverage`."""
    totals = Counts(*(row[field.name] for field in fields(Counts)))
    return Interval(Position(row["epoch"], row["strand"]), Position(row["epoch"], row["upto"], row["resume"]), totals)


def block_id(row: Row) -> BlockId:
    """A row of `intents`."""
    after = Position(row["epoch"], row["after"], row["after_resume"])
    return BlockId(Position(row["epoch"], row["strand"]), after, Position(row["epoch"], row["upto"], row["upto_resume"]))


def text(words: str) -> str:
    """Words that may quote a bad record, as a text column takes them: without NUL and without lone surrogates."""
    return words.encode(errors="backslashreplace").decode().replace("\0", "\\0")
