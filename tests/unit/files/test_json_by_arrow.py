"""Two readers of JSON lines, the one of Arrow and the one that makes objects, read the same."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.stores.columns import named
from penstock.stores.jsonl.rows import RowDecoder

COLUMNS = {"a": "int64", "b": "float64", "c": "string", "d": "bool", "t": "timestamp", "n": "decimal(20, 3)"}
READER = RowDecoder(pa.schema([named(name, kind) for name, kind in COLUMNS.items()]), frozenset({"v"}))
NUMBERS = st.integers(-(2**66), 2**66).map(str) | st.floats().map(str) | st.decimals(allow_nan=False, allow_infinity=False).map(str)
ODD = ["NaN", "Infinity", "-0", "01", "1.", "1e400", "1.7976931348623159e308", "9007199254740993", "[1]", '{"x":1}', "tru", ""]
TEXTS = st.text(max_size=5).map(lambda text: f'"{text}"') | st.sampled_from(
    ['"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"2026-01-01T00:00:00Z"', '"2026-01-01"', '"1.5"', '"é"', '"a', '"a\tb"', '"/**/"']
)
VALUES = NUMBERS | TEXTS | st.sampled_from(["true", "false", "null", *ODD])
SOUND = {
    "a": st.integers(-(2**63), 2**63 - 1).map(str),
    "b": st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-(2**60), 2**60).map(str),
    "c": st.text(st.characters(exclude_characters='"\\', min_codepoint=32), max_size=5).map(lambda text: f'"{text}"'),
    "d": st.sampled_from(["true", "false", "null"]),
    "t": st.just('"2026-01-01T00:00:00.25Z"'),
    "n": st.integers(-(10**6), 10**6).map(lambda number: f'"{number / 1000:.3f}"'),
    "v": st.just("null"),
}
LINES = st.fixed_dictionaries({}, optional=SOUND).map(lambda row: "{" + ",".join(f'"{name}":{text}' for name, text in row.items()) + "}")
MEMBERS = st.tuples(st.sampled_from([*COLUMNS, "v", "x", "\\u0061"]), VALUES).map(lambda pair: f'"{pair[0]}":{pair[1]}')
ANY = st.lists(MEMBERS, max_size=3).map(lambda members: "{" + ", ".join(members) + "}") | st.sampled_from(
    ["", "[]", "{}{}", '{"a":1', "1}"]
)
BLOCKS = st.tuples(st.lists(LINES, max_size=3), st.lists(ANY, max_size=1)).map(
    lambda lines: "".join(line + "\n" for line in (*lines[0], *lines[1])).encode(errors="surrogatepass")
)


@given(block=BLOCKS)
@example(block=b'{"b":NaN}\n')
@example(block=b'{"c":"\xff"}\n')
@example(block=b'{"a":1,"a":2}\n')
@example(block=b'{"a":1}\n\n{"a":2}\n')
@example(block=b'{"a":1}{"a":2}\n')
@example(block=b'{"b":9007199254740993}\n')
def test_arrow_reads_what_the_other_reader_reads_or_nothing(block: bytes) -> None:
    """Whatever stands in a block: where Arrow's reader answers, it is with the very rows that the other one makes."""
    try:
        swift = READER._by_arrow(block)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - whichever it is, the block is then read line by line
            READER._columns(block)
        return

    if swift is not None:
        assert swift.equals(READER._columns(block), check_metadata=True)


def test_plain_lines_are_read_by_arrow() -> None:
    """Lines with the known columns, in any order, with values left out and names that are expected to be null, take the fast way."""
    block = b'{"a":1,"b":0.5,"c":"x","d":true,"t":"2026-01-01T00:00:00Z","n":"1.250","v":null}\n{"c":"\\u00e9","a":null}\r\n{}\n'

    swift = READER._by_arrow(block.replace(b"\r", b""))

    assert swift is not None
    assert swift.equals(READER._columns(block.replace(b"\r", b"")), check_metadata=True)
