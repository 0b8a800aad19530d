"""Receipts that must add up, and the limits on refused records."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.ledger import CountsDoNotAddUp, Ledger, RefusalLimit, TooManyRefused, check
from penstock.model.counts import Counts
from penstock.ports.flow import Batch, Block, BlockId, Receipt, Verdict
from penstock.testing import records

GOOD, REFUSED, TURNED_AWAY = "good", "refused", "turned away"

NEVER = 10**9

fates = st.lists(st.lists(st.lists(st.sampled_from([GOOD, REFUSED, TURNED_AWAY]), max_size=4), min_size=1, max_size=3), max_size=5)


def block_of(batches: list[list[str]]) -> tuple[Block, Receipt]:
    """A block whose records meet these fates, and the receipt that says so."""
    fate = [one for batch in batches for one in batch]
    ends = [0, *accumulate(map(len, batches))]
    parts = [_batch(low, high, fate) for low, high in pairwise(ends)]
    rows = [one for one in fate if one != REFUSED]
    verdicts = tuple(Verdict(row, "turned away") for row, one in enumerate(rows) if one == TURNED_AWAY)
    block = Block(BlockId(records.place(0), records.place(0), records.place(len(fate))), tuple(parts))
    return block, Receipt(rows.count(GOOD), refused=verdicts)


def _batch(low: int, high: int, fate: list[str]) -> Batch:
    return records.batch(low, high, [number for number in range(low, high) if fate[number] == REFUSED])


@pytest.mark.parametrize(
    "receipt",
    [
        Receipt(4),
        Receipt(1, duplicate=3),
        Receipt(0, duplicate=3, refused=(Verdict(3, "no"),)),
        Receipt(2, refused=(Verdict(0, ""), Verdict(1, ""))),
        Receipt(1, duplicate=1, unchanged=2),
    ],
)
def test_a_receipt_that_speaks_of_every_row_is_taken(receipt: Receipt) -> None:
    """Stored, duplicate and refused rows are the rows of the block."""
    check(records.block(0, 5, refused=[2]), receipt)


@pytest.mark.parametrize(
    "receipt",
    [
        Receipt(3),
        Receipt(5),
        Receipt(5, duplicate=-1),
        Receipt(-1, duplicate=5),
        Receipt(5, unchanged=-1),
        Receipt(3, refused=(Verdict(4, "there is no row 4"),)),
        Receipt(3, refused=(Verdict(-1, "nor -1"),)),
        Receipt(2, refused=(Verdict(1, "twice"), Verdict(1, "the same"))),
    ],
)
def test_a_receipt_that_does_not_is_a_defect(receipt: Receipt) -> None:
    """Too few or too many rows, less than none, and verdicts on rows that are none or have one already."""
    with pytest.raises(CountsDoNotAddUp):
        check(records.block(0, 5, refused=[2]), receipt)


@given(fates, st.integers(1, 12))
def test_records_refused_in_a_row_are_counted_across_blocks(blocks: list[list[list[str]]], limit: int) -> None:
    """A run stops exactly when so many records in a row are refused, by source or store, wherever batches and blocks end."""
    flags = [one != GOOD for batches in blocks for batch in batches for one in batch]
    longest = max((len(list(run)) for bad, run in groupby(flags) if bad), default=0)
    ledger = Ledger(RefusalLimit(percent=100, in_a_row=limit))

    stopped = False
    try:
        for block, receipt in map(block_of, blocks):
            ledger.admit(0, block)
            ledger.add(0, block, receipt)
    except TooManyRefused:
        stopped = True

    assert stopped == (longest >= limit)


@given(fates, st.integers(1, 12))
def test_records_that_share_a_letter_count_one_by_one(blocks: list[list[list[str]]], limit: int) -> None:
    """Sums, and what is in a row, are those of as many letters as there are records."""
    each, joined = (_met(blocks, limit, letters_joined=joined) for joined in (False, True))

    assert each == joined


def _met(blocks: list[list[list[str]]], limit: int, *, letters_joined: bool) -> tuple[Counts, str]:
    """What a ledger says of these blocks, and what it stopped with."""
    ledger = Ledger(RefusalLimit(percent=40, in_a_row=limit, judged_after=10))
    try:
        for batches in blocks:
            block, receipt = block_of(batches)
            if letters_joined:
                parts = tuple(records.in_one_letter(batch) if batch.refused else batch for batch in block.batches)
                block = replace(block, batches=parts)
            ledger.admit(0, block)
            check(block, receipt)
            ledger.add(0, block, receipt)
    except TooManyRefused as stopped:
        return ledger.total, str(stopped)
    return ledger.total, ""


def test_in_a_row_means_within_one_partition() -> None:
    """What several workers have refused at the same time is not in a row."""
    ledger = Ledger(RefusalLimit(percent=100, in_a_row=4))

    for partition in range(5):
        block, receipt = block_of([[REFUSED] * 3])
        ledger.admit(partition, block)
        ledger.add(partition, block, receipt)

    with pytest.raises(TooManyRefused, match="4 in a row; the last because: refused by the source"):
        ledger.admit(2, block_of([[REFUSED]])[0])


def test_the_store_has_its_say_after_the_write() -> None:
    """Rows that the store turns away count like those that the source refused, and the last reason is given."""
    ledger = Ledger(RefusalLimit(percent=100, in_a_row=4))
    block, receipt = block_of([[REFUSED, TURNED_AWAY], [REFUSED, TURNED_AWAY]])

    ledger.admit(0, block)
    with pytest.raises(TooManyRefused, match="4 in a row; the last because: turned away"):
        ledger.add(0, block, receipt)


def test_records_left_out_do_not_shift_the_verdicts() -> None:
    """Where a stage left records out of a batch, a verdict still meets the row it is on, in its own batch."""
    ledger = Ledger(RefusalLimit(percent=100, in_a_row=2))
    block, receipt = block_of([[GOOD, GOOD], [TURNED_AWAY, GOOD], [TURNED_AWAY]])
    first, *others = block.batches

    ledger.add(0, replace(block, batches=(replace(first, filtered=5), *others)), receipt)


def test_a_block_over_the_limit_is_not_admitted() -> None:
    """Blocks are looked at before they are written: dead letters do not fill up with what stops the run."""
    ledger = Ledger(RefusalLimit(percent=100, in_a_row=3))

    with pytest.raises(TooManyRefused):
        ledger.admit(0, block_of([[GOOD, REFUSED], [REFUSED, REFUSED]])[0])

    assert ledger.total == Counts()


@pytest.mark.parametrize("before", [Counts(received=98, stored=97, refused=1), Counts(received=98, stored=97, duplicate=1)])
def test_the_share_is_judged_once_there_are_enough(before: Counts) -> None:
    """Up to `judged_after` records any share passes; from there on a block that exceeds it is not admitted."""
    ledger = Ledger(RefusalLimit(percent=1, in_a_row=NEVER, judged_after=100))
    ledger.restart([before])

    ledger.admit(0, block_of([[REFUSED]])[0])
    bad, fine = block_of([[REFUSED, GOOD]])[0], block_of([[GOOD, GOOD]])[0]

    ledger.admit(0, fine)
    if before.refused:
        with pytest.raises(TooManyRefused, match="2 of 100 records, more than 1 %"):
            ledger.admit(0, bad)
    else:
        ledger.admit(0, bad)


def test_verdicts_of_the_store_count_into_the_share() -> None:
    """A store that turns rows away one here, one there, stops the run like a source that refuses them."""
    ledger = Ledger(RefusalLimit(percent=1, in_a_row=NEVER, judged_after=100))
    block, receipt = block_of([[TURNED_AWAY, GOOD] * 50])
    ledger.admit(0, block)
    ledger.add(0, block, receipt)

    with pytest.raises(TooManyRefused, match="50 of 101"):
        ledger.admit(0, block_of([[GOOD]])[0])


def test_the_share_is_judged_at_the_end() -> None:
    """However few records there were, the end of a run is no place for too many refused ones; exactly the limit is fine."""
    ledger = Ledger(RefusalLimit(percent=50))

    ledger.restart([Counts(received=2, stored=1, refused=1)])
    ledger.close()
    ledger.restart([Counts(received=3, stored=1, refused=2)])
    with pytest.raises(TooManyRefused, match="2 of 3 records, more than 50 %"):
        ledger.close()


def test_no_records_are_not_too_many() -> None:
    """A run that found nothing is fine under any limit."""
    Ledger(RefusalLimit(percent=0)).close()


def test_reading_back_starts_the_sums_again() -> None:
    """What coverage says replaces what receipts said, and nothing is in a row any more."""
    ledger = Ledger(RefusalLimit(percent=100, in_a_row=4))
    block, receipt = block_of([[GOOD, REFUSED, REFUSED, REFUSED]])
    ledger.add(0, block, receipt)

    ledger.restart([Counts(received=1, stored=1), Counts(received=2, duplicate=2)])
    ledger.admit(0, block)

    assert ledger.total == Counts(received=3, stored=1, duplicate=2)
