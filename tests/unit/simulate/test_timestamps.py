"""Every notation of a timestamp denotes exactly its millisecond."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.simulate.timestamps import EVERY, OBSERVED, wire

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = st.integers(1_000_000_000, 4_102_444_799)
MILLIS = st.lists(
    SECONDS.map(lambda second: second * 1000) | st.builds(lambda second, ms: second * 1000 + ms, SECONDS, st.integers(0, 999))
)


def denoted(written: bytes) -> Decimal:
    """The millisecond that a JSON value of this century denotes: ten digits are seconds, thirteen milliseconds."""
    value = json.loads(written, parse_float=Decimal, parse_int=Decimal)
    if isinstance(value, str) and not value.isdecimal():
        moment = datetime.fromisoformat(value)
        return Decimal(((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // timedelta(milliseconds=1))
    number = Decimal(value)
    return number * 1000 if number < 10**11 else number


@given(ts=MILLIS)
def test_exact(ts: list[int]) -> None:
    """Whatever the millisecond, each notation denotes it and no other."""
    for notation in EVERY:
        written = notation(np.array(ts, np.int64))

        assert [denoted(text) for text in written.to_pylist()] == ts


@given(rows=st.lists(st.tuples(SECONDS, st.integers(0, len(EVERY) - 1)), max_size=20))
def test_mixed(rows: list[tuple[int, int]]) -> None:
    """Mixed in one page, each timestamp keeps its place and its notation."""
    ts = np.array([second * 1000 + 7 for second, _ in rows], np.int64)
    choice = np.array([number for _, number in rows], np.uint8)

    written = wire(ts, choice, EVERY).to_pylist()

    assert written == [EVERY[number](ts[row : row + 1])[0].as_py() for row, number in enumerate(choice)]


@pytest.mark.parametrize(
    ("ts", "written"),
    [
        (
            1_769_541_612_369,
            [
                "1769541612369",
                '"2026-01-27T19:20:12.369Z"',
                '"1769541612369"',
                "1769541612.369",
                '"2026-01-27T19:20:12.369"',
                '"2026-01-27T19:20:12.369+00:00"',
                '"2026-01-28T00:50:12.369+05:30"',
                '"2026-01-27T11:20:12.369-08:00"',
            ],
        ),
        (
            1_769_541_612_000,
            [
                "1769541612000",
                '"2026-01-27T19:20:12Z"',
                '"1769541612000"',
                "1769541612",
                '"2026-01-27T19:20:12.000"',
                '"2026-01-27T19:20:12.000+00:00"',
                '"2026-01-28T00:50:12.000+05:30"',
                '"2026-01-27T11:20:12.000-08:00"',
            ],
        ),
    ],
)
def test_examples(ts: int, written: list[str]) -> None:
    """A whole second is written without a fraction where the notation allows it, any other time with one."""
    assert [notation(np.array([ts]))[0].as_py().decode() for notation in EVERY] == written
    assert len(OBSERVED) == 2
