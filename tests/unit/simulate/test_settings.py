"""Settings: what a key names, and what cannot be set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.model.errors import Misconfigured
from penstock.simulate.settings import DataSyncSettings, RateLimit

PLAIN = DataSyncSettings(events=1_000, seed=4)


@pytest.mark.parametrize(
    "change",
    [
        {"events": 1_001},
        {"seed": 5},
        {"days": 2.0},
        {"ties": 0.5},
        {"tie_burst": 10},
        {"skew": 0.1},
        {"timestamps": "all"},
        {"undecodable": 0.01},
        {"undecodable_kinds": ("infinity",)},
    ],
)
def test_other_data_other_key(change: dict[str, object]) -> None:
    """Whatever changes the events changes the key, so that they count as another source."""
    assert replace(PLAIN, **change).api_key != PLAIN.api_key  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"tie_rule": "asc"}, {"latency_s": 1.0}, {"live_per_s": 3.0}, {"page_shape": "flat"}, {"warm": True}])
def test_same_data_same_key(change: dict[str, object]) -> None:
    """What changes only how the events are served leaves the key alone."""
    assert replace(PLAIN, **change).api_key == PLAIN.api_key  # type: ignore[arg-type]


def test_key_as_given() -> None:
    """A key that is given is the key; one that is not begins with seed and number of events."""
    assert replace(PLAIN, key="secret").api_key == "secret"
    assert PLAIN.api_key.startswith("sim-4-1000-")


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": 0},
        {"seed": -1},
        {"days": 0.0},
        {"ties": 1.0},
        {"ties": -0.1},
        {"tie_burst": 1_001},
        {"tie_rule": "random"},
        {"timestamps": "roman"},
        {"page_shape": "round"},
        {"undecodable": 1.1},
        {"undecodable_kinds": ("ugly",)},
        {"undecodable_kinds": ()},
        {"latency_s": -1.0},
        {"shrink_after_requests": -1},
    ],
)
def test_impossible(wrong: dict[str, object]) -> None:
    """What cannot be simulated is refused when the settings are made."""
    with pytest.raises(Misconfigured):
        replace(PLAIN, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"requests": 0}, {"window_s": 0.0}, {"query_requests": 0}, {"reset_notation": "x"}, {"retry_after": "x"}]
)
def test_impossible_limits(wrong: dict[str, object]) -> None:
    """A rate limit that admits nothing, or is told in no known notation, is refused."""
    with pytest.raises(Misconfigured):
        RateLimit(**wrong)  # type: ignore[arg-type]
