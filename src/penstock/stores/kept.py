"""What checkpoints keep, out of rows whose columns have the names of our tables, whichever store they are in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any, Protocol

from penstock.engine.lease import LeaseSettings, judge, this_process
from penstock.model.counts import Counts
from penstock.model.coverage import Interval, Position, Span
from penstock.model.gaps import Loss
from penstock.ports.bookkeeping import DeadLetter, PastRun, State
from penstock.ports.checkpoints import Holder
from penstock.ports.flow import BlockId
from penstock.ports.source import Progress, Scope


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


def loss(row: Row) -> Loss:
    """A row of `losses`."""
    return Loss(*(row[field.name] for field in fields(Loss)))


def holder(row: Row | None) -> Holder | None:
    """Who holds the lease of a row of `pipelines`."""
    return None if row is None or row["holder"] is None else Holder(**json.loads(row["holder"]))


def state(row: Row, progress: Progress, runs: Iterable[PastRun]) -> State:
    """A row of `pipelines` together with `silent_s`, `file`, and how many `letters` there are and how many are `cleared`."""
    silent_s = row["silent_s"] or 0.0
    return State(
        name=row["name"],
        source=row["source"],
        table=row["target"],
        file=row["file"],
        holder=holder(row),
        lease=judge(holder(row), silent_s, LeaseSettings(), this_process()),
        silent_s=silent_s,
        progress=progress,
        dead_letters=row["letters"],
        cleared=row["cleared"],
        runs=tuple(runs),
    )


def letter(row: Row, refused_at: datetime) -> DeadLetter:
    """A row of `dead_letters`."""
    return DeadLetter(row["id"], row["pipeline"], row["fence"], refused_at, row["reason"], row["origin"], row["raw"], row["records"])


def text(words: str) -> str:
    """Words that may quote a bad record, as a text column takes them: without NUL and without lone surrogates."""
    return words.encode(errors="backslashreplace").decode().replace("\0", "\\0")
