"""Epochs grow, whatever the clock does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.queue.epochs import NoGreaterEpoch, next_epoch

moments = st.integers(-(2**60), 2**60)
chances = st.binary(min_size=4, max_size=4)


@given(now_ms=moments, random=chances, before_ms=moments, before=chances)
def test_an_epoch_is_greater_than_the_one_before(now_ms: int, random: bytes, before_ms: int, before: bytes) -> None:
    """Ten bytes, greater than the epoch it follows, also when the clock was put back, or shows what cannot be."""
    beyond = next_epoch(min(before_ms, 1 << 47), before, bytes(10))

    epoch = next_epoch(now_ms, random, beyond)

    assert len(epoch) == 10
    assert epoch > beyond
    assert epoch[6:] == random


@pytest.mark.parametrize("beyond", [b"\xff" * 10, b"\xff" + bytes(9), b"\xfe" + b"\xff" * 5 + bytes(4)])
def test_an_epoch_behind_which_there_is_none(beyond: bytes) -> None:
    """Only what was not written by a log names one; that is said, instead of an epoch that would not be found again."""
    with pytest.raises(NoGreaterEpoch, match=beyond.hex()):
        next_epoch(1 << 60, bytes(4), beyond)

    assert next_epoch(1 << 60, bytes(4), b"\xfd" + b"\xff" * 9).hex() == "feffffffffff00000000"
