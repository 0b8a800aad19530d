"""Ranges are a set of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.queue.ingestion.ranges import Ranges

bounds = st.tuples(st.integers(0, 30), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
changes = st.lists(st.tuples(st.booleans(), bounds))


@given(changes=changes, within=bounds)
def test_ranges_are_a_set(changes: list[tuple[bool, tuple[int, int]]], within: tuple[int, int]) -> None:
    """Whatever is put in and taken out, it holds what a set would hold, in ranges that do not touch."""
    ranges, model = Ranges(), set[int]()

    for into, (start, end) in changes:
        numbers = set(range(start, end))
        if into:
            assert ranges.add(start, end) == len(numbers - model)
            model |= numbers
        else:
            ranges.remove(start, end)
            model -= numbers

    found = list(ranges)
    assert {number for start, end in found for number in range(start, end)} == model
    assert all(before[1] < after[0] for before, after in pairwise(found))
    assert ranges.total == len(model)
    assert [number for number in range(40) if number in ranges] == sorted(model)
    missing = list(ranges.missing(*within))
    assert {number for start, end in missing for number in range(start, end)} == set(range(*within)) - model
    assert all(start < end for start, end in missing)
    assert ranges.floor() == next(number for number in range(100) if number not in model)
