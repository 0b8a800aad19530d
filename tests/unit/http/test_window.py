"""Windows of time."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.http.settings import TimeFilter, TimeFormat
from penstock.stores.http.window import Window, read_ms, written

MOMENTS = st.integers(2 * 10**11, 4 * 10**12)
NOON_MS = 1_704_110_400_000


@given(moment=MOMENTS, bounds=st.lists(MOMENTS, min_size=1, max_size=5))
def test_every_moment_is_in_one_window(moment: int, bounds: list[int]) -> None:
    """Windows that follow each other hold every moment before the last bound exactly once."""
    cuts = sorted(bounds)
    filter_ = TimeFilter("at", "since")
    windows = [Window(filter_, low, high) for low, high in zip([None, *cuts[:-1]], cuts, strict=True)]

    holding = sum(window.holds({"at": moment}) for window in windows)

    assert holding == (moment < cuts[-1])


@given(moment=MOMENTS, low=MOMENTS, high=MOMENTS, format_=st.sampled_from(get_args(TimeFormat)))
def test_what_is_asked_for_holds_the_window(moment: int, low: int, high: int, format_: TimeFormat) -> None:
    """Whether an API takes its bounds as within or without, and however it rounds, what it gives has all of the window."""
    window = Window(TimeFilter("at", "since", "until", format_), low, high)

    since, until = (read_ms(text if not text.isdecimal() else int(text)) for text in (window.query["since"], window.query["until"]))

    if window.holds({"at": moment}):
        assert since < moment < until


def test_parameters() -> None:
    """Only what the API has is asked for, and nothing from the beginning on."""
    assert Window(TimeFilter("at", "since"), None, NOON_MS).query == {}
    assert Window(TimeFilter("at", "since"), NOON_MS, NOON_MS + 1).query == {"since": "2024-01-01T11:59:59Z"}


@pytest.mark.parametrize(
    ("format_", "text"),
    [("iso8601", "2024-01-01T12:00:00Z"), ("date", "2024-01-01"), ("epoch_s", "1704110400"), ("epoch_ms", "1704110400000")],
)
def test_notations(format_: TimeFormat, text: str) -> None:
    """Each notation of a moment."""
    assert written(NOON_MS, format_) == text


@pytest.mark.parametrize(
    "value",
    ["2024-01-01T12:00:00Z", "2024-01-01 13:00:00+01:00", "2024-01-01T12:00:00", 1_704_110_400, 1_704_110_400_000, 1_704_110_400.0],
)
def test_moments_of_rows(value: object) -> None:
    """A row's time is ISO 8601, without a zone UTC, or a number of seconds or milliseconds."""
    assert read_ms(value) == NOON_MS


@pytest.mark.parametrize("value", [None, True, "soon", [1], {}])
def test_no_moment(value: object) -> None:
    """Anything else is none."""
    with pytest.raises((TypeError, ValueError)):
        read_ms(value)
