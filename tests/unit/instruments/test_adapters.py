"""From what sources give to points of a run."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.instruments import (
    CSVAdapter,
    DataAdapter,
    DynoDataPointSchema,
    InnovateAdapter,
    InnovateSampleSchema,
    JetDriveAdapter,
    JetDriveSampleSchema,
    convert_to_standard,
    get_adapter_for_source,
    register_adapter,
)
from penstock.instruments import adapters as registry
from penstock.instruments.adapters import NoAdapter, NotAnAdapter, NoWindow
from penstock.instruments.points import UNITS_OF_A_POINT, target
from penstock.instruments.validation import BadSample
from penstock.model.quality import Quality

JETDRIVE = JetDriveAdapter()


def sample(time: int, channel: str, value: float | None, unit: str = "", **more: Any) -> JetDriveSampleSchema:  # noqa: ANN401 - any member
    """A sample of JetDrive."""
    return JetDriveSampleSchema(time, "jetdrive", channel, value, unit, **more)


def there(point: DynoDataPointSchema) -> dict[str, float]:
    """What a point has."""
    return {name: value for name, value in asdict(point).items() if value is not None}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Adapters that a test registers are forgotten after it."""
    monkeypatch.setattr(registry, "_ADAPTERS", dict(registry._ADAPTERS))
    return iter(())


def test_a_window_has_what_was_measured_within_it() -> None:
    """50 ms by default, from the first reading on; the last value counts, and nothing is carried on into the next window."""
    samples = [
        sample(1_049, "Engine RPM", 3_020.0, "rpm"),
        sample(1_000, "Engine RPM", 3_000.0, "rpm"),
        sample(1_010, "TPS", 0.0, "%"),
        sample(1_050, "MAP kPa", 0.0, "kPa"),
        sample(1_200, "Torque", 100.0, "ft-lb"),
    ]

    points = JETDRIVE.aggregate_samples(samples)

    assert [there(point) for point in points] == [
        {"timestamp_ms": 1_000, "rpm": 3_020.0, "tps": 0.0},
        {"timestamp_ms": 1_050, "map_kpa": 0.0},
        {"timestamp_ms": 1_200, "torque": 100.0},
    ]
    assert len(JETDRIVE.aggregate_samples(samples, time_window_ms=1_000)) == 1


@given(st.lists(st.tuples(st.integers(0, 500), st.sampled_from(["Engine RPM", "TPS", "chan_3"]), st.floats(0, 100))), st.integers(1, 200))
def test_a_point_has_nothing_that_was_not_measured(given: list[tuple[int, str, float]], window: int) -> None:
    """Every member of every point is a value of its channel within the window, and every window with a reading has a point."""
    points = JETDRIVE.aggregate_samples([sample(*one) for one in given], window)

    read = [(time, {"Engine RPM": "rpm", "TPS": "tps"}[name], value) for time, name, value in given if name != "chan_3"]
    for point in points:
        low = point.timestamp_ms
        within = [(name, value) for time, name, value in read if low <= time < low + window]
        assert (there(point).keys() - {"timestamp_ms"}) == {name for name, _ in within}
        assert {item for item in there(point).items() if item[0] != "timestamp_ms"} <= set(within)
    first = min((time for time, _, _ in read), default=0)
    assert [point.timestamp_ms for point in points] == sorted({time - (time - first) % window for time, _, _ in read})


@pytest.mark.parametrize(
    "no_reading",
    [
        sample(5, "TPS", math.nan),
        sample(5, "TPS", None),
        sample(5, "TPS", None, quality=Quality.GAP),
        sample(5, "TPS", 99.0, quality=Quality.NOT_MEASURING),
        sample(5, "TPS", 99.0, "V"),
        sample(5, "Throttle Position Sensor Volta", 0.86, "V"),
    ],
)
def test_what_is_no_reading_is_missing(no_reading: JetDriveSampleSchema) -> None:
    """NaN, no value, no measurement, another quantity, a channel that only sounds alike: None, and never 0."""
    points = JETDRIVE.aggregate_samples([no_reading, sample(6, "Engine RPM", 3_000.0)])

    assert [point.tps for point in points] == [None]


def test_what_is_out_of_range_is_kept() -> None:
    """It is a reading; looking at the point flags it again."""
    (point,) = JETDRIVE.aggregate_samples([sample(0, "Horsepower", -107.7)])

    assert (point.horsepower, point.validate().quality) == (-107.7, "out_of_range")


