"""Ranges, by listed names and units."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import chain
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.instruments.ranges import CHANNELS, OPEN, Limits, limits_for, listed, plain_name
from penstock.instruments.samples import DynoDataPointSchema
from penstock.model.units import UNITS

INF = float("inf")

SEED = {
    "RPM": (0, 20_000, 500, 15_000),
    "AFR": (6.0, 35.0, 10.0, 20.0),
    "MAP": (0, 300, 20, 250),
    "Horsepower": (-50, 2_000, -INF, 1_000),
    "Torque": (-100, 2_000, -INF, 800),
    "TPS": (0, 100, -INF, INF),
    "IAT": (-40, 300, 32, 200),
}
"""The table of document 001."""


@pytest.mark.parametrize(("channel", "wanted"), SEED.items())
def test_the_ranges_are_those_of_001(channel: str, wanted: tuple[float, float, float, float]) -> None:
    """Least, greatest, and what is usual."""
    found = limits_for(channel)

    assert (found.low, found.high, found.warn_low, found.warn_high) == wanted


@pytest.mark.parametrize(
    ("channel", "sensor"),
    [
        ("(DWRT CPU) Engine RPM", "engine speed"),
        ("(Harley - ECU Type 14 SW Level 141) Engine Speed", "engine speed"),
        ("Digital RPM 1", "engine speed"),
        ("engine/rpm", "engine speed"),
        ("MAP_kPa", "manifold absolute pressure"),
        ("Manifold Absolute Pressure", "manifold absolute pressure"),
        ("Intake Air Temperature", "intake air temperature"),
        ("  AFR  Meas_F ", "air/fuel ratio"),
        ("vbatt", "battery voltage"),
    ],
)
def test_names_are_known_as_they_are_written(channel: str, sensor: str) -> None:
    """Whatever the case, with the device in front, with `_` or a space."""
    found = listed(channel)

    assert found is not None
    assert found.sensor.name == sensor


@pytest.mark.parametrize(
    "channel",
    [
        "Front Adaptive Fuel Factor",
        "Short Term Fuel Trim",
        "Fuel Pump Relay",
        "Fuel Pressure",
        "Throttle Position Sensor Volta",
        "Injector Time Front",
        "Detection",
        "map sensor voltage",
        "rpm limit",
        "engine rpm (DWRT CPU)",
        "chan_3",
        "",
        "????????",
    ],
)
def test_a_part_of_a_name_says_nothing(channel: str) -> None:
    """A channel that only contains the name of a sensor is compared with nothing."""
    assert listed(channel) is None
    assert limits_for(channel, "rpm") is OPEN


@given(st.sampled_from([name for channel in CHANNELS for name in channel.names]), st.text(ascii_letters + digits, min_size=1, max_size=3))
def test_what_is_written_around_a_name_makes_it_another(name: str, around: str) -> None:
    """Letters before or behind a listed name lead to nothing, unless they make another listed name."""
    every = set(chain.from_iterable(channel.names for channel in CHANNELS))

    for other in (name + around, around + name):
        assert (listed(other) is not None) == (other.lower() in every)


def test_no_name_is_listed_twice() -> None:
    """A name means one thing, and stands in the table as it is looked up."""
    names = list(chain.from_iterable(channel.names for channel in CHANNELS))

    assert len(names) == len(set(names))
    assert [plain_name(name) for name in names] == names


def test_every_limit_has_a_unit_that_is_known() -> None:
    """What is usual lies within what is possible, and a name's unit is one of its sensor's."""
    for channel in CHANNELS:
        assert channel.unit in {"", *UNITS}
        for limits in channel.sensor.limits:
            assert limits.low < limits.high
            assert limits.unit in {"", *UNITS}
        assert limits_for(channel.names[0]).remark == ""


def test_every_member_of_a_point_is_listed() -> None:
    """A point is looked at by the names of its members, and each is taken from channels of that name at least."""
    members = [field.name for field in fields(DynoDataPointSchema) if field.name != "timestamp_ms"]

    assert [channel.field for name in members if (channel := listed(name)) is not None] == members


@pytest.mark.parametrize(
    ("channel", "unit", "wanted"),
    [
        ("IAT", "°C", Limits("°C", -40, 148.888888889, 0, 93.3333333333)),
        ("IAT_C", "", Limits("°C", -40, 148.888888889, 0, 93.3333333333)),
        ("IAT_C", "°F", Limits("°F", -40, 300, 32, 200)),
        ("Horsepower", "kW", Limits("kW", -37.2849935791, 1491.39974316, warn_high=745.699871582)),
        ("Torque", "Nm", Limits("N·m", -135.581794833, 2711.63589666, warn_high=1084.65435867)),
        ("Air/Fuel Ratio 1", "lambda", Limits("lambda", 0.4, 2.4, 0.7, 1.4)),
        ("Desired Lambda", "AFR", Limits("AFR", 6, 35, 10, 20)),
    ],
)
def test_a_stated_unit_goes_before_the_listed_one(channel: str, unit: str, wanted: Limits) -> None:
    """The same limits in the unit that came with the value, whatever the name says."""
    assert limits_for(channel, unit) == wanted


@pytest.mark.parametrize(("channel", "unit"), [("RPM", "V"), ("AFR", "kPa"), ("TPS", "furlong"), ("Knock", "furlong")])
def test_a_unit_that_a_sensor_cannot_have_is_remarked_upon(channel: str, unit: str) -> None:
    """No value is impossible then, and every one is unusual."""
    found = limits_for(channel, unit)

    assert (found.low, found.high) == (-INF, INF)
    assert not found.warn_low <= 1e308
    assert unit in found.unusual


def test_a_sensor_without_limits_has_units_all_the_same() -> None:
    """Any speed is usual, and none is in volts."""
    assert limits_for("Vehicle Speed", "km/h") == replace(OPEN, unit="km/h")
    assert limits_for("Vehicle Speed", "V").remark == "V is no unit of vehicle speed that is known here"


@pytest.mark.parametrize(
    ("limits", "outside", "unusual"),
    [
        (Limits("rpm", 0, 20_000, 500, 15_000), "outside of 0 to 20,000 rpm", "unusual, below 500 or above 15,000 rpm"),
        (Limits("", 0, 100, warn_high=30), "outside of 0 to 100", "unusual, above 30"),
        (Limits("V", 0, 20, warn_low=11), "outside of 0 to 20 V", "unusual, below 11 V"),
    ],
)
def test_reasons_name_the_limits(limits: Limits, outside: str, unusual: str) -> None:
    """Both ends, in their unit."""
    assert (limits.outside, limits.unusual) == (outside, unusual)
