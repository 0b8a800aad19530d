"""Batches, blocks and receipts."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate, chain, pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.counts import Counts
from penstock.ports.flow import RAW_COLUMN, Batch, Block, BlockId, Receipt, Refusal, Verdict, as_received, counts, dead_letters
from penstock.testing import records


@given(st.lists(st.lists(st.booleans(), max_size=5), min_size=1, max_size=5))
def test_a_block_is_its_batches(flags: list[list[bool]]) -> None:
    """Rows, refused records and their sum are those of all batches, in order; flags say which records are good."""
    good = [number for number, is_good in enumerate(chain.from_iterable(flags)) if is_good]
    ends = [0, *accumulate(map(len, flags))]
    batches = [records.batch(low, high, set(range(low, high)) - set(good)) for low, high in pairwise(ends)]

    block = Block(BlockId(records.place(0), records.place(0), records.place(ends[-1])), tuple(batches))

    assert block.received == ends[-1]
    assert block.rows == len(good)
    assert [refusal.raw for refusal in block.refused] == [b"record %d" % number for number in range(ends[-1]) if number not in good]
    assert [json.loads(block.raw(row))["id"] for row in range(block.rows)] == good


def test_a_letter_may_stand_for_several_records() -> None:
    """All of them were received and are refused, and there is one letter."""
    each = records.batch(0, 9, [2, 3, 7])
    batch = records.in_one_letter(each)
    block = Block(BlockId(batch.after, batch.after, batch.upto), (batch,))

    assert (batch.received, list(batch.refused_rows)) == (each.received, [2, 3, 7])
    assert counts(block, Receipt(6)) == Counts(received=9, stored=6, refused=3)
    assert [letter.records for letter in dead_letters(block, Receipt(6))] == [3]


def test_a_row_that_is_none_has_no_raw_record() -> None:
    """A number past the last row is an error, not an empty record."""
    with pytest.raises(IndexError):
        records.block(0, 4).raw(4)


@pytest.mark.parametrize(("kind", "value"), [(pa.binary(), b"\xff{}"), (pa.string(), "{ü}")])
def test_the_record_as_received_is_kept(kind: pa.DataType, value: bytes | str) -> None:
    """Where the schema names the column that holds it, the raw record is that column, byte for byte."""
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("event", kind)], metadata={RAW_COLUMN: b"event"})
    rows = pa.RecordBatch.from_pylist([{"id": 1, "event": value}], schema=schema)
    batch = Batch(rows, (), records.place(0), records.place(1))

    raw = Block(BlockId(batch.after, batch.after, batch.upto), (batch,)).raw(0)

    assert raw == (value if isinstance(value, bytes) else value.encode())


@pytest.mark.parametrize(("number", "kind", "said"), [(1, "ns", "1970-01-01 00:00:00.000000001"), (2**62, "us", "")])
def test_times_that_python_cannot_hold_are_kept_as_text(number: int, kind: str, said: str) -> None:
    """A row that is refused for its time can be written down."""
    raw = as_received(pa.RecordBatch.from_pydict({"id": [1], "at": pa.array([number], pa.timestamp(kind))}))

    assert json.loads(raw)["id"] == 1
    assert said in json.loads(raw)["at"]


def test_without_such_a_column_a_row_is_written_as_json() -> None:
    """Values that JSON does not know are written as text."""
    rows = pa.RecordBatch.from_pydict({"id": [1], "at": pa.array([0], pa.timestamp("ms", "UTC"))})
    batch = Batch(rows, (), records.place(0), records.place(1))

    raw = Block(BlockId(batch.after, batch.after, batch.upto), (batch,)).raw(0)

    assert json.loads(raw) == {"id": 1, "at": "1970-01-01 00:00:00+00:00"}


def test_dead_letters_are_of_both_sides() -> None:
    """What the source refused comes with its own reason, what the store turned away with the row as received."""
    block = records.block(0, 6, refused=[1])

    letters = list(dead_letters(block, Receipt(4, refused=(Verdict(2, "too big"),))))

    assert letters == [
        Refusal(1, b"record 1", "refused by the source", "suite"),
        Refusal(2, b'{"id": 3, "name": "record 3"}', "too big", "store"),
    ]


def test_counts_are_of_both_sides() -> None:
    """Refused are those of the source and those of the store."""
    block = records.block(0, 6, refused=[1])

    counted = counts(block, Receipt(2, duplicate=2, refused=(Verdict(2, "too big"),), repeated=1))

    assert counted == Counts(received=6, stored=2, duplicate=2, refused=2, repeated=1)
    assert counted.add_up


def test_what_stages_left_out_is_counted() -> None:
    """Records that a stage filtered or knew already came in, and are accounted for beside those that the store judged."""
    block = records.block(0, 6)
    first, *others = block.batches
    block = replace(block, batches=(replace(first, filtered=3, duplicate=1), *others))

    counted = counts(block, Receipt(4, unchanged=2))

    assert counted == Counts(received=10, stored=4, duplicate=1, unchanged=2, filtered=3)
    assert counted.add_up
