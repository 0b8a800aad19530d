"""The pause between requests to an endpoint that states no limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import Misconfigured
from penstock.reliability.pace import Pace, PaceSettings

events = st.lists(st.tuples(st.sampled_from(["start", "failed", "succeeded"]), st.integers(0, 30), st.floats(0, 100)), max_size=200)


def failing(times: int) -> Pace:
    """A pace after so many failures one after the other."""
    pace = Pace()
    for number in range(1, times + 1):
        pace.start(number, 0)
        pace.failed(number)
    return pace


def test_none_at_first() -> None:
    """Nobody waits until something has failed."""
    pace = Pace()
    pace.start(1, 5.0)
    pace.succeeded(1)

    assert (pace.pause_s, pace.wait_s(5.0)) == (0.0, 0.0)


def test_the_numbers_of_004() -> None:
    """A failure makes it 1.3 times as long, a success half as long, between 0.1 and 30 seconds."""
    assert [failing(times).pause_s for times in (1, 2, 3)] == pytest.approx([0.1, 0.13, 0.169])
    assert failing(100).pause_s == 30.0
    pace = failing(10)
    longest = pace.pause_s
    pace.start(11, 0)
    pace.succeeded(11)
    assert pace.pause_s == pytest.approx(longest / 2)
    for number in range(12, 30):
        pace.start(number, 0)
        pace.succeeded(number)
    assert pace.pause_s == 0.1


def test_one_overload_counts_once() -> None:
    """What was on its way when the pause was made longer does not make it longer again, nor shorter."""
    pace = Pace()
    for number in range(1, 21):
        pace.start(number, 0)
    for number in range(1, 20):
        pace.failed(number)
    pace.succeeded(20)

    assert pace.pause_s == 0.1


@given(events)
def test_bounds_and_spacing(happened: list[tuple[str, int, float]]) -> None:
    """Whatever happens, requests that wait as they are told start at least the pause apart, which is nought or within its bounds."""
    pace, now, started, last = Pace(), 0.0, 0, None
    for kind, back, seconds in happened:
        if kind == "start":
            now += seconds
            wait_s = pace.wait_s(now)
            now += wait_s
            assert last is None or now - last >= pace.pause_s - 1e-9
            assert wait_s <= 30
            started, last = started + 1, now
            pace.start(started, now)
        elif kind == "failed":
            pace.failed(max(0, started - back))
        else:
            pace.succeeded(max(0, started - back))
        assert pace.pause_s == 0 or 0.1 <= pace.pause_s <= 30


@given(st.integers(1, 40), st.integers(1, 10))
def test_back_to_speed(failures: int, workers: int) -> None:
    """However long the pause became, nine successes bring it back to the shortest."""
    pace = failing(failures)
    for number in range(failures + 1, failures + 10 + workers):
        pace.start(number, 0)
        pace.succeeded(number)

    assert pace.pause_s == 0.1


@pytest.mark.parametrize("wrong", [{"longer": 1.0}, {"shorter": 1.0}, {"shorter": 0.0}, {"least_s": 0.0}, {"least_s": 31.0}])
def test_wrong_settings(wrong: dict[str, float]) -> None:
    """Settings that would not do what they say are refused."""
    with pytest.raises(Misconfigured):
        PaceSettings(**wrong)
