"""Many samples at once are looked at as each by itself."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.instruments import DataSample, ValidationSettings
from penstock.instruments.columns import NoSamples, with_quality
from penstock.instruments.looking import Looked, look
from penstock.instruments.refusals import Runs
from penstock.instruments.validation import INFINITE, NAN, NO_TIME, NO_VALUE

CHANNELS = ["Engine RPM", "IAT", "AFR", "Knock", "chan_3", ""]
EDGES = [0.0, -40.0, 6.0, 20.0, 35.0, 100.0, 148.888888889, 500.0, 15_000.0, 20_000.0, 20_000.1]
values = st.none() | st.sampled_from([math.nan, math.inf, -math.inf]) | st.sampled_from(EDGES) | st.floats()
written = st.none() | st.sampled_from(["3500", " 12.5 ", "", "26D", "nan", "-inf", "1e999", "OL"]) | st.text(max_size=4)
settings = st.builds(ValidationSettings, *[st.booleans()] * 5)


def samples(value: st.SearchStrategy[Any]) -> st.SearchStrategy[list[DataSample]]:
    """Samples of few channels, so that runs form."""
    one = st.builds(
        DataSample,
        st.sampled_from([0, 1, 2**40]) | st.integers(-2, 2),
        st.sampled_from(["jetdrive", "innovate", " "]),
        st.sampled_from(CHANNELS),
        value,
        st.sampled_from(["", "", "  ", "°C", "rpm", "furlong"]),
        st.sampled_from(["ok", "ok", "ok", "warn", "out_of_range", "not_measuring", "gap", "good"]),
    )
    return st.lists(one, max_size=30)


def columns(given: list[DataSample], kind: pa.DataType) -> pa.RecordBatch:
    """A row for each sample."""
    return pa.RecordBatch.from_pydict(
        {
            "timestamp_ms": pa.array([sample.timestamp_ms for sample in given], pa.int64()),
            "source": pa.array([sample.source for sample in given], pa.string()),
            "channel": pa.array([sample.channel or None for sample in given], pa.string()).dictionary_encode(),
            "value": pa.array([sample.value for sample in given], kind),
            "unit": pa.array([sample.unit or None for sample in given], pa.string()),
            "quality": pa.array([str(sample.quality) for sample in given], pa.string()),
        }
    )


def agrees(given: list[DataSample], looked: Looked, settings: ValidationSettings) -> None:
    """Kept, qualities, reasons and runs are those of looking at each."""
    alone = [sample.validate(settings) for sample in given]
    kept = [number for number, result in enumerate(alone) if result.is_valid]
    runs = [
        (source, channel, reason, [number for number, _ in run])
        for (source, channel), those in _by_channel(given)
        for reason, run in groupby(those, lambda one: "" if alone[one[0]].is_valid else alone[one[0]].errors[0].message)
        if reason
    ]

    assert (list(range(len(given))) if looked.kept is None else list(looked.kept)) == kept
    assert looked.rows.column("quality").to_pylist() == [str(alone[number].quality) for number in kept]
    assert looked.rows.column("timestamp_ms").to_pylist() == [given[number].timestamp_ms for number in kept]
    assert list(map(told, looked.rows.column("value").to_pylist())) == [
        told((alone[number].sanitized_data or {})["value"]) for number in kept
    ]
    assert sorted((run.provider, run.channel, run.reason, run.numbers) for run in looked.refused) == sorted(runs)
    assert [run.numbers[0] for run in looked.refused] == sorted(run.numbers[0] for run in looked.refused)


def told(value: Any) -> str:  # noqa: ANN401 - any number
    """A value so that NaN is itself, 0 is not missing, and a text is no number; all numbers of one value are the same."""
    return repr(value if value is None or isinstance(value, str) else float(value))


def _by_channel(given: list[DataSample]) -> list[tuple[tuple[str, str], list[tuple[int, DataSample]]]]:
    keys = dict.fromkeys((sample.source, sample.channel) for sample in given)
    return [(key, [(number, one) for number, one in enumerate(given) if (one.source, one.channel) == key]) for key in keys]


@given(samples(values), settings)
@example([DataSample(0, "jetdrive", "IAT", value, "°C") for value in EDGES], ValidationSettings())
def test_columns_are_looked_at_as_each_sample_alone(given: list[DataSample], settings: ValidationSettings) -> None:
    """Whatever the settings, and whatever is in the samples."""
    agrees(given, look(columns(given, pa.float64()), settings), settings)


@given(samples(values), st.sets(st.integers(1, 29)))
def test_however_samples_are_cut_the_same_ones_are_refused(given: list[DataSample], cuts: set[int]) -> None:
    """A run may become two where a batch ends; which samples are refused, why, and how many they are stays the same."""
    rows = columns(given, pa.float64())
    ends = [0, *sorted(cut for cut in cuts if cut < len(given)), len(given)]

    cut = [(low, look(rows.slice(low, high - low))) for low, high in pairwise(ends)]

    assert sorted(reasons(0, look(rows))) == sorted(reason for low, looked in cut for reason in reasons(low, looked))


def reasons(first: int, looked: Looked) -> list[tuple[int, str]]:
    """Each refused sample with its reason."""
    return [(first + number, run.reason) for run in looked.refused for number in run.numbers]


@given(samples(written), settings)
def test_written_numbers_are_read_as_each_sample_alone(given: list[DataSample], settings: ValidationSettings) -> None:
    """A column of text is read like text."""
    agrees(given, look(columns(given, pa.string()), settings), settings)


OF_TYPES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.uint16(): st.integers(0, 65_535) | st.sampled_from([500, 15_000, 20_000]),
    pa.int32(): st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-50, 20_001),
    pa.int64(): st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-50, 20_001),
    pa.uint64(): st.integers(0, (1 << 64) - 1) | st.integers(0, 20_001),
    pa.float32(): st.floats(width=32) | st.floats(-41, 20_001, width=32),
    pa.float64(): values,
    pa.decimal128(38, 9): st.decimals(-(10**28), 10**28, places=9) | st.sampled_from(list(map(Decimal, ("148.888888889", "6", "20000.1")))),
    pa.decimal256(60, 20): st.decimals(-(10**39), 10**39, places=20),
    pa.string(): written,
    pa.large_string(): written,
    pa.dictionary(pa.int32(), pa.string()): written,
}


@pytest.mark.parametrize("kind", OF_TYPES, ids=str)
@given(st.data(), settings)
def test_values_of_all_types_are_looked_at_as_each_alone(kind: pa.DataType, data: st.DataObject, settings: ValidationSettings) -> None:
    """The same samples are kept, with the same qualities and the same values, those of a text as numbers."""
    given = data.draw(samples(st.none() | OF_TYPES[kind]))

    agrees(given, look(columns(given, kind), settings), settings)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_text_becomes_a_column_of_numbers(kind: pa.DataType) -> None:
    """A text of nothing is null; where nothing is looked at, text stays text."""
    rows = pa.record_batch(
        {
            "channel": ["rpm"] * 4,
            "value": pa.array(["12.5", " 3e3", "", None], pa.string()).cast(kind),
            "quality": ["ok", "ok", "gap", "gap"],
        }
    )
    off = ValidationSettings(enabled=False)

    assert look(rows).rows.column("value") == pa.array([12.5, 3_000.0, None, None])
    assert with_quality(rows.schema).field("value").type == pa.float64()
    assert look(rows, off).rows.column("value") == rows.column("value")
    assert with_quality(rows.schema, off).field("value").type == kind


@pytest.mark.parametrize("kind", [pa.float32(), pa.int64(), pa.decimal128(12, 2)])
def test_numbers_may_be_of_any_type(kind: pa.DataType) -> None:
    """What is null is missing, 0 is not, and the value stays as it is."""
    number = Decimal if pa.types.is_decimal(kind) else int
    rows = pa.record_batch({"channel": ["rpm"] * 4, "value": pa.array([number(0), None, number(25_000), number(3_000)], kind)})

    looked = look(rows)

    assert looked.rows.to_pylist() == [
        {"channel": "rpm", "value": 0, "quality": "warn"},
        {"channel": "rpm", "value": 25_000, "quality": "out_of_range"},
        {"channel": "rpm", "value": 3_000, "quality": "ok"},
    ]
    assert looked.rows.schema.field("value").type == kind
    assert [(run.reason, run.numbers, run.first) for run in looked.refused] == [(NO_VALUE, [1], (None, None))]


def test_a_channel_of_one_provider_is_not_that_of_another() -> None:
    """Ids and names repeat from provider to provider: each has runs of its own, and a good sample of one ends no run of the other."""
    rows = pa.record_batch(
        {
            "timestamp_ms": range(8),
            "provider": pa.array([17, 18] * 4, pa.uint16()),
            "source": ["jetdrive"] * 8,
            "channel": ["Torque"] * 8,
            "value": [math.nan, 1.0, math.nan, math.inf, 2.0, math.inf, math.nan, 3.0],
        }
    )

    found = [(run.provider, run.reason, run.numbers) for run in look(rows).refused]

    assert found == [("17", NAN, [0, 2]), ("18", INFINITE, [3, 5]), ("17", NAN, [6])]


def test_a_letter_tells_count_first_and_last() -> None:
    """With times and values, as JSON whatever the values are."""
    runs = Runs()
    runs.refuse(0, "jetdrive", "Torque", NAN, (5, math.nan))
    runs.refuse(2, "jetdrive", "Torque", NAN, (9, -math.inf))
    runs.refuse(3, "jetdrive", "Torque", NAN, (13, Decimal("1.5")))

    (run,) = runs.take()

    assert json.loads(run.raw) == {
        "provider": "jetdrive",
        "channel": "Torque",
        "count": 3,
        "first": {"timestamp_ms": 5, "value": "nan"},
        "last": {"timestamp_ms": 13, "value": "1.5"},
    }


def test_what_was_taken_does_not_come_again() -> None:
    """A run that goes on after its letter was written is another letter."""
    runs = Runs()
    for number in range(2):
        runs.refuse(number, "jetdrive", "Torque", NAN, (number, math.nan))
        assert [run.numbers for run in runs.take()] == [[number]]

    assert list(runs.take()) == []


def test_a_sample_without_a_time_is_refused() -> None:
    """Null is none, and no time is before the beginning; where there is no column, nothing is said of times."""
    rows = pa.record_batch({"timestamp_ms": pa.array([None, -1, 0], pa.int64()), "channel": ["x"] * 3, "value": [1.0] * 3})

    assert [(run.reason, run.numbers) for run in look(rows).refused] == [(NO_TIME, [0, 1])]
    assert look(rows.drop_columns("timestamp_ms")).refused == ()


def test_stated_qualities_stay_where_nothing_is_looked_at() -> None:
    """`enabled = false`: a quality that was not stated is ok, and nothing is refused."""
    off = ValidationSettings(enabled=False)
    rows = pa.record_batch({"channel": ["rpm"] * 3, "value": [math.nan] * 3, "quality": ["gap", None, "of old"]})

    assert look(rows, off).rows.column("quality").to_pylist() == ["gap", "ok", "of old"]
    assert look(rows.drop_columns("quality"), off).rows.column("quality").to_pylist() == ["ok"] * 3


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"value": pa.float64()}, "there is no `channel`"),
        ({"channel": pa.string()}, "there is no `value`"),
        ({"channel": pa.int64(), "value": pa.float64()}, "`channel` is int64"),
        ({"channel": pa.string(), "value": pa.bool_()}, "`value` is bool"),
        ({"channel": pa.string(), "value": pa.float64(), "timestamp_ms": pa.timestamp("ms")}, "`timestamp_ms` is timestamp"),
    ],
)
def test_columns_that_are_none_of_samples_are_told(schema: dict[str, pa.DataType], said: str) -> None:
    """With the name of the column, and what samples have."""
    with pytest.raises(NoSamples, match=said) as caught:
        with_quality(pa.schema(schema))

    assert "`channel` (text)" in caught.value.hint
