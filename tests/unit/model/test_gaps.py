"""Gaps are summed by their causes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.model.gaps import Gap, Loss, by_cause

moments = st.none() | st.integers(0, 9)
gaps = st.lists(st.builds(Gap, st.sampled_from("ab"), st.none() | st.integers(0, 9), moments, moments))


@given(gaps)
def test_what_is_summed_is_what_was_lost(lost: list[Gap]) -> None:
    """For each cause: the number of gaps, the records that are known, the gaps that are not counted, and the widest stretch of time."""
    found = by_cause(map(Loss.of, lost))

    assert [loss.cause for loss in found] == sorted({gap.cause for gap in lost})
    for loss in found:
        own = [gap for gap in lost if gap.cause == loss.cause]
        assert (loss.gaps, loss.count) == (len(own), sum(gap.count or 0 for gap in own))
        assert loss.uncounted == sum(gap.count is None for gap in own)
        assert loss.since == min((gap.since for gap in own if gap.since is not None), default=None)
        assert loss.until == max((gap.until for gap in own if gap.until is not None), default=None)


@given(gaps, st.integers(0, 9))
def test_sums_may_be_summed(lost: list[Gap], cut: int) -> None:
    """It does not matter how gaps are cut into blocks."""
    parts = [by_cause(map(Loss.of, lost[:cut])), by_cause(map(Loss.of, lost[cut:]))]

    assert by_cause(loss for part in parts for loss in part) == by_cause(map(Loss.of, lost))
