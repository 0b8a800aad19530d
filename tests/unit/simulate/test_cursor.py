"""Cursors: the published vector, and everything that is not one."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.simulate.cursor import BadCursor, Cursor, decode
from penstock.simulate.keys import Key

PUBLISHED = "eyJpZCI6ImU2NDRjOWFkLWM3NTItNGVhOC1hMzU5LTMwOGNkZjY5YTZmYyIsInRzIjoxNzY5NTQxMjQ4MzgwLCJ2IjoyLCJleHAiOjE3Njk3MjY2Mzg3ODR9"
MEANING = Cursor(Key(1_769_541_248_380, UUID("e644c9ad-c752-4ea8-a359-308cdf69a6fc").bytes), 1_769_726_638_784)


def test_published_vector() -> None:
    """The cursor that was published decodes to its row, and encodes to the same text again."""
    cursor = decode(PUBLISHED)

    assert cursor == MEANING
    assert cursor.encode() == PUBLISHED


@given(identity=st.uuids(), ts=st.integers(-(2**70), 2**70), exp=st.integers(0, 2**60))
def test_round_trip(identity: UUID, ts: int, exp: int) -> None:
    """Whatever a cursor names, decoding what it encodes to gives it back, padded or not."""
    cursor = Cursor(Key(ts, identity.bytes), exp)

    text = cursor.encode()

    assert decode(text) == decode(text + "=" * (-len(text) % 4)) == cursor


@pytest.mark.parametrize(
    "fields",
    [
        {"ts": 1, "v": 2, "exp": 1},
        {"id": "no uuid", "ts": 1, "v": 2, "exp": 1},
        {"id": 7, "ts": 1, "v": 2, "exp": 1},
        {"id": str(UUID(int=1)), "ts": "1", "v": 2, "exp": 1},
        {"id": str(UUID(int=1)), "ts": True, "v": 2, "exp": 1},
        {"id": str(UUID(int=1)), "ts": 1, "v": 1, "exp": 1},
        {"id": str(UUID(int=1)), "ts": 1, "v": 2, "exp": None},
        [],
        3,
    ],
)
def test_other_json(fields: object) -> None:
    """JSON that is not exactly a cursor of this version is refused."""
    text = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    with pytest.raises(BadCursor):
        decode(text)


@pytest.mark.parametrize("text", ["garbage", "!!!!", "é", PUBLISHED[:-9], "A"])
def test_other_text(text: str) -> None:
    """Text that is no base64 of JSON is refused."""
    with pytest.raises(BadCursor):
        decode(text)
