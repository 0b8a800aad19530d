"""Counting: every receipt must add up, and too many refused records stop the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from penstock.model.counts import Counts
from penstock.model.errors import Fatal
from penstock.ports.flow import Batch, Block, Receipt


class CountsDoNotAddUp(Fatal):
    """A store's receipt does not account for every row."""

    default_hint = "Nothing of this block was recorded. This is a defect of the sink; report it."


class TooManyRefused(Fatal):
    """Too many records were refused."""

    default_hint = "See why with `penstock dead list`; if they may be left out, raise --max-refused-percent and run the command again."


@dataclass(frozen=True, slots=True)
class RefusalLimit:
    """How many records may be refused before the run stops: a share in percent, and a number in a row within one partition.

    The share is judged once `judged_after` records came in, and at the end, so that one bad record among the first few does not stop a run.
    """

    percent: float = 1.0
    in_a_row: int = 1_000
    judged_after: int = 10_000


def check(block: Block, receipt: Receipt) -> None:
    """Hold a receipt against its block.

    Raises:
        CountsDoNotAddUp: where rows are unaccounted for.
    """
    answered = receipt.stored + receipt.duplicate + len(receipt.refused)
    if answered != block.rows or min(receipt.stored, receipt.duplicate) < 0:
        raise CountsDoNotAddUp(f"{block.rows} rows were written, the receipt speaks of {answered}")


class Ledger:
    """The counts of a pipeline: what was stored before this run, and what this run adds."""

    def __init__(self, limit: RefusalLimit) -> None:
        self._limit = limit
        self._streaks: dict[int, int] = {}
        self.total = Counts()

    def restart(self, stored: Iterable[Counts]) -> None:
        """Begin again from what coverage says; receipts that the store forgot are forgotten here too."""
        self.total = sum(stored, Counts())
        self._streaks.clear()

    def admit(self, partition: int, block: Block) -> None:
        """Look at a block before it is written.

        Raises:
            TooManyRefused: when its refused records go over the limit.
        """
        streak = longest = self._streaks.get(partition, 0)
        for batch in block.batches:
            longest, streak = max(longest, _longest(batch, streak)), _trailing(batch, streak)
        self._streaks[partition] = streak
        if longest >= self._limit.in_a_row:
            raise TooManyRefused(f"{longest:,} in a row; the last because: {block.refused[-1].reason}")
        received, refused = self.total.received + block.received, self.total.refused + len(block.refused)
        if block.refused and received >= self._limit.judged_after:
            self._judge(received, refused)

    def add(self, counts: Counts) -> None:
        """Count a block that was written."""
        self.total += counts

    def close(self) -> None:
        """Judge the share once more at the end of a run.

        Raises:
            TooManyRefused: when it is over the limit.
        """
        self._judge(self.total.received, self.total.refused)

    def _judge(self, received: int, refused: int) -> None:
        if refused * 100 > self._limit.percent * received:
            raise TooManyRefused(f"{refused:,} of {received:,} records, more than {self._limit.percent:g} %")


def _runs(batch: Batch, before: int) -> Iterator[tuple[int, int]]:
    """(last row, length) of each unbroken run of refused records so far, the first one continuing `before`."""
    last, length = -1, before
    for refusal in batch.refused:
        length = length + 1 if refusal.row == last + 1 else 1
        last = refusal.row
        yield last, length


def _longest(batch: Batch, before: int) -> int:
    return max((length for _, length in _runs(batch, before)), default=0)


def _trailing(batch: Batch, before: int) -> int:
    last, length = max(_runs(batch, before), default=(-1, before))
    return length if last == batch.received - 1 else 0
