"""What crosses the seams: batches, blocks, receipts and verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.counts import Counts
from penstock.model.coverage import Position
from penstock.model.gaps import SHED, Gap

if TYPE_CHECKING:
    import pyarrow as pa

RAW_COLUMN = b"penstock.raw"
"""Schema metadata: the name of the column that holds the record as received."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that cannot be stored: its number among those of its batch, its bytes as received, why, and where it came from.

    `also` are the numbers of further records of the batch for which this one letter stands, where a source keeps an unbroken run of one
    fault as one letter; `raw` tells of all of them then.
    """

    row: int
    raw: bytes
    reason: str
    origin: str
    also: tuple[int, ...] = ()

    @property
    def records(self) -> int:
        """How many records it stands for."""
        return 1 + len(self.also)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a source read in one go: the rows between `after` and `upto`, and the records there that are no rows.

    `filtered` and `duplicate` count the records that a stage left out: because it was told to, or because they came before. `gaps` are
    stretches of the stream there of which nothing is kept.
    """

    rows: pa.RecordBatch
    refused: tuple[Refusal, ...]
    after: Position
    upto: Position
    filtered: int = 0
    duplicate: int = 0
    gaps: tuple[Gap, ...] = ()

    @property
    def shed(self) -> int:
        """Records that came and were let go for want of room."""
        return sum(gap.count or 0 for gap in self.gaps if gap.cause == SHED)

    @property
    def refused_rows(self) -> Sequence[int]:
        """The numbers of all records that are refused, rising."""
        return sorted(number for refusal in self.refused for number in (refusal.row, *refusal.also))

    @property
    def received(self) -> int:
        """Records in this batch, whatever becomes of them."""
        refused = sum(refusal.records for refusal in self.refused)
        return int(self.rows.num_rows) + refused + self.filtered + self.duplicate + self.shed


@dataclass(frozen=True, slots=True)
class BlockId:
    """Which stretch one write holds, and the start of the stored stretch (`strand`) that it makes longer."""

    strand: Position
    after: Position
    upto: Position


@dataclass(frozen=True, slots=True)
class Block:
    """What one write holds: consecutive batches of one partition. `again` marks one whose earlier write was never answered."""

    id: BlockId
    batches: tuple[Batch, ...]
    again: bool = False

    @property
    def received(self) -> int:
        """Records in this block, whatever becomes of them."""
        return sum(batch.received for batch in self.batches)

    @property
    def rows(self) -> int:
        """Rows to store."""
        return sum(batch.rows.num_rows for batch in self.batches)

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """Records that the source refused."""
        return tuple(refusal for batch in self.batches for refusal in batch.refused)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Stretches of the stream of which nothing is kept."""
        return tuple(gap for batch in self.batches for gap in batch.gaps)

    def raw(self, row: int) -> bytes:
        """Row `row` of the block as it was received, or as JSON where the source does not keep that."""
        for batch in self.batches:
            if row < batch.rows.num_rows:
                return as_received(batch.rows.slice(row, 1))
            row -= batch.rows.num_rows
        raise IndexError(row)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row (its number within the block) that the store turned away, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a store did with a block's rows: `stored + duplicate + unchanged + len(refused) == block.rows`.

    `repeated` of the stored ones may stand there a second time, because an earlier write of them was never answered.
    """

    stored: int
    duplicate: int = 0
    refused: tuple[Verdict, ...] = ()
    repeated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """Late verdicts: rows of a block that the store had acknowledged and then turned away."""

    block: BlockId
    refused: tuple[Verdict, ...]


def dead_letters(block: Block, receipt: Receipt) -> Iterator[Refusal]:
    """Every record of the block that is not stored, from the source's refusals and the store's verdicts."""
    yield from block.refused
    for verdict in receipt.refused:
        yield Refusal(verdict.row, block.raw(verdict.row), verdict.reason, "store")


def counts(block: Block, receipt: Receipt) -> Counts:
    """What became of a block's records."""
    return Counts(
        received=block.received,
        stored=receipt.stored,
        duplicate=receipt.duplicate + sum(batch.duplicate for batch in block.batches),
        refused=sum(refusal.records for refusal in block.refused) + len(receipt.refused),
        repeated=receipt.repeated,
        unchanged=receipt.unchanged,
        filtered=sum(batch.filtered for batch in block.batches),
        shed=sum(batch.shed for batch in block.batches),
    )


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a block's records, without the rows."""

    id: BlockId
    counts: Counts
    dead: tuple[Refusal, ...]
    gaps: tuple[Gap, ...] = ()

    @classmethod
    def of(cls, block: Block, receipt: Receipt) -> Became:
        """What a receipt says of a block."""
        return cls(block.id, counts(block, receipt), tuple(dead_letters(block, receipt)), block.gaps)


def _shown(values: pa.Array) -> object:
    """The only value; as Arrow writes it where that is a time that Python cannot hold."""
    try:
        return values[0].as_py()
    except (ValueError, OverflowError):
        return values.to_string()


def as_received(row: pa.RecordBatch) -> bytes:
    """The only row of a batch as it was received, or as JSON where the source does not keep that."""
    column = (row.schema.metadata or {}).get(RAW_COLUMN)
    if column is None:
        return json.dumps({name: _shown(values) for name, values in zip(row.schema.names, row.columns, strict=True)}, default=str).encode()
    value = row.column(column.decode())[0].as_py()
    return value if isinstance(value, bytes) else str(value).encode()
