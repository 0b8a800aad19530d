"""Columns: types by name, inferred from rows and from texts, and rows fitted to them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.columns import UnknownType, conform, infer, infer_texts, is_json, json_field, named, parse, record_batch, said, widened
from penstock.stores.columns.texts import UNREADABLE, in_parts
from penstock.stores.columns.types import TYPES
from penstock.stores.csv.writing import CsvRecords
from penstock.stores.files.written import Encoding
from penstock.stores.jsonl.writing import JsonLines

NAMES = [*TYPES, "decimal(12, 2)", "json"]
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.lists(st.integers(0, 9))


@pytest.mark.parametrize("name", NAMES)
def test_a_type_says_the_name_it_has(name: str) -> None:
    """What a name stands for says that name."""
    assert said(named("c", name)) == name


@pytest.mark.parametrize("name", ["varchar", "decimal(39, 2)", "decimal(0, 0)", "decimal(3, 4)", ""])
def test_an_unknown_type_names_the_known_ones(name: str) -> None:
    """A type that does not exist is told with the column and the types there are."""
    with pytest.raises(UnknownType, match="There is no such type of column: c = ") as error:
        named("c", name)

    assert "timestamp" in error.value.hint


def test_a_type_without_a_name_says_arrows() -> None:
    """Types that no pipeline file can name are called what Arrow calls them."""
    assert said(pa.field("c", pa.int32())) == "int32"


@pytest.mark.parametrize(
    ("values", "type_name"),
    [
        ([True, None], "bool"),
        ([1, None, -(2**63)], "int64"),
        ([1, 2.5], "float64"),
        (["a"], "string"),
        ([b"a"], "binary"),
        ([date(2026, 1, 2)], "date"),
        ([time(1, 2)], "time"),
        ([datetime(2026, 1, 2, tzinfo=UTC)], "timestamp"),
        ([datetime(2026, 1, 2)], "datetime"),  # noqa: DTZ001 - without a zone is the point
        ([UUID(int=7)], "uuid"),
        ([Decimal("1.25"), Decimal("10.5")], "decimal(38, 2)"),
        ([Decimal("NaN")], "json"),
        ([2**63], "json"),
        ([1, "a"], "json"),
        ([True, 1], "json"),
        ([{"a": [1]}], "json"),
    ],
)
def test_values_have_the_narrowest_type(values: list[Any], type_name: str) -> None:
    """Python values make a column of the narrowest type that loses nothing of them, JSON text where there is none."""
    schema = infer([{"c": value} for value in values])

    assert said(schema.field("c")) == type_name


def test_null_everywhere_is_no_column_yet() -> None:
    """A column of which no value was seen has no type, and is left out."""
    assert infer([{"a": 1, "b": None}]).names == ["a"]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), SCALARS)))
def test_inferred_columns_hold_their_rows(rows: list[dict[str, Any]]) -> None:
    """Rows fit the columns inferred from them, but for whole numbers beside fractions that no float64 holds, and what JSON cannot say."""
    schema = infer(rows)
    for _, batch in in_parts(len(rows), lambda start, end: record_batch(rows[start:end], schema)):
        if isinstance(batch, Exception):
            assert "is no float64" in str(batch) or "JSON cannot say" in str(batch)
        elif schema.names:
            assert batch.schema == schema
            batch.validate(full=True)


@pytest.mark.parametrize(
    ("texts", "type_name"),
    [
        (["true", "False"], "bool"),
        (["0", "-12", "999999999999999999"], "int64"),
        (["1", "2.50", "1e9"], "float64"),
        (["2026-02-28"], "date"),
        (["2026-02-31"], "string"),
        (["2026-01-02T03:04:05.123456Z", "2026-01-02 03:04+01:00"], "timestamp"),
        (["2026-01-02 03:04:05"], "datetime"),
        (["007", "8"], "string"),
        (["+1"], "string"),
        (["12345678901234567890"], "string"),
        (["1.12345678901234567890"], "string"),
        (["123456789012345.123456789012345"], "string"),
        (["nan"], "string"),
        ([None, None], "string"),
        ([None, "1"], "int64"),
        ([""], "string"),
    ],
)
def test_texts_have_the_narrowest_type_that_loses_nothing(texts: list[str | None], type_name: str) -> None:
    """Cells make a column of a type only where each is written as a value of it; leading noughts and long numbers stay text."""
    assert said(infer_texts(["c"], [pa.array(texts, pa.string())]).field("c")) == type_name


@pytest.mark.parametrize(
    ("type_name", "good", "bad"),
    [
        ("bool", ["true"], ["yes"]),
        ("int64", [" 12"], ["1.5", "", "9223372036854775808", "0x1f"]),
        ("float64", ["1.5", "2", "-inf", "Infinity"], ["x", "1e999"]),
        ("string", ["", "x"], []),
        ("binary", ["AP8="], ["?"]),
        ("date", ["2026-01-02"], ["2026-02-31"]),
        ("time", ["01:02:03"], ["25:00"]),
        ("timestamp", ["2026-01-02T03:04:05Z"], ["2026-01-02T03:04:05"]),
        ("datetime", ["2026-01-02T03:04:05"], ["2026-01-02T03:04:05Z"]),
        ("uuid", ["0e7ad584-7de6-4f8f-8b3c-3f1f3a1c0f00"], ["0e7ad584"]),
        ("decimal(5, 2)", ["123.45"], ["1.234", "1234.5"]),
        ("json", ['{"a": 1}'], ["{"]),
    ],
)
def test_texts_are_parsed_where_they_can_be(type_name: str, good: list[str], bad: list[str]) -> None:
    """Of a column of text those are named that are no value of the type; null stays null."""
    field = named("c", type_name)

    values, unreadable = parse(pa.array([*good, None, *bad, *good]), field)

    assert values.type == field.type
    assert unreadable == list(range(len(good) + 1, len(good) + 1 + len(bad)))
    assert values[0] == values[len(values) - len(good)] != pa.scalar(None, field.type)
    assert values.null_count == 1 + len(bad)


def test_no_texts_are_no_values() -> None:
    """An empty column stays one, in its type."""
    assert parse(pa.array([], pa.string()), named("c", "date")) == (pa.array([], pa.date32()), [])


def test_a_schema_widens_by_what_is_new() -> None:
    """New columns come behind the known ones; whole and other numbers are float64, other differences JSON text."""
    known = pa.schema([named("a", "int64"), named("b", "string"), named("c", "bool"), json_field("d")])
    found = pa.schema([named("e", "date"), named("a", "float64"), named("b", "int64"), named("c", "bool"), named("d", "string")])

    assert [(field.name, said(field)) for field in widened(known, found)] == [
        ("a", "float64"),
        ("b", "json"),
        ("c", "bool"),
        ("d", "json"),
        ("e", "date"),
    ]


@pytest.mark.parametrize(
    ("values", "was", "wanted", "fitted", "refused"),
    [
        ([1, 2**53 + 1, None], named("c", "int64"), "float64", [1.0, None], {1: "c: 9007199254740993 is no float64"}),
        ([1.0, 1.5], named("c", "float64"), "int64", [1], {1: "c: 1.5 is no int64"}),
        (["1"], named("c", "string"), "int64", [], {0: "c: '1' is no int64"}),
        ([None], named("c", "string"), "int64", [None], {}),
        ([5], named("c", "int64"), "string", [], {0: "c: 5 is no string"}),
        (['"a"', "5", None], json_field("c"), "string", ["a", None], {1: "c: '5' is no string"}),
        (['"a"', "5"], json_field("c"), "int64", [5], {0: "c: '\"a\"' is no int64"}),
        (["2", "9007199254740993", "1e300"], json_field("c"), "float64", [2.0, 1e300], {1: "c: '9007199254740993' is no float64"}),
        (["5"], json_field("c"), "date", [], {0: "c: '5' is no date"}),
        (["a", None], named("c", "string"), "json", ['"a"', None], {}),
        ([Decimal("0.10")], named("c", "decimal(5, 2)"), "float64", [], {0: "c: Decimal('0.10') is no float64"}),
        ([Decimal("2.00"), Decimal("2.50")], named("c", "decimal(5, 2)"), "int64", [2], {1: "c: Decimal('2.50') is no int64"}),
        ([b"a"], named("c", "binary"), "binary", [b"a"], {}),
        ([1.5, float("nan")], named("c", "float64"), "json", ["1.5"], {1: "c: nan is no json"}),
        ([date(2026, 1, 1)], named("c", "date"), "timestamp", [], {0: "c: datetime.date(2026, 1, 1) is no timestamp"}),
    ],
)
def test_values_change_their_type_only_where_nothing_is_lost(
    values: list[Any], was: pa.Field, wanted: str, fitted: list[Any], refused: dict[int, str]
) -> None:
    """Each value is in its column as it was, or its row is refused with the value and the type it is not."""
    batch = pa.RecordBatch.from_arrays([pa.array(values, was.type)], schema=pa.schema([was]))

    conformed = conform(batch, pa.schema([named("c", wanted)]))

    assert conformed.rows.column("c").to_pylist() == fitted
    assert conformed.refused == refused


def test_nanoseconds_fit_where_they_are_whole_microseconds() -> None:
    """A finer timestamp is kept where nothing is behind the microseconds."""
    batch = pa.RecordBatch.from_arrays([pa.array([1_000, 1_001], pa.timestamp("ns", "UTC"))], ["c"])

    conformed = conform(batch, pa.schema([named("c", "timestamp")]))

    assert (conformed.rows.num_rows, list(conformed.refused)) == (1, [1])


def test_columns_that_a_batch_lacks_are_null() -> None:
    """A missing column is null, and where there must be a value every row is refused."""
    batch = pa.RecordBatch.from_pydict({"a": [1, 2]})
    nullable, needed = (pa.schema([named("a", "int64"), named("b", "string").with_nullable(nullable)]) for nullable in (True, False))

    assert conform(batch, nullable).rows.to_pylist() == [{"a": 1, "b": None}, {"a": 2, "b": None}]
    assert conform(batch, needed).refused == dict.fromkeys((0, 1), "b: there must be a value")


def test_a_column_too_many_refuses_rows_that_use_it() -> None:
    """A row with a value that has no place is refused; where the column is null there is nothing to lose."""
    batch = pa.RecordBatch.from_pydict({"a": [1, 2], "b": ["x" * 99, None]})

    conformed = conform(batch, pa.schema([named("a", "int64")]))

    assert conformed.rows.to_pylist() == [{"a": 2}]
    assert conformed.refused == {0: "b: there is no such column"}


def test_long_values_are_quoted_in_part() -> None:
    """A reason stays a line, however long the value."""
    batch = pa.RecordBatch.from_pydict({"a": ["x" * 999]})

    assert len(conform(batch, pa.schema([named("a", "int64")])).refused[0]) < 90


@given(st.lists(st.booleans()))
def test_only_what_cannot_be_taken_is_left_out(good: list[bool]) -> None:
    """Whatever cannot be taken, everything else is, in order, and each error is of one item."""

    def attempt(start: int, end: int) -> list[int]:
        if not all(good[start:end]):
            raise ValueError
        return list(range(start, end))

    parts = list(in_parts(len(good), attempt))

    assert [item for _, part in parts if isinstance(part, list) for item in part] == [n for n, fine in enumerate(good) if fine]
    assert [start for start, part in parts if isinstance(part, Exception)] == [n for n, fine in enumerate(good) if not fine]


def test_json_columns_are_marked() -> None:
    """A store can tell JSON text from other text."""
    assert is_json(json_field("c"))
    assert not is_json(named("c", "string"))


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("int64", 1.5),
        ("int64", Decimal("1.5")),
        ("int64", float("nan")),
        ("int64", Decimal("inf")),
        ("float64", 2**53 + 1),
        ("float64", True),
        ("date", datetime(2026, 1, 1, 5, tzinfo=UTC)),
        ("date", 5),
        ("timestamp", datetime(2026, 1, 1)),  # noqa: DTZ001 - without a zone on purpose
        ("timestamp", 5),
        ("datetime", datetime(2026, 1, 1, tzinfo=UTC)),
        ("time", time(5, tzinfo=UTC)),
        ("time", 5),
        ("string", b"a"),
        ("binary", "a"),
        ("json", [1.5, {"a": (float("nan"),)}]),
        ("json", float("inf")),
        ("json", object()),
    ],
)
def test_no_value_is_changed_to_fit_its_column(type_name: str, value: object) -> None:
    """What a column would hold otherwise than it was given is not of its type."""
    with pytest.raises(UNREADABLE):
        record_batch([{"a": value}], pa.schema([named("a", type_name)]))


def test_milliseconds_hold_no_microseconds() -> None:
    """A column of milliseconds takes a moment that it can tell from its neighbours, and no other."""
    schema = pa.schema([pa.field("a", pa.timestamp("ms", "UTC"))])

    assert record_batch([{"a": datetime(2026, 1, 1, microsecond=5_000, tzinfo=UTC)}, {}], schema).num_rows == 2
    with pytest.raises(UNREADABLE):
        record_batch([{"a": datetime(2026, 1, 1, microsecond=5_001, tzinfo=UTC)}], schema)


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("int64", 2.0),
        ("float64", 2**53),
        ("date", date(2026, 1, 1)),
        ("time", time(5)),
        ("string", "a"),
        ("binary", b"a"),
    ],
)
def test_values_that_fit_as_they_are(type_name: str, value: object) -> None:
    """Whole numbers are whole in either notation, and a calendar's day is a day."""
    assert record_batch([{"a": value}], pa.schema([named("a", type_name)])).column("a").to_pylist() == [value]


@pytest.mark.parametrize("encoding", [JsonLines(), CsvRecords()])
def test_times_that_cannot_be_written_refuse_their_rows(encoding: Encoding) -> None:
    """Beyond the year 9999 Arrow writes another year, or that the value is out of range; what is within is written."""
    moments = pa.array([0, 2**63 - 1, None, 253_402_300_800_000_000, -(2**63)], pa.timestamp("us", "UTC"))
    days = pa.array([None, 0, 2**31 - 1, 0, 0], pa.date32())

    encoded = encoding.encode([pa.RecordBatch.from_arrays([moments, days], ["at", "day"])])

    assert encoded.data.count(b"\n") == 1
    assert b"1970-01-01T00:00:00" in encoded.data
    assert [(one.row, one.reason.partition(" ")[0]) for one in encoded.refused] == [(1, "at"), (2, "day"), (3, "at"), (4, "at")]
