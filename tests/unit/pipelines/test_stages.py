"""What stages do to rows: each one by itself."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.pipelines.stages.cast import Cast
from penstock.pipelines.stages.dedupe import WINDOW_KEYS, Dedupe
from penstock.pipelines.stages.expression import Expression, NotUnderstood
from penstock.pipelines.stages.filter import Filter
from penstock.pipelines.stages.python import Python
from penstock.pipelines.stages.rename import Rename
from penstock.pipelines.stages.step import Sifted, Stage, StageDoesNotFit
from penstock.ports.flow import RAW_COLUMN
from penstock.stores.columns import named
from tests.unit.pipelines import functions

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, UTC)


def applied(stage: Stage, rows: pa.RecordBatch, state: bytes = b"") -> Sifted:
    """The stage on these rows; what it gives has the columns that it says."""
    step = stage.bind(rows.schema)
    sifted = step.apply(rows, state)
    assert sifted.rows.schema.equals(step.schema, check_metadata=True)
    assert sifted.kept is None or len(sifted.kept) == sifted.rows.num_rows
    return sifted


def kept(expression: str, **columns: Any) -> list[int]:  # noqa: ANN401 - columns of any type
    """The numbers of the rows for which an expression holds."""
    rows = pa.record_batch(columns)
    sifted = applied(Filter("f", Expression.of(expression)), rows)
    return list(range(rows.num_rows)) if sifted.kept is None else [int(number) for number in sifted.kept]


def test_columns_change_their_names_all_at_once() -> None:
    """Two columns may change places, and the column of the record as received keeps its role."""
    rows = pa.record_batch({"a": [1], "b": ["raw"]}).replace_schema_metadata({RAW_COLUMN: b"b"})

    sifted = applied(Rename("r", {"a": "b", "b": "a"}), rows)

    assert sifted.rows.to_pylist() == [{"b": 1, "a": "raw"}]
    assert sifted.rows.schema.metadata == {RAW_COLUMN: b"a"}


@pytest.mark.parametrize(("names", "said"), [({"c": "d"}, "no column `c`"), ({"a": "b"}, "two columns would be called `b`")])
def test_a_rename_that_does_not_fit_is_told(names: dict[str, str], said: str) -> None:
    """A column that is not there, and a name that would be there twice."""
    with pytest.raises(StageDoesNotFit, match=said):
        Rename("r", names).bind(pa.schema({"a": pa.int64(), "b": pa.int64()}))


@pytest.mark.parametrize(
    ("values", "type_name", "wanted"),
    [
        (["1", "-2", None], "int64", [1, -2, None]),
        (["1.5"], "float64", [1.5]),
        (["true"], "bool", [True]),
        (["12.34"], "decimal(6, 2)", [Decimal("12.34")]),
        (["2026-01-02T03:04:05.6Z", "2026-01-02 04:04:05.6+01:00"], "timestamp", [MOMENT, MOMENT]),
        (["2026-01-02"], "date", [date(2026, 1, 2)]),
        ([str(uuid.UUID(int=7))], "uuid", [uuid.UUID(int=7)]),
        (['{"a": 1}'], "json", ['{"a": 1}']),
        ([1, None], "string", ["1", None]),
        ([1], "json", ["1"]),
        ([2.0], "int64", [2]),
        ([7], "decimal(10, 1)", [Decimal("7.0")]),
        ([19.99, None], "decimal(12, 2)", [Decimal("19.99"), None]),
        ([1_767_323_045], "timestamp(s)", [MOMENT.replace(microsecond=0)]),
        ([1_767_323_045.6], "timestamp(s)", [MOMENT]),
        ([1_767_323_045_600], "timestamp(ms)", [MOMENT]),
        ([1_767_323_045_600_000], "timestamp(us)", [MOMENT]),
    ],
)
def test_values_become_another_type(values: list[Any], type_name: str, wanted: list[Any]) -> None:
    """Text is read, numbers are converted, and null stays null."""
    sifted = applied(Cast("c", {"a": type_name}), pa.record_batch({"a": values}))

    assert sifted.refused == ()
    assert sifted.rows.column("a").to_pylist() == wanted


def test_a_uuid_becomes_text() -> None:
    """In the form in which everybody writes one."""
    rows = pa.RecordBatch.from_arrays([pa.array([uuid.UUID(int=7).bytes, None], pa.uuid())], names=["a"])

    assert applied(Cast("c", {"a": "string"}), rows).rows.column("a").to_pylist() == [str(uuid.UUID(int=7)), None]


@pytest.mark.parametrize(
    ("values", "type_name", "bad"),
    [
        (["1", "x", "3"], "int64", {1: "a: 'x' is no int64"}),
        (["2026-01-02T03:04:05", "2026-01-02T03:04:05Z"], "timestamp", {0: "a: '2026-01-02T03:04:05' is no timestamp"}),
        (["x" * 70], "int64", {0: f"a: '{'x' * 59}... is no int64"}),
        ([1.5, 2.0], "int64", {0: "a: 1.5 is no int64"}),
        ([1.239, 1.24, math.nan], "decimal(12, 2)", {0: "a: 1.239 is no decimal(12, 2)", 2: "a: nan is no decimal(12, 2)"}),
        ([math.inf, 1.0], "timestamp(s)", {0: "a: inf is no timestamp"}),
        ([math.inf, 1.0], "json", {0: "a: inf is no json"}),
        (["0x1f", "1"], "int64", {0: "a: '0x1f' is no int64"}),
    ],
)
def test_a_value_that_is_none_of_the_type_refuses_its_row(values: list[Any], type_name: str, bad: dict[int, str]) -> None:
    """The others go on, in their order, and the reason names column and value."""
    rows = pa.record_batch({"a": values, "n": range(len(values))})

    sifted = applied(Cast("c", {"a": type_name}), rows)

    assert dict(sifted.refused) == bad
    assert sifted.rows.column("n").to_pylist() == [number for number in range(len(values)) if number not in bad]


@pytest.mark.parametrize(
    ("was", "type_name", "said"),
    [
        (pa.int64(), "timestamp", r"`a` is int64; write timestamp\(s\), timestamp\(ms\), timestamp\(us\) to say what it counts"),
        (pa.string(), "timestamp(s)", r"`a` is string, and timestamp\(s\) is for numbers; write timestamp"),
        (pa.bool_(), "date", "`a` is bool, which cannot become date"),
    ],
)
def test_a_cast_that_makes_no_sense_is_told_before_any_row_is_read(was: pa.DataType, type_name: str, said: str) -> None:
    """A number has a unit before it is a time, and some types have nothing in common."""
    with pytest.raises(StageDoesNotFit, match=said):
        Cast("c", {"a": type_name}).bind(pa.schema({"a": was}))


NUMBERS = {"a": [1, 2, None, 4], "b": [4.0, None, 2.0, 1.0], "s": ["x", "Yy", None, "zz"]}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("a > 1", [1, 3]),
        ("1 < a <= 2", [1]),
        ("a == 1 or b == 2", [0, 2]),
        ("a == 1 and b > 0", [0]),
        ("not a == 1", [1, 3]),
        ("a is None", [2]),
        ("a is not None and b is not None", [0, 3]),
        ("a in (1, 4)", [0, 3]),
        ("a not in (1, 4)", [1]),
        ("s in ['x', 'q']", [0]),
        ("s != 'x'", [1, 3]),
        ("a + b > 4", [0, 3]),
        ("-a < -3", [3]),
        ("a * 2 - 1 == 3", [1]),
        ("a / 4 < 0.5", [0]),
        ("True", [0, 1, 2, 3]),
        ("False", []),
        ("length(s) == 2", [1, 3]),
        ("lower(s) == 'yy' or upper(s) == 'X'", [0, 1]),
        ("contains(s, 'y') or starts_with(s, 'z') or ends_with(s, 'x')", [0, 1, 3]),
        ("column('a') == 1", [0]),
    ],
)
def test_rows_stay_for_which_the_expression_is_true(expression: str, wanted: list[int]) -> None:
    """As in SQL: what is null is unknown, and a row for which it cannot be told is left out."""
    assert kept(expression, **NUMBERS) == wanted


def test_text_beside_a_typed_column_is_read_as_its_type() -> None:
    """Times, dates, decimals and UUIDs are written in quotes."""
    at = pa.array([MOMENT, None, MOMENT.replace(year=2027)], pa.timestamp("us", "UTC"))
    ids = pa.array([uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes, None], pa.uuid())

    assert kept("at >= '2026-06-01T00:00:00Z'", at=at) == [2]
    assert kept("'2026-06-01T00:00:00Z' > at", at=at) == [0]
    assert kept("d == '2026-01-02'", d=[date(2026, 1, 2), date(2026, 1, 3)]) == [0]
    assert kept("m > '1.05'", m=[Decimal("1.10"), Decimal("1.00")]) == [0]
    assert kept("i in ('00000000-0000-0000-0000-000000000002',)", i=ids) == [1]
    assert kept("i != '00000000-0000-0000-0000-000000000002'", i=ids) == [0]


def test_a_row_that_cannot_be_computed_is_refused_alone() -> None:
    """An overflow in one row is that row's business."""
    sifted = applied(Filter("f", Expression.of("a + 1 > 2")), pa.record_batch({"a": [1, 2**63 - 1, 5]}))

    assert sifted.rows.column("a").to_pylist() == [5]
    assert [number for number, _ in sifted.refused] == [1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a >", "it is no expression: invalid syntax"),
        ("", "it is no expression"),
        ("a" * 10_001, "it is longer than 10,000 characters"),
        ("open('/etc/passwd')", r"`open\('/etc/passwd'\)` is not something a filter can say; a python stage can"),
        ("a.b", "`a.b` is not something a filter can say"),
        ("a[0]", "is not something"),
        ("a if b else c", "is not something"),
        ("(lambda: a)()", "is not something"),
        ("a % 2", "is not something"),
        ("None", "is not something"),
        ("a == None", "nothing equals None; write `is None` or `is not None`"),
        ("a is 3", "only None can stand behind `is`"),
        ("a in b", "behind `in` stands a list of values"),
        ("a in (b,)", "behind `in` stands a list of values"),
        ("a in ()", "behind `in` stands a list of values"),
        ("a in (None,)", "behind `in` stands a list of values"),
        ("length(a, b) == 1", "`length` takes 1 argument"),
        ("contains(a) == 1", "`contains` takes 2 arguments"),
        ("contains(a, b)", "the second argument of `contains` is a text in quotes"),
        (f"a > {10**30}", "is too large a number"),
        ("(" * 5_000, "it is no expression"),
    ],
)
def test_what_a_filter_cannot_say_is_told(text: str, said: str) -> None:
    """Nothing outside the grammar is evaluated."""
    with pytest.raises(NotUnderstood, match=said):
        Expression.of(text)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("c == 1", "there is no column `c`; there are `a`, `s`, `i`, `d`"),
        ("a", "`a` is int64, neither true nor false"),
        ("a == 'x'", "f: "),
        ("s > 1", "f: "),
        ("i == 'x'", "f: 'x' is no UUID"),
        ("d > 'x'", "f: "),
    ],
)
def test_a_filter_that_does_not_fit_is_told_before_any_row_is_read(expression: str, said: str) -> None:
    """Columns that are not there, types that do not compare, and text that is none of the type beside it."""
    schema = pa.schema({"a": pa.int64(), "s": pa.string(), "i": pa.uuid(), "d": pa.date32()})

    with pytest.raises(StageDoesNotFit, match=said):
        Filter("f", Expression.of(expression)).bind(schema)