def test_one_channel_goes_before_another() -> None:
    """Two channels of one quantity do not take turns: the one that is listed first counts, and of two providers the least."""
    samples = [
        sample(0, "Engine RPM", 3_000.0, provider_id=0x43FE),
        sample(1, "Engine RPM", 3_001.0, provider_id=0x43FD),
        sample(2, "Engine RPM", 3_002.0, provider_id=0x43FE),
        sample(3, "Digital RPM 1", 10_280.0, provider_id=1),
    ]

    assert [point.rpm for point in JETDRIVE.aggregate_samples(samples)] == [3_001.0]


@pytest.mark.parametrize(
    ("channel", "unit", "value", "wanted"),
    [
        ("Horsepower", "kW", 100.0, {"horsepower": 134.10221}),
        ("Torque", "N·m", 100.0, {"torque": 73.7562}),
        ("IAT", "°C", 100.0, {"iat": 212.0}),
        ("Air/Fuel Ratio 1", "lambda", 1.0, {"afr": 14.7}),
        ("AFR Meas R", "AFR", 13.2, {"afr_rear": 13.2}),
        ("Vehicle Speed", "km/h", 100.0, {"speed_mph": 62.13712}),
        ("Force Drum 1", "N", 100.0, {"force_lbs": 22.48089}),
        ("Acceleration", "km/h/s", 35.30394, {"acceleration": 1.0}),
        ("Humidity", "%", 40.0, {}),
    ],
)
def test_values_become_those_of_a_point(channel: str, unit: str, value: float, wanted: dict[str, float]) -> None:
    """JetDrive speaks SI, a point the units of 001; a channel that no point has gives none."""
    point = JETDRIVE.convert(sample(7, channel, value, unit))

    assert there(point) == pytest.approx({"timestamp_ms": 7} | wanted, rel=1e-6)


def test_every_member_of_a_point_has_a_unit() -> None:
    """And is filled by the channel of its name, unchanged."""
    members = list(DynoDataPointSchema.__match_args__[1:])
    targets = [target(name) for name in members]

    assert list(UNITS_OF_A_POINT) == members
    assert [one and (one.field, one.scale, one.offset) for one in targets] == [(name, 1.0, 0.0) for name in members]


@pytest.mark.parametrize("window", [0, -50, 0.5, math.nan, math.inf, "50", None, True])
def test_a_window_has_a_length(window: Any) -> None:  # noqa: ANN401 - whatever somebody may write there
    """In whole milliseconds: points are at whole ones."""
    with pytest.raises(NoWindow, match=f"{window} ms"):
        JETDRIVE.aggregate_samples([], time_window_ms=window)


@pytest.mark.parametrize("members", [{"value": math.nan}, {"timestamp_ms": -1}, {"provider_id": 0xFFFF}])
def test_a_refused_sample_makes_no_point(members: dict[str, Any]) -> None:
    """Alone it is an error that says why, also as a dictionary that lacks something."""
    good = sample(5, "TPS", 1.0, provider_id=1, channel_id=2)

    with pytest.raises(BadSample, match=next(iter(members))):
        convert_to_standard(replace(good, **members))
    with pytest.raises(BadSample, match="value"):
        convert_to_standard({"provider_id": 1, "channel_id": 2, "channel": "TPS", "timestamp_ms": 5})
    assert convert_to_standard(asdict(good)) == convert_to_standard(good) == DynoDataPointSchema(5, tps=1.0)


def test_a_value_too_large_for_the_unit_of_a_point_is_no_reading() -> None:
    """A number that is finite as lambda and not as air/fuel ratio: no point has infinity, alone it is an error."""
    large = sample(0, "Air/Fuel Ratio 1", 1.7e308, "lambda")

    assert [there(point) for point in JETDRIVE.aggregate_samples([large, sample(1, "TPS", 5.0)])] == [{"timestamp_ms": 1, "tps": 5.0}]
    for source in (large, InnovateSampleSchema(5, "innovate", "AFR_2", 14.0, lambda_value=1.7e308, sensor_channel=2)):
        with pytest.raises(BadSample, match=r"afr.*: the value is infinite"):
            convert_to_standard(source)


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"afr": 13.0, "lambda_value": 2.0}, {"afr_front": 13.0}),
        ({"lambda_value": 1.0}, {"afr_front": 14.7}),
        ({"value": 12.5}, {"afr_front": 12.5}),
        ({"value": 1.0, "unit": "lambda"}, {"afr_front": 14.7}),
        ({"value": 12.5, "sensor_channel": 2}, {"afr_rear": 12.5}),
        ({"value": 22.4, "quality": Quality.NOT_MEASURING}, {}),
    ],
)
def test_a_controller_measures_what_its_place_says(members: dict[str, Any], wanted: dict[str, float]) -> None:
    """Front and rear by default; in free air it measures nothing."""
    given = replace(InnovateSampleSchema(5, "innovate", "AFR_1", 14.0), **members)

    assert there(convert_to_standard(given)) == {"timestamp_ms": 5} | wanted


