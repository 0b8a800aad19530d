"""What was received becomes rows: text as it is, JSON as its members."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.metrics import Counters
from penstock.ports.ends import Surroundings
from penstock.ports.live import NoRow
from penstock.stores.jsonl.entries import JsonEntries, learned, recalled
from penstock.stores.memory import MemoryCheckpoints
from penstock.stores.stdin import SOURCE, NoInput
from penstock.stores.stdin.receiving import Lines
from penstock.stores.stdin.settings import StdinSource
from penstock.stores.stdin.text import NOT_UTF8, TextEntries


@dataclass(frozen=True)
class Load:
    """Records that came together."""

    bodies: Sequence[bytes]
    appended_us: int = 0


AROUND = Surroundings("a pipeline", Path(), MemoryCheckpoints(), Counters.zero())


def test_lines_of_text() -> None:
    """A row is a line without the carriage return at its end, and when it was received; other bytes are no text."""
    rows, bad = TextEntries().decode([Load([b"a\r", b"", b"\xff"], 1_000_000), Load([], 2), Load(["ü".encode()], 2_000_000)])

    first, second = (datetime(1970, 1, 1, 0, 0, second, tzinfo=UTC) for second in (1, 2))
    assert rows.to_pylist() == [{"received_at": at, "line": line} for at, line in ((first, "a"), (first, ""), (second, "ü"))]
    assert bad == [NoRow(2, NOT_UTF8)]
    assert rows.schema.equals(TextEntries().schema, check_metadata=True)


def test_no_lines_of_text() -> None:
    """None are no rows, in the same columns."""
    rows, bad = TextEntries().decode([])

    assert (rows.num_rows, rows.schema, list(bad)) == (0, TextEntries().schema, [])


def json_entries() -> JsonEntries:
    """Of records with a number."""
    found = learned([b'{"n": 1}'], {})
    assert found is not None
    return found


GOOD = {b'{"n": 1}': 1, b' {"n":\n2} ': 2, b'{"n": null}': None}
RECORDS = st.sampled_from([*GOOD, b"", b" \r\n ", b"no", b"null", b'{"n": 3}{"n": 4}', b"\xff", b"[]"])


@given(st.lists(st.lists(RECORDS, max_size=4), max_size=4))
def test_each_record_is_one_row_or_none(loads: list[list[bytes]]) -> None:
    """Whatever the shape of records and however they came together: one row for each that is an object, in their order."""
    rows, bad = json_entries().decode([Load(one) for one in loads])

    records = [record for one in loads for record in one]
    assert [row["n"] for row in rows.to_pylist()] == [GOOD[record] for record in records if record in GOOD]
    assert [one.number for one in bad] == [number for number, record in enumerate(records) if record not in GOOD]


def test_a_decoder_is_made_again() -> None:
    """Out of what was frozen comes one with the same columns, those that were only ever null included."""
    found = learned([b'{"n": 1, "later": null}'], {"at": "timestamp"})
    assert found is not None

    again = recalled(found.facts)

    assert again.schema == found.schema
    assert again.decoder.void == {"later"}


def test_nothing_tells_no_columns() -> None:
    """Without a record there are those that are stated, or no decoder."""
    assert SOURCE.learned(StdinSource(), []) is None
    stated = SOURCE.learned(StdinSource(columns={"n": "int64"}), [])
    assert stated is not None
    assert stated.schema.names == ["n"]


def test_text_has_nothing_to_learn() -> None:
    """Its columns are always the same."""
    text = StdinSource(format="text")

    assert (SOURCE.learns(text), SOURCE.learns(StdinSource())) == (False, True)
    assert SOURCE.recalled(text, {}) == TextEntries()


def test_standard_input_is_received() -> None:
    """The end of a pipeline file is what reads from descriptor 0."""
    receiver = SOURCE.receiver(StdinSource(), AROUND)

    assert isinstance(receiver, Lines)
    assert receiver.descriptor == 0
    assert SOURCE.identity(StdinSource(), AROUND) == "lines of standard input"


def test_standard_input_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is told before anything begins: its number may be another file's by then."""
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(NoInput):
        SOURCE.receiver(StdinSource(), AROUND)
