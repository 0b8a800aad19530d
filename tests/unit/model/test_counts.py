"""Counts add up."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model import counts
from penstock.model.counts import Counts

counted = st.builds(Counts, *(st.integers(0, 100) for _ in range(8)))


@given(counted, counted)
def test_sums_are_field_by_field(one: Counts, other: Counts) -> None:
    """Adding counts adds each of them."""
    assert astuple(one + other) == tuple(map(sum, zip(astuple(one), astuple(other), strict=True)))


@given(st.lists(st.integers(0, 9), min_size=6, max_size=6), st.integers(0, 9))
def test_every_record_is_accounted_for(became: list[int], repeated: int) -> None:
    """What came in is what became of it; rows that stand there twice are counted beside it."""
    stored, duplicate, refused, unchanged, filtered, shed = became

    assert Counts(sum(became), stored, duplicate, refused, repeated, unchanged, filtered, shed).add_up


@pytest.mark.parametrize("name", ["received", "stored", "duplicate", "refused", "unchanged", "filtered", "shed"])
def test_a_record_too_many_is_noticed(name: str) -> None:
    """One more anywhere, and the counts do not add up."""
    counts = Counts(6, 1, 2, 3)

    assert not replace(counts, **{name: getattr(counts, name) + 1}).add_up


@pytest.mark.parametrize(("number", "told"), [(0, "0 stretches"), (1, "1 stretch"), (1_200, "1,200 stretches")])
def test_a_number_agrees_with_its_noun(number: int, told: str) -> None:
    """One is singular; the plural takes an s unless it is stated."""
    assert counts.counted(number, "stretch", "stretches") == told
    assert counts.counted(2, "row") == "2 rows"
