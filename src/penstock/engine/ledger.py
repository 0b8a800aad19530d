"""Counting: every receipt must add up, and too many refused records stop the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from penstock.model.counts import Counts
from penstock.model.errors import Fatal
from penstock.ports.flow import Block, Receipt, Verdict, counts


class CountsDoNotAddUp(Fatal):
    """A store's receipt does not account for every row."""

    default_hint = "Nothing of this block was recorded. This is a defect of the sink; report it."


class TooManyRefused(Fatal):
    """Too many records were refused."""

    default_hint = (
        "See why with `penstock dead list`, of a pipeline file with `penstock dead list FILE`. If they may be left out, allow a larger"
        " share (--max-refused-percent of an extraction, max_refused_percent under [limits] of a file) and run the command again."
    )


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
        CountsDoNotAddUp: where rows are unaccounted for, or verdicts are not on rows of the block, one each.
    """
    answered = receipt.stored + receipt.duplicate + receipt.unchanged + len(receipt.refused)
    if answered != block.rows or min(receipt.stored, receipt.duplicate, receipt.unchanged) < 0:
        raise CountsDoNotAddUp(f"{block.rows} rows were written, the receipt speaks of {answered}")
    judged = {verdict.row for verdict in receipt.refused}
    if len(judged) < len(receipt.refused) or not all(0 <= row < block.rows for row in judged):
        raise CountsDoNotAddUp(f"of {block.rows} rows, verdicts are on the numbers {sorted(verdict.row for verdict in receipt.refused)}")


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
            TooManyRefused: when the records that its source refused go over the limit.
        """
        longest, _ = _streaks(block, (), self._streaks.get(partition, 0))
        if longest >= self._limit.in_a_row:
            raise TooManyRefused(f"{longest:,} in a row; the last because: {block.refused[-1].reason}")
        received, refused = self.total.received + block.received, self.total.refused + sum(one.records for one in block.refused)
        if received >= self._limit.judged_after:
            self._judge(received, refused)

    def add(self, partition: int, block: Block, receipt: Receipt) -> Counts:
        """Count a block that was written.

        Raises:
            TooManyRefused: when more in a row than allowed are refused, now that the store has had its say.
        """
        counted = counts(block, receipt)
        self.total += counted
        longest, self._streaks[partition] = _streaks(block, receipt.refused, self._streaks.get(partition, 0))
        if longest >= self._limit.in_a_row:
            raise TooManyRefused(f"{longest:,} in a row; the last because: {receipt.refused[-1].reason}")
        return counted

    def close(self) -> None:
        """Judge the share once more at the end of a run.

        Raises:
            TooManyRefused: when it is over the limit.
        """
        self._judge(self.total.received, self.total.refused)

    def _judge(self, received: int, refused: int) -> None:
        if refused * 100 > self._limit.percent * received:
            raise TooManyRefused(f"{refused:,} of {received:,} records, more than {self._limit.percent:g} %")


def _streaks(block: Block, verdicts: Sequence[Verdict], before: int) -> tuple[int, int]:
    """The longest unbroken run of refused records, and the one that the block ends in; the first one continues `before`."""
    turned_away = {verdict.row for verdict in verdicts}
    longest, first = before, 0
    for batch in block.batches:
        refused = set(batch.refused_rows)
        if turned_away:
            good = (number for number in range(batch.received) if number not in refused)
            rows = enumerate(islice(good, batch.rows.num_rows), first)
            refused = refused | {number for row, number in rows if row in turned_away}
            first += batch.rows.num_rows
        for length, last in _runs(sorted(refused), before):
            longest, before = max(longest, length), length if last == batch.received - 1 else 0
        if not refused and batch.received:
            before = 0
    return longest, before


def _runs(refused: Sequence[int], before: int) -> Iterator[tuple[int, int]]:
    """(length, last number) of each unbroken run so far among the numbers of one batch, the first one continuing `before`."""
    last, length = -1, before
    for number in refused:
        length = length + 1 if number == last + 1 else 1
        last = number
        yield length, last
