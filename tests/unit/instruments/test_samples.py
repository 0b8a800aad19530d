"""Samples and points, looked at one by one."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock.instruments
from penstock.instruments import (
    DataSample,
    DynoDataPointSchema,
    InnovateSampleSchema,
    JetDriveAdapter,
    JetDriveSampleSchema,
    ValidationResult,
    ValidationSettings,
)
from penstock.instruments.validation import NAN, NO_CHANNEL, NO_QUALITY, NO_SOURCE, NO_TIME, NO_UNIT, NO_VALUE, NOT_A_NUMBER
from penstock.model.quality import Quality

GOOD = DataSample(timestamp_ms=1000, source="jetdrive", channel="rpm", value=3500.0)
OFF = ValidationSettings(enabled=False)


def messages(result: ValidationResult) -> dict[str, str]:
    """What was found wrong, by member."""
    return {error.field: error.message for error in result.errors}


def test_a_sample_is_looked_at_as_in_001() -> None:
    """The example of the document: a good sample is valid, and what is to be stored is what came."""
    result = GOOD.validate()

    assert result == ValidationResult(is_valid=True, sanitized_data=asdict(GOOD), quality=Quality.OK)


def test_what_is_out_of_range_is_valid_and_flagged() -> None:
    """Deceleration goes below 001's least power in every real run; the value is kept as it came."""
    result = replace(GOOD, channel="Horsepower", value=-107.7).validate()

    assert (result.is_valid, result.errors, result.quality) == (True, (), "out_of_range")
    assert [warning.message for warning in result.warnings] == ["outside of -50 to 2,000 hp"]
    assert result.sanitized_data is not None
    assert (result.sanitized_data["value"], result.sanitized_data["quality"]) == (-107.7, "out_of_range")


def test_strict_mode_refuses_it() -> None:
    """What is refused is not to be stored in any form."""
    result = replace(GOOD, value=20_001.0).validate(ValidationSettings(strict_mode=True))

    assert (result.is_valid, messages(result), result.sanitized_data) == (False, {"value": "outside of 0 to 20,000 rpm"}, None)


@pytest.mark.parametrize(("value", "quality"), [(93.0, "ok"), (95.0, "warn"), (200.0, "out_of_range")])
def test_the_unit_that_came_with_a_value_counts(value: float, quality: str) -> None:
    """001's limits of the intake air are in °F; a value in °C is compared as °C, and stored as it came."""
    result = replace(GOOD, channel="IAT", unit="°C", value=value).validate()

    assert result.quality == quality
    assert result.sanitized_data is not None
    assert (result.sanitized_data["value"], result.sanitized_data["unit"]) == (value, "°C")


@pytest.mark.parametrize("unit", [" ", "\t", "   "])
def test_a_unit_of_blanks_is_none(unit: str) -> None:
    """As a table of fixed widths has it: the value is compared in the listed unit, and makes the same point."""
    blank = JetDriveSampleSchema(0, "jetdrive", "IAT", 93.0, unit)

    assert blank.validate().quality == blank.validate(ValidationSettings(strict_mode=True)).quality == "ok"
    assert JetDriveAdapter().convert(blank) == DynoDataPointSchema(0, iat=93.0)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"timestamp_ms": -1}, {"timestamp_ms": NO_TIME}),
        ({"timestamp_ms": 0.05}, {"timestamp_ms": NO_TIME}),
        ({"timestamp_ms": math.nan}, {"timestamp_ms": NO_TIME}),
        ({"timestamp_ms": None}, {"timestamp_ms": NO_TIME}),
        ({"timestamp_ms": "22:56:53"}, {"timestamp_ms": NO_TIME}),
        ({"timestamp_ms": True}, {"timestamp_ms": NO_TIME}),
        ({"timestamp_ms": 1 << 64}, {"timestamp_ms": NO_TIME}),
        ({"timestamp_ms": 2.0**64}, {"timestamp_ms": NO_TIME}),
        ({"source": " "}, {"source": NO_SOURCE}),
        ({"channel": ""}, {"channel": NO_CHANNEL}),
        ({"channel": ["rpm"]}, {"channel": NO_CHANNEL}),
        ({"unit": 8}, {"unit": NO_UNIT}),
        ({"quality": "good"}, {"quality": NO_QUALITY}),
        ({"value": math.nan}, {"value": NAN}),
        ({"value": None}, {"value": NO_VALUE}),
        ({"value": "26D"}, {"value": NOT_A_NUMBER}),
        ({"timestamp_ms": None, "source": "", "value": b""}, {"timestamp_ms": NO_TIME, "source": NO_SOURCE, "value": NOT_A_NUMBER}),
    ],
)
def test_everything_that_is_wrong_is_told(changes: dict[str, Any], wanted: dict[str, str]) -> None:
    """All of it at once, by member."""
    result = replace(GOOD, **changes).validate()

    assert (result.is_valid, messages(result), result.sanitized_data) == (False, wanted, None)


