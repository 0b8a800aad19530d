"""What is refused, what is kept with a flag, and what is left alone."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.instruments.ranges import OPEN, Limits
from penstock.instruments.validation import (
    CALLED_OUT_OF_RANGE,
    DEFAULT,
    INFINITE,
    NAN,
    NO_VALUE,
    Judgement,
    NotANumber,
    ValidationSettings,
    judge,
    number,
)
from penstock.model.errors import Misconfigured
from penstock.model.quality import Quality, worse

TEMPERATURE = Limits("°C", -40, 150, 0, 95)
STRICT = ValidationSettings(strict_mode=True)
LENIENT = ValidationSettings(reject_nan=False, reject_inf=False)
MEASURING = (Quality.OK, Quality.WARN, Quality.OUT_OF_RANGE)
SILENT = (Quality.NOT_MEASURING, Quality.GAP)


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        (-40, "warn"),
        (-40.001, "out_of_range"),
        (0, "ok"),
        (-0.001, "warn"),
        (95, "ok"),
        (95.001, "warn"),
        (150, "warn"),
        (150.1, "out_of_range"),
    ],
)
def test_the_ends_of_a_range_belong_to_it(value: float, quality: str) -> None:
    """What is at a limit is within; what is past it is flagged, and kept."""
    judged = judge(value, TEMPERATURE)

    assert (judged.quality, judged.refused) == (quality, "")
    assert bool(judged.unusual) == (quality != "ok")


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(MEASURING))
def test_no_number_is_refused_for_its_size(value: float, stated: Quality) -> None:
    """Whatever a number is, it is kept, and what its source said of it does not become better."""
    judged = judge(value, TEMPERATURE, stated)

    assert judged.refused == ""
    assert worse(judged.quality, stated) is judged.quality


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(Quality))
def test_strict_mode_refuses_what_is_out_of_range_and_nothing_else(value: float, stated: Quality) -> None:
    """Exactly the values that are flagged so without it."""
    judged = judge(value, TEMPERATURE, stated, STRICT)

    assert bool(judged.refused) == (judge(value, TEMPERATURE, stated).quality is Quality.OUT_OF_RANGE)


def test_reasons_say_who_called_it_out_of_range() -> None:
    """The limits where they are passed, the source where only it says so."""
    assert judge(200.0, TEMPERATURE, Quality.OUT_OF_RANGE, STRICT).refused == "outside of -40 to 150 °C"
    assert judge(20.0, TEMPERATURE, Quality.OUT_OF_RANGE, STRICT).refused == CALLED_OUT_OF_RANGE


@pytest.mark.parametrize(("value", "reason"), [(math.nan, NAN), (math.inf, INFINITE), (-math.inf, INFINITE)])
@pytest.mark.parametrize("stated", Quality)
def test_what_is_no_finite_number_is_refused(value: float, reason: str, stated: Quality) -> None:
    """Whatever the range and whatever the source says of it."""
    assert judge(value, OPEN, stated).refused == judge(value, TEMPERATURE, stated).refused == reason


@pytest.mark.parametrize(
    ("value", "settings", "wanted"),
    [
        (math.nan, LENIENT, Judgement(Quality.NOT_MEASURING)),
        (math.inf, LENIENT, Judgement(Quality.OUT_OF_RANGE, "", INFINITE)),
        (math.nan, ValidationSettings(reject_inf=False), Judgement(Quality.NOT_MEASURING, NAN)),
        (math.inf, ValidationSettings(reject_nan=False), Judgement(Quality.OUT_OF_RANGE, INFINITE)),
        (-math.inf, ValidationSettings(reject_inf=False, strict_mode=True), Judgement(Quality.OUT_OF_RANGE, INFINITE)),
    ],
)
def test_they_are_kept_on_request(value: float, settings: ValidationSettings, wanted: Judgement) -> None:
    """`reject_nan` and `reject_inf` each for itself; infinity is outside of every range."""
    assert judge(value, OPEN, Quality.OK, settings) == wanted


@pytest.mark.parametrize("stated", SILENT)
def test_what_is_no_reading_is_compared_with_nothing(stated: Quality) -> None:
    """While a controller warms up its number is a temperature, and it may have none at all."""
    assert judge(8191.0, TEMPERATURE, stated, STRICT) == judge(None, TEMPERATURE, stated, STRICT) == Judgement(stated)


@pytest.mark.parametrize("stated", MEASURING)
def test_a_reading_without_a_value_is_refused(stated: Quality) -> None:
    """A missing value is neither 0 nor a reading."""
    assert judge(None, OPEN, stated).refused == NO_VALUE


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0, 0.0),
        (0.0, 0.0),
        (Decimal("1.5"), 1.5),
        (np.float32(1.5), 1.5),
        (np.int16(-3), -3.0),
        (" 3500 ", 3500.0),
        ("-.5e-1", -0.05),
        ("1e999", math.inf),
        ("inf", math.inf),
        (None, None),
        ("", None),
        ("  ", None),
    ],
)
def test_numbers_are_read(value: object, wanted: float | None) -> None:
    """Of any type, also written as text; empty text is a missing value, and 0 is none."""
    assert number(value) == wanted


NO_NUMBERS = ("26D", "1_000", "1,5", "0x10", "٣", "OL - Not Ready", True, b"1", [1], 1j, object(), 10**400, 10**5000, Decimal("sNaN"))


@pytest.mark.parametrize("value", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_what_is_no_number_is_not_made_one(value: object) -> None:
    """Hexadecimal, thousands, other digits, switches, words, bytes."""
    with pytest.raises(NotANumber):
        number(value)


def test_a_long_text_that_is_no_number_is_seen_at_once() -> None:
    """In one pass: trying every way to cut its digits would take a quarter of a minute for 20,000 of them, and years for a megabyte."""
    with pytest.raises(NotANumber):
        number("9" * 1_000_000 + "x")


@pytest.mark.parametrize("key", ["enabled", "strict_mode", "sanitize_values", "reject_nan", "reject_inf"])
def test_settings_are_true_or_false(key: str) -> None:
    """The text "false" is neither, and would count as true."""
    odd: Any = {key: "false"}

    with pytest.raises(Misconfigured, match=key):
        ValidationSettings(**odd)


@pytest.mark.parametrize("value", ["3500", "", "NaN"])
def test_text_is_no_number_where_nothing_is_to_be_read_into_it(value: str) -> None:
    """Without `sanitize_values`."""
    with pytest.raises(NotANumber):
        number(value, ValidationSettings(sanitize_values=False))


def test_the_defaults_are_those_of_the_configuration() -> None:
    """Looked at, kept with a flag, text read, NaN and infinity refused."""
    stated = ValidationSettings(enabled=True, strict_mode=False, sanitize_values=True, reject_nan=True, reject_inf=True)

    assert stated == DEFAULT