@given(st.lists(st.integers(0, 5) | st.none(), max_size=30), st.data())
def test_the_first_row_of_a_key_stays_however_rows_are_cut(keys: list[int | None], data: st.DataObject) -> None:
    """What it gives is a matter of the rows and their order alone; a row without a key is never a repeat."""
    seen = set[int]()
    wanted = [number for number, key in enumerate(keys) if key is None or not (key in seen or seen.add(key))]  # type: ignore[func-returns-value]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(keys)))) | {0, len(keys)})

    given_rows, state = list[int](), b""
    for low, high in zip(cuts, cuts[1:] or cuts, strict=False):
        rows = pa.record_batch({"k": pa.array(keys[low:high], pa.int64()), "n": pa.array(range(low, high), pa.int64())})
        sifted = applied(Dedupe("d", ("k",)), rows, state)
        given_rows, state = given_rows + sifted.rows.column("n").to_pylist(), sifted.state

    assert given_rows == (wanted if len(cuts) > 1 else [])


def test_a_repeat_beyond_the_window_is_not_seen() -> None:
    """The window is as long as the documentation says, and no longer."""
    keys = [*range(WINDOW_KEYS), 0, WINDOW_KEYS, 0]

    sifted = applied(Dedupe("d", ("k",)), pa.record_batch({"k": keys}))

    assert sifted.rows.column("k").to_pylist() == [*range(WINDOW_KEYS + 1), 0]