@given(
    st.builds(DataSample, *[st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.none())] * 6)
)
def test_no_sample_makes_the_look_fail(sample: DataSample) -> None:
    """Whatever its members are, the answer is a result, with a reason where it is refused."""
    result = sample.validate()

    assert result.is_valid == (result.errors == ()) == (result.sanitized_data is not None)


def test_what_is_written_otherwise_is_read() -> None:
    """Numbers as text, whole milliseconds as a fraction, a quality as JSON has it."""
    written: dict[str, Any] = {"timestamp_ms": "1000", "value": "3500", "quality": "warn"}

    result = replace(GOOD, **written).validate()

    assert result.sanitized_data == asdict(replace(GOOD, quality=Quality.WARN))
    assert replace(GOOD, timestamp_ms=1000.0).validate().sanitized_data == asdict(GOOD)  # type: ignore[arg-type]  # on purpose
    assert not replace(GOOD, **written).validate(ValidationSettings(sanitize_values=False)).is_valid


def test_nothing_is_looked_at_where_that_is_switched_off() -> None:
    """`enabled = false`: every sample is valid as it is."""
    bad = replace(GOOD, value=math.nan, source="")

    assert bad.validate(OFF) == ValidationResult(is_valid=True, sanitized_data=asdict(bad), quality=Quality.OK)
    assert DynoDataPointSchema(-1).validate(OFF).is_valid


def test_the_status_of_an_instrument_travels_with_its_value() -> None:
    """A controller in free air says 22.4: that is no reading, however usual it looks."""
    result = replace(GOOD, channel="AFR", value=22.4, quality=Quality.NOT_MEASURING).validate()

    assert (result.is_valid, result.warnings, result.quality) == (True, (), "not_measuring")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, set()),
        ({"provider_id": 0xFFFF}, {"provider_id"}),
        ({"channel_id": 65_536}, {"channel_id"}),
        ({"provider_id": -1, "channel_id": True}, {"provider_id", "channel_id"}),
    ],
)
def test_a_jetdrive_sample_has_a_provider_and_a_channel(changes: dict[str, Any], wrong: set[str]) -> None:
    """Both are 16 bits, and 0xFFFF never sends."""
    sample = JetDriveSampleSchema(5, "jetdrive", "Engine RPM", 3000.0, "rpm", provider_id=0x43FD, channel_id=6)

    assert set(messages(replace(sample, **changes).validate())) == wrong


def test_an_innovate_sample_is_looked_at_in_both_ratios() -> None:
    """As air/fuel ratio and as lambda; what was not told is missing, and no 0."""
    sample = InnovateSampleSchema(5, "innovate", "AFR_1", 14.7, "AFR", afr=14.7, lambda_value=5.0, sensor_channel=2, device_type="LC-2")

    result = sample.validate()

    assert [(warning.field, warning.message) for warning in result.warnings] == [("lambda_value", "outside of 0.4 to 2.4 lambda")]
    assert result.quality == "out_of_range"
    assert set(messages(replace(sample, sensor_channel=0, afr=math.nan).validate())) == {"sensor_channel", "afr"}
    assert InnovateSampleSchema(5, "innovate", "AFR_1", 14.7).validate().sanitized_data == asdict(
        InnovateSampleSchema(5, "innovate", "AFR_1", 14.7)
    )


def test_what_a_point_does_not_have_stays_missing() -> None:
    """A closed throttle is 0.0, and what was not measured is None."""
    result = DynoDataPointSchema(1000, tps=0.0, map_kpa=0.0).validate()

    assert result.sanitized_data is not None
    there = {name: value for name, value in result.sanitized_data.items() if value is not None}
    assert there == {"timestamp_ms": 1000, "tps": 0.0, "map_kpa": 0.0}


def test_every_value_of_a_point_is_looked_at() -> None:
    """Each against its own range; the quality is that of the worst."""
    point = DynoDataPointSchema(1000, rpm=300.0, horsepower=-60.0, afr_rear=14.0, iat=250.0, speed_mph=500.0)

    result = point.validate()

    assert {warning.field for warning in result.warnings} == {"rpm", "horsepower", "iat"}
    assert result.quality == "out_of_range"
    assert set(messages(point.validate(ValidationSettings(strict_mode=True)))) == {"horsepower"}
    assert set(messages(replace(point, torque=math.inf, timestamp_ms=-1).validate())) == {"torque", "timestamp_ms"}


def test_everything_is_imported_from_one_place() -> None:
    """Each name of the interface is there, is shown, and another one is an error that names it."""
    assert {*penstock.instruments.__all__, "NoSamples", "Validated"} == {*penstock.instruments._PLACES}
    for name in penstock.instruments._PLACES:
        assert getattr(penstock.instruments, name).__name__ == name
        assert name in dir(penstock.instruments)
    with pytest.raises(AttributeError, match="DataSimple"):
        _ = penstock.instruments.DataSimple
