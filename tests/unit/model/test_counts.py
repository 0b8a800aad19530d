"""Counts add up."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.counts import Counts

counted = st.builds(Counts, *(st.integers(0, 100) for _ in range(5)))


@given(counted, counted)
def test_sums_are_field_by_field(one: Counts, other: Counts) -> None:
    """Adding counts adds each of them."""
    assert astuple(one + other) == tuple(map(sum, zip(astuple(one), astuple(other), strict=True)))


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_every_record_is_accounted_for(stored: int, duplicate: int, refused: int, repeated: int) -> None:
    """What came in is what was stored, found again or refused; rows that stand there twice are counted beside it."""
    assert Counts(stored + duplicate + refused, stored, duplicate, refused, repeated).add_up


@pytest.mark.parametrize("name", ["received", "stored", "duplicate", "refused"])
def test_a_record_too_many_is_noticed(name: str) -> None:
    """One more anywhere, and the counts do not add up."""
    counts = Counts(6, 1, 2, 3)

    assert not replace(counts, **{name: getattr(counts, name) + 1}).add_up
