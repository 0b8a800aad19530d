"""Epochs grow, whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.queue.epochs import next_epoch

moments = st.integers(0, 2**47)
chances = st.binary(min_size=4, max_size=4)


@given(now_ms=moments, random=chances, before_ms=moments, before=chances)
def test_an_epoch_is_greater_than_the_one_before(now_ms: int, random: bytes, before_ms: int, before: bytes) -> None:
    """Ten bytes, greater than the epoch it follows, also when the clock was put back."""
    beyond = next_epoch(before_ms, before, bytes(10))

    epoch = next_epoch(now_ms, random, beyond)

    assert len(epoch) == 10
    assert epoch > beyond
    assert epoch[6:] == random