def test_items_of_a_queue_become_points() -> None:
    """They are the members of samples as dictionaries, whichever source they are of."""
    innovate = InnovateSampleSchema(5, "innovate", "AFR_2", 14.0, sensor_channel=2)

    assert there(convert_to_standard(asdict(innovate))) == {"timestamp_ms": 5, "afr_rear": 14.0}
    assert convert_to_standard(asdict(innovate), "innovate") == convert_to_standard(innovate)


def test_points_are_made_of_numbers_that_were_written_as_text() -> None:
    """What validation reads is what counts, not what was written."""
    written: dict[str, Any] = {"timestamp_ms": "5", "value": "14", "channel": "AFR_1"}

    assert there(convert_to_standard(written | {"lambda_value": "1", "sensor_channel": 1})) == {"timestamp_ms": 5, "afr_front": 14.7}
    assert there(convert_to_standard(written | {"afr": "13", "sensor_channel": 1})) == {"timestamp_ms": 5, "afr_front": 13.0}
    assert there(convert_to_standard(written | {"provider_id": 1, "channel_id": 2})) == {"timestamp_ms": 5, "afr": 14.0}


@pytest.mark.parametrize("source", ["csv", "innovate", "jetdrive"])
@pytest.mark.parametrize("data", [None, [], 7, {}, "csv"])
def test_what_is_no_data_of_a_named_source_is_refused(source: str, data: object) -> None:
    """By its reason, whatever it is."""
    with pytest.raises(BadSample):
        convert_to_standard(data, source)


def test_places_in_a_chain_are_told() -> None:
    """Which controller sits where cannot be seen on the wire; a place that nothing was said of is an error."""
    given = InnovateSampleSchema(5, "innovate", "AFR_1", 13.0, sensor_channel=1)
    one = InnovateAdapter(places=("afr_rear",))

    assert there(one.convert(given)) == {"timestamp_ms": 5, "afr_rear": 13.0}
    with pytest.raises(BadSample, match="1 place named, and not 2"):
        one.convert(replace(given, sensor_channel=2))
    with pytest.raises(BadSample, match="value"):
        one.convert(replace(given, value=math.inf))


