"""The rate meter, as properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.reliability.rate import RateMeter

steps = st.lists(st.floats(0.001, 1000), min_size=1, max_size=30)
rates = st.floats(0, 1e6)


def measured(points: list[tuple[float, float]], time_constant_s: float = 30.0) -> RateMeter:
    """A meter that has observed these totals at these moments."""
    meter = RateMeter(time_constant_s)
    for now, total in points:
        meter.observe(now, total)
    return meter


@given(steps=steps, rate=rates, begin_s=st.floats(0, 1e6))
def test_a_steady_rate_is_exact_however_it_is_observed(steps: list[float], rate: float, begin_s: float) -> None:
    """Irregular observations of a steady stream give its rate, from the second one on."""
    moments = [begin_s + sum(steps[:count]) for count in range(len(steps) + 1)]

    meter = measured([(at, rate * (at - begin_s)) for at in moments])

    assert meter.per_s == pytest.approx(rate)


@given(slow=rates, fast=rates, cut=st.floats(0.01, 0.99))
def test_more_observations_do_not_change_the_answer(slow: float, fast: float, cut: float) -> None:
    """An interval observed in two parts counts like the whole."""
    ends = [(0.0, 0.0), (20.0, 20 * slow), (50.0, 20 * slow + 30 * fast)]

    whole = measured(ends)
    parts = measured([*ends[:2], (20 + 30 * cut, 20 * slow + 30 * cut * fast), ends[2]])

    assert parts.per_s == pytest.approx(whole.per_s)


def test_old_rates_fade_with_the_time_constant() -> None:
    """A time constant after a long steady stream has stopped, 1/e of its rate is left."""
    meter = measured([(0.0, 0.0), (1000.0, 100_000.0), (1010.0, 100_000.0)], time_constant_s=10.0)

    assert meter.per_s == pytest.approx(100 / math.e)


def test_one_observation_is_no_rate() -> None:
    """Before the second observation, and between two at the same moment, nothing is known."""
    assert RateMeter().per_s == 0.0
    assert measured([(5.0, 10.0), (5.0, 20.0)]).per_s == 0.0
    assert RateMeter().eta_s(10) is None


def test_growth_at_the_same_moment_counts_later() -> None:
    """A second total at one moment is not lost, it belongs to the interval that follows."""
    assert measured([(0.0, 0.0), (0.0, 50.0), (10.0, 100.0)]).per_s == pytest.approx(10.0)


def test_eta() -> None:
    """What is left, at the present rate."""
    assert measured([(0.0, 0.0), (10.0, 1000.0)]).eta_s(500) == pytest.approx(5.0)
