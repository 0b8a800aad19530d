"""Lanes get their turns by weight, and none waits for ever."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.queue.ingestion.settings import OVERDUE_AFTER_S, WEIGHTS
from penstock.queue.ingestion.turns import Turns

FOREVER = [10**6] * 5


def shared(turns: Turns, limits: list[int], waiting: list[int], now: float = 0.0) -> list[int]:
    """What each lane hands out over several calls."""
    sums, left = [0] * 5, list(waiting)
    for limit in limits:
        shares = turns.shares(limit, left, now)
        assert sum(shares) == min(limit, sum(left))
        assert all(0 <= share <= there for share, there in zip(shares, left, strict=True))
        left = [there - share for there, share in zip(left, shares, strict=True)]
        sums = [old + new for old, new in zip(sums, shares, strict=True)]
    return sums


@given(rounds=st.integers(1, 20), cuts=st.lists(st.integers(0, 620), max_size=20))
def test_every_round_is_16_8_4_2_1(rounds: int, cuts: list[int]) -> None:
    """However the calls cut them, whole rounds share by the weights exactly."""
    total = 31 * rounds
    edges = sorted({0, total, *(cut for cut in cuts if cut < total)})
    limits = [high - low for low, high in pairwise(edges)]

    assert shared(Turns(WEIGHTS, OVERDUE_AFTER_S), limits, FOREVER) == [weight * rounds for weight in WEIGHTS]


@given(limits=st.lists(st.integers(1, 100), max_size=30), waiting=st.lists(st.integers(0, 200), min_size=5, max_size=5))
def test_whatever_waits_is_handed_out(limits: list[int], waiting: list[int]) -> None:
    """As many as there are and as are wanted, never more than a lane has, whichever lanes have something."""
    shared(Turns(WEIGHTS, OVERDUE_AFTER_S), limits, waiting)


@given(present=st.sets(st.integers(0, 4), min_size=1), calls=st.integers(1, 50))
def test_lanes_that_have_nothing_leave_their_share_to_the_others(present: set[int], calls: int) -> None:
    """Those that have something share by their weights among themselves."""
    waiting = [10**6 if lane in present else 0 for lane in range(5)]
    weights = [weight if lane in present else 0 for lane, weight in enumerate(WEIGHTS)]

    sums = shared(Turns(WEIGHTS, OVERDUE_AFTER_S), [sum(weights)] * calls, waiting)

    assert sums == [weight * calls for weight in weights]


def test_a_lane_that_has_waited_long_enough_goes_first() -> None:
    """One item every two seconds: BATCH would have its turn after 60 s, and has it within 30, as all others have."""
    turns, served = Turns(WEIGHTS, OVERDUE_AFTER_S), list[tuple[float, int]]()

    for step in range(200):
        (lane,) = (lane for lane, share in enumerate(turns.shares(1, FOREVER, 2.0 * step)) if share)
        served.append((2.0 * step, lane))

    for lane in range(5):
        times = [0.0, *(now for now, which in served if which == lane), served[-1][0]]
        assert max(after - before for before, after in pairwise(times)) <= 30.0
    assert sum(lane == 0 for _, lane in served) > 60


def test_waiting_begins_when_there_is_something() -> None:
    """A lane that was empty for an hour is not overdue with its first item."""
    turns = Turns(WEIGHTS, OVERDUE_AFTER_S)
    turns.shares(1, [5, 0, 0, 0, 0], 0.0)

    assert turns.shares(1, [5, 0, 0, 0, 5], 3_600.0) == [1, 0, 0, 0, 0]
