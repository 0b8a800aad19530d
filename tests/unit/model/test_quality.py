"""Qualities."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.model.quality import CODES, MEANING, QUALITIES, Quality, worse


def test_every_quality_is_explained_and_has_a_code() -> None:
    """Codes are places in the list, from the best to the worst."""
    assert list(MEANING) == list(Quality)
    assert [QUALITIES[CODES[quality]] for quality in Quality] == ["ok", "warn", "out_of_range", "not_measuring", "gap"]


@given(st.sampled_from(Quality), st.sampled_from(Quality))
def test_two_judgements_leave_the_worse_one(one: Quality, other: Quality) -> None:
    """Whichever comes first."""
    assert worse(one, other) is worse(other, one) is max(one, other, key=QUALITIES.index)
