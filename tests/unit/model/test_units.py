"""Units and how one becomes another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.units import UNITS, NotConvertible, convert, factors, symbol

same_quantity = st.sampled_from([(one, other) for one in UNITS for other in UNITS if UNITS[one].quantity == UNITS[other].quantity])


@pytest.mark.parametrize(
    ("value", "of", "to", "wanted"),
    [
        (1, "kW", "hp", 1.3410221),
        (1, "N·m", "ft-lb", 0.737562),
        (100, "°C", "°F", 212),
        (-40, "°F", "°C", -40),
        (100, "kPa", "psi", 14.50377),
        (101.325, "kPa", "inHg", 29.92125),
        (60, "mph", "km/h", 96.56064),
        (1, "lbf", "N", 4.448222),
        (1, "g", "mph/s", 21.93685),
        (35.30394, "km/h/s", "g", 1),
    ],
)
def test_values_become_what_the_tables_say(value: float, of: str, to: str, wanted: float) -> None:
    """As in the handbooks, to six digits."""
    assert convert(value, of, to) == pytest.approx(wanted, rel=1e-6)


@given(same_quantity, st.floats(-1e6, 1e6))
def test_there_and_back_is_the_same(units: tuple[str, str], value: float) -> None:
    """A value that is converted and converted back is what it was."""
    of, to = units

    assert convert(convert(value, of, to), to, of) == pytest.approx(value, rel=1e-9, abs=1e-6)


@given(st.sampled_from(sorted(UNITS)))
def test_a_unit_is_itself(unit: str) -> None:
    """Nothing is rounded where nothing is to be converted."""
    assert factors(unit, unit) == (1.0, 0.0)


@pytest.mark.parametrize(("written", "wanted"), [("degF", "°F"), (" HP ", "hp"), ("Nm", "N·m"), ("RPM", "rpm"), ("furlong", ""), ("", "")])
def test_units_are_known_by_their_spellings(written: str, wanted: str) -> None:
    """Capital letters and usual spellings; what is not listed has no symbol."""
    assert symbol(written) == wanted


@pytest.mark.parametrize(("of", "to"), [("V", "rpm"), ("AFR", "lambda"), ("furlong", "rpm"), ("rpm", ""), ("", "")])
def test_what_is_another_quantity_is_not_converted(of: str, to: str) -> None:
    """Between quantities, and with a unit that is not listed, there is no factor."""
    with pytest.raises(NotConvertible, match=of or "no unit"):
        convert(1.0, of, to)