def test_a_key_of_several_columns_is_all_of_them() -> None:
    """Rows that agree in a part of the key only are different rows."""
    rows = pa.record_batch({"a": [1, 1, 1, 1], "b": ["x", "y", "x", None]})

    assert applied(Dedupe("d", ("a", "b")), rows).rows.to_pylist() == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": None}]


def test_a_function_keeps_changes_refuses_and_leaves_out() -> None:
    """A dictionary is a row, None leaves it out; an exception, another type and a column nobody declared refuse it with the reason."""
    sifted = applied(Python("p", functions.odd_only), pa.record_batch({"number": [1, 2, 3, 7, 9, 10, 11]}))

    assert sifted.rows.column("number").to_pylist() == [2, 6]
    assert sifted.kept is not None
    assert list(sifted.kept) == [0, 2]
    reasons = dict(sifted.refused)
    assert reasons[3] == "odd_only gave a int, no dictionary"
    assert reasons[4] == "odd_only gave `surprise`, which is not among its columns"
    assert reasons[5] == "odd_only raised ValueError: 10 is round"
    assert set(reasons) == {3, 4, 5, 6}


def test_the_columns_of_a_function_are_declared() -> None:
    """They take the place of those it is given; one that it leaves out is null."""
    rows = pa.record_batch({"a": [1]}).replace_schema_metadata({RAW_COLUMN: b"a", b"other": b"x"})

    sifted = applied(Python("p", lambda row: {"b": str(row["a"])}, {"b": "string", "c": "date"}), rows)

    assert sifted.rows.to_pylist() == [{"b": "1", "c": None}]
    assert sifted.rows.schema == pa.schema([named("b", "string"), named("c", "date")])
    assert sifted.rows.schema.metadata == {b"other": b"x"}
