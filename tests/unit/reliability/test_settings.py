"""Settings of the reliability layer: a wrong one is told where it is made, by its name and with what it has to be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from penstock.reliability.circuit import BreakerSettings
from penstock.reliability.climb import ClimbSettings
from penstock.reliability.gate import GateSettings
from penstock.reliability.health import HealthSettings
from penstock.reliability.pace import PaceSettings
from penstock.reliability.retry import RetryBudget, RetrySettings
from penstock.reliability.settings import LONGEST, UnusableSettings

KINDS = (BreakerSettings, ClimbSettings, GateSettings, HealthSettings, PaceSettings, RetrySettings)
EACH = [(kind, field.name) for kind in KINDS for field in fields(kind)]
NEVER = {"window_s", "slow_s", "silent_s", "stale_s", "deadline_s", "cap_retry_after_s"}
"""Times that may be infinite: the window has no end, nothing is slow or silent, there is no deadline."""


@pytest.mark.parametrize(("kind", "name"), EACH, ids=[f"{kind.__name__}.{name}" for kind, name in EACH])
@pytest.mark.parametrize("wrong", [True, None, "5", math.nan, -1, -math.inf, 1j], ids=str)
def test_each_setting_is_a_number_of_its_kind(kind: Callable[..., object], name: str, wrong: object) -> None:
    """Neither a boolean nor text, NaN nor less than nothing; the error names it, what it is, and what to make of it."""
    with pytest.raises(UnusableSettings, match=rf"{name} has to be a (whole )?number.*, and is ") as caught:
        kind(**{name: wrong})

    assert repr(wrong) in str(caught.value)
    assert "Make each setting" in caught.value.hint


@pytest.mark.parametrize(("kind", "name"), EACH, ids=[f"{kind.__name__}.{name}" for kind, name in EACH])
def test_counts_are_whole_and_most_times_end(kind: Callable[..., object], name: str) -> None:
    """Two and a half failures are none; infinity is a time only where never means something."""
    default = getattr(kind(), name)
    wrong = 2.5 if type(default) is int else math.inf
    never = kind is not GateSettings and kind is not ClimbSettings and name in NEVER

    if wrong == math.inf and never:
        assert getattr(kind(**{name: math.inf}), name) == math.inf
    else:
        with pytest.raises(UnusableSettings, match=name):
            kind(**{name: wrong})


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Also what is wrong of two together, as long as each of them is right."""
    with pytest.raises(UnusableSettings) as caught:
        BreakerSettings(failures=2.5, probes=0, open_s=9, cap_open_s=8, window_calls=True, jitter="x")  # type: ignore[arg-type]  # on purpose

    assert caught.value.detail == (
        "breaker: failures has to be a whole number, at least 1, and is 2.5; probes has to be a whole number, at least 1, and is 0;"
        " window_calls has to be a whole number, at least 1, and is True; jitter has to be a number, at least 0 and at most 1e+09,"
        " and is 'x'; open_s (9) is greater than cap_open_s (8)"
    )


@pytest.mark.parametrize(
    ("kind", "pair"),
    [
        (BreakerSettings, {"minimum_calls": 7, "window_calls": 6}),
        (RetrySettings, {"first_delay_s": 2, "cap_delay_s": 1.5}),
        (PaceSettings, {"least_s": 2, "most_s": 1.5}),
        (ClimbSettings, {"least": 7, "most": 6}),
        (GateSettings, {"first_pause_s": 2, "cap_pause_s": 1.5}),
    ],
)
def test_settings_that_contradict_each_other(kind: Callable[..., object], pair: dict[str, float]) -> None:
    """Both are named, with what they are; the same value for both is no contradiction."""
    (less, _), (more, value) = pair.items()

    with pytest.raises(UnusableSettings, match=rf"{less} \(\d\) is greater than {more} \([\d.]+\)"):
        kind(**pair)
    assert kind(**{less: value, more: value})


@pytest.mark.parametrize(
    "ends", [{"failure_rate": 1, "slow_rate": 1.0}, {"growth": 1}, {"jitter": 0}, {"open_s": LONGEST, "cap_open_s": LONGEST}]
)
def test_the_ends_of_a_range_belong_to_it(ends: dict[str, Any]) -> None:
    """A rate of 1 is all calls, a growth of 1 none, no jitter is none."""
    assert BreakerSettings(**ends) is not None


@pytest.mark.parametrize("wrong", [{"capacity": math.nan}, {"per_success": math.inf}, {"per_s": True}])
def test_a_budget_is_looked_at_as_well(wrong: dict[str, Any]) -> None:
    """By the same rules."""
    with pytest.raises(UnusableSettings, match=f"retry budget: {next(iter(wrong))} has to be"):
        RetryBudget(0.0, **wrong)
