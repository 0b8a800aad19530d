"""What the suites write: numbered records, cut into batches and blocks, and the processes that hold leases."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import pyarrow as pa

from penstock.engine.lease import this_process
from penstock.model.coverage import Interval, Position, Span
from penstock.ports.checkpoints import Holder
from penstock.ports.flow import Batch, Block, BlockId, Refusal
from penstock.ports.source import Progress, Scope
from penstock.stores.memory import MemorySource

EPOCH = "records"
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])


def place(number: int, resume: bytes = b"") -> Position:
    """The position before record `number`; with `resume`, one inside of its order."""
    return Position(EPOCH, number.to_bytes(8, "big"), resume)


def scope(records: int) -> Scope:
    """The first `records` records."""
    return Scope(Span(place(0), place(records)), records)


def rows(numbers: Iterable[int]) -> pa.RecordBatch:
    """Records with these numbers as their ids."""
    ids = list(numbers)
    return pa.RecordBatch.from_pydict({"id": ids, "name": [f"record {number}" for number in ids]}, schema=SCHEMA)


def source(records: int, *, partition_rows: int = 1_000, batch_rows: int = 100, refused: Collection[int] = ()) -> MemorySource:
    """A source of the same records, at the same positions."""
    table = pa.Table.from_batches([rows(range(records))])
    return MemorySource(table, partition_rows, batch_rows, frozenset(refused), EPOCH)


def batch(low: int, high: int, refused: Collection[int] = ()) -> Batch:
    """Records `low` up to but without `high`; those in `refused` are no rows."""
    bad = tuple(Refusal(number - low, b"record %d" % number, "refused by the source", "suite") for number in sorted(refused))
    return Batch(rows(number for number in range(low, high) if number not in refused), bad, place(low), place(high))


def in_one_letter(batch: Batch) -> Batch:
    """The same batch; all of its refused records are one letter, that of the first."""
    first, *others = batch.refused
    return replace(batch, refused=(replace(first, also=tuple(other.row for other in others)),))


def block(low: int, high: int, *, strand: int | None = None, refused: Collection[int] = (), again: bool = False) -> Block:
    """The same records in two batches, an empty one between them; the block makes the stretch longer that begins at `strand`."""
    middle = (low + high) // 2
    parts = [(low, middle), (middle, middle), (middle, high)]
    batches = tuple(batch(first, last, [number for number in refused if first <= number < last]) for first, last in parts)
    return Block(BlockId(place(low if strand is None else strand), place(low), place(high)), batches, again)


def covered(progress: Progress) -> list[tuple[int, int]]:
    """The stretches of records that are stored, as numbers, lowest first."""
    return sorted((number(interval.start), number(interval.upto)) for interval in progress.coverage)


def numbers(intervals: Iterable[Interval]) -> set[int]:
    """The numbers of all records in these stretches."""
    return {found for interval in intervals for found in range(number(interval.start), number(interval.upto))}


def number(position: Position) -> int:
    """The number of the record after a position."""
    return int.from_bytes(position.order, "big")


def here() -> Holder:
    """A holder that lives: the process of the test."""
    return this_process()


def gone(generation: int = 1) -> Holder:
    """A holder of this host that is dead; each `generation` another one, all with the pid of a living process."""
    alive = this_process()
    return replace(alive, started=alive.started + generation)


def elsewhere() -> Holder:
    """A holder on a host that cannot be looked into."""
    return Holder(host="elsewhere.example", boot="another boot", pid=4711, started=1)