def test_a_row_of_a_table_is_a_point() -> None:
    """Names as loggers write them, seconds where no unit is named; an empty cell is missing, and 0 is not."""
    row = {
        "Time": "0.15",
        "(DWRT AFR) Air/Fuel Ratio 1": "14.721",
        "(DWRT CPU) Engine RPM": "2991",
        "(DWRT CPU) Power": "",
        "(DWRT CPU) Power (uncorrected)": "81.9",
        "(DWRT ATMO) Humidity": "Not Ready",
        "TPS": "0",
        "IAT": " ",
        "": "",
        None: ["too", "many"],
    }

    assert there(convert_to_standard(row)) == {"timestamp_ms": 150, "afr": 14.721, "rpm": 2991.0, "horsepower": 81.9, "tps": 0.0}
    assert there(convert_to_standard({"Time": "0", "TPS": "5"})) == {"timestamp_ms": 0, "tps": 5.0}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"time_ms": "", "rpm": "1"}, "time_ms: there is no value"),
        ({"time_ms": None, "rpm": "1"}, "time_ms: there is no value"),
        ({"rpm": "1"}, "the row has no time"),
        ({"Time": "nan", "rpm": "1"}, "Time: the value is NaN"),
        ({"Time": "-0.05", "rpm": "1"}, "Time: timestamp_ms is no number of milliseconds: -0.05"),
        ({"Time": "1e30", "rpm": "1"}, "Time: timestamp_ms is no number of milliseconds"),
        ({"Time": math.inf, "rpm": "1"}, "Time: the value is infinite"),
        ({"time_ms": "7", "rpm": "26D"}, "row at 7 ms: rpm: the value is no number: 26D"),
        ({"time_ms": "7", "(ECU) RPM": "nan"}, r"row at 7 ms: \(ECU\) RPM: the value is NaN"),
        ({"time_ms": "7", "rpm": "1", "IAT": -math.inf}, "row at 7 ms: IAT: the value is infinite"),
        ({"time_ms": "7", "torque_nm": "inf", "rpm": math.nan, "TPS": "open"}, "row at 7 ms: torque_nm: .*; rpm: .*; TPS: .*"),
        ({"time_ms": "7", "lambda": 1.7e308}, "row at 7 ms: afr: the value is infinite"),
        ({"time_ms": "7", "rpm": True}, "rpm: the value is no number: True"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(row: dict[str, object], said: str) -> None:
    """Without a time, or where a listed column is no number that can be kept; with the row and all of the columns."""
    with pytest.raises(BadSample, match=said):
        CSVAdapter().convert(row)


@given(
    st.dictionaries(st.sampled_from(["Time", "time_ms", "rpm", "IAT", "lambda", "TPS", "x"]), st.none() | st.floats() | st.text(max_size=4))
)
def test_a_point_of_a_row_is_made_of_finite_numbers(row: dict[str, object]) -> None:
    """Or the row is refused; what is not there is None."""
    try:
        point = CSVAdapter().convert(row)
    except BadSample:
        return

    assert 0 <= point.timestamp_ms < 1 << 64
    assert all(math.isfinite(value) for value in there(point).values())
    assert [name for name in ("rpm", "tps", "iat") if name not in {plain.casefold() for plain in row} and name in there(point)] == []


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    """What stands here for 001's `parse_file` and `peak_hp`: the rows of `csv`, each a point or refused by itself."""
    (tmp_path / "run.csv").write_text("Time,Horsepower,RPM\n0.05,,2000\n0.10,81.9,3000\n0.15,nan,4000\n0.20,80.1,5000\n")
    points, refused = list[DynoDataPointSchema](), list[str]()

    with (tmp_path / "run.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            try:
                points.append(CSVAdapter().convert(row))
            except BadSample as error:
                refused.append(error.detail)

    assert max(point.horsepower for point in points if point.horsepower is not None) == 81.9
    assert refused == ["row at 150 ms: Horsepower: the value is NaN"]


@pytest.mark.parametrize("data", [7, None, "unknown", b"rpm", {"rpm": 1}, {"Time": 1, "Fuel Pump Relay": 0}, {1: 2}])
def test_what_no_adapter_takes_is_told(data: object) -> None:
    """Nothing is guessed."""
    assert get_adapter_for_source(data) is None
    with pytest.raises(NoAdapter):
        convert_to_standard(data)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(("name", "adapter"), [("csv", CSVAdapter), ("mine", None), ("mine", "csv"), (5, CSVAdapter()), ("", CSVAdapter())])
def test_what_is_no_adapter_is_not_registered(name: Any, adapter: Any) -> None:  # noqa: ANN401 - whatever somebody may write there
    """A class where its instance belongs, as the commonest: it would be in the way of all the others."""
    with pytest.raises(NotAnAdapter):
        register_adapter(name, adapter)

    assert convert_to_standard({"time_ms": 1, "rpm": 2}) == DynoDataPointSchema(1, rpm=2.0)


@pytest.mark.usefixtures("registered")
def test_an_adapter_of_ones_own() -> None:
    """As in 001: it is found by its name and by its data, before those that were there; another one of the name takes its place."""

    class MyAdapter(DataAdapter):
        source_name = "my_source"

        def can_handle(self, data: object) -> bool:
            return isinstance(data, dict)

        def convert(self, data: Any) -> DynoDataPointSchema:  # noqa: ANN401 - as the port has it
            return DynoDataPointSchema(data["t"], rpm=data["n"])

    first, second = MyAdapter(), MyAdapter()
    register_adapter("my_source", first)
    assert get_adapter_for_source("my_source") is get_adapter_for_source({"time_ms": 1, "rpm": 2}) is first

    register_adapter("my_source", second)

    assert get_adapter_for_source("my_source") is second
    assert (
        convert_to_standard({"t": 5, "n": 0.0})
        == convert_to_standard({"t": 5, "n": 0.0}, source="my_source")
        == DynoDataPointSchema(5, rpm=0.0)
    )
    assert convert_to_standard({"time_ms": 1, "rpm": 2}, source="csv") == DynoDataPointSchema(1, rpm=2.0)
    with pytest.raises(NoAdapter, match="other"):
        convert_to_standard({"t": 5}, source="other")
