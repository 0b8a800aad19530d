"""Cursors: what the API's own look like, what we make, and what we refuse."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.extract.cursor import Cursor, UnreadableCursor, decoded
from penstock.simulate import cursor as simulated
from penstock.simulate.keys import Key

PUBLISHED = "eyJpZCI6ImU2NDRjOWFkLWM3NTItNGVhOC1hMzU5LTMwOGNkZjY5YTZmYyIsInRzIjoxNzY5NTQxMjQ4MzgwLCJ2IjoyLCJleHAiOjE3Njk3MjY2Mzg3ODR9"
A_DAY = 24 * 3_600_000

cursors = st.builds(Cursor, st.uuids().map(str), st.integers(-(2**53), 2**53), exp=st.integers(0, 2**53))


def wrapped(members: object) -> str:
    """Any JSON in the coat of a cursor."""
    return base64.urlsafe_b64encode(json.dumps(members).encode()).decode()


def test_the_published_vector() -> None:
    """The cursor that clients of the API have published is read, member by member."""
    cursor = decoded(PUBLISHED)

    assert cursor == Cursor(id="e644c9ad-c752-4ea8-a359-308cdf69a6fc", ts=1_769_541_248_380, v=2, exp=1_769_726_638_784)
    assert cursor.encoded() == PUBLISHED


@given(cursors)
def test_round_trip(cursor: Cursor) -> None:
    """A cursor that was written reads as itself, with padding, without, and in the other base64 alphabet."""
    text = cursor.encoded()
    padded = text + "=" * (-len(text) % 4)

    read = [decoded(text), decoded(padded), decoded(padded.translate(str.maketrans("-_", "+/")))]

    assert read == [cursor] * 3
    assert "=" not in text


@given(cursors)
def test_the_api_reads_ours(cursor: Cursor) -> None:
    """The simulator, which shares no code with us, finds the place and the expiry that we wrote."""
    found = simulated.decode(cursor.encoded())

    assert found == simulated.Cursor(Key(cursor.ts, UUID(cursor.id).bytes), cursor.exp)


@given(st.integers(-(2**53), 2**53), st.uuids(), st.integers(0, 2**53))
def test_we_read_the_apis(ts: int, identity: UUID, exp: int) -> None:
    """We find what the simulator wrote."""
    text = simulated.Cursor(Key(ts, identity.bytes), exp).encode()

    assert decoded(text) == Cursor(str(identity), ts, exp=exp)


def test_a_made_cursor_stands_above_its_millisecond() -> None:
    """It stands before every event of the millisecond, whatever its id, under either order of ids; only the expiry is ours to choose."""
    above = Cursor.above(5)

    assert (above.ts, UUID(above.id).int) == (6, 0)
    assert above.until(A_DAY) == Cursor(above.id, 6, exp=A_DAY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!!!!",
        "a",
        "ünïcödé",
        "\ud800",
        "!" + wrapped({"id": "x", "ts": 1, "v": 2}),
        wrapped([]),
        wrapped({}),
        wrapped({"id": 1, "ts": 1, "v": 2}),
        wrapped({"id": "", "ts": 1, "v": 2}),
        wrapped({"id": "a\0b", "ts": 1, "v": 2}),
        wrapped({"id": "x", "ts": "1", "v": 2}),
        wrapped({"id": "x", "ts": True, "v": 2}),
        wrapped({"id": "x", "ts": 10**30, "v": 2}),
        wrapped({"id": "x", "ts": -(2**63), "v": 2}),
        wrapped({"id": "x", "ts": 1, "v": 3}),
        base64.urlsafe_b64encode(b'{"id":"\xff","ts":1,"v":2}').decode(),
        base64.urlsafe_b64encode(b'{"id":"x","ts":1,"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}").decode(),
    ],
    ids=lambda text: ascii(text[:40]),
)
def test_garbage(text: str) -> None:
    """What is no cursor of a form we know is refused, never guessed at: not even another version."""
    with pytest.raises(UnreadableCursor):
        decoded(text)


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_nothing_but_unreadable_comes_out(text: str) -> None:
    """Whatever text the API gives for a cursor, reading it ends in a cursor or in `UnreadableCursor`."""
    try:
        cursor = decoded(text)
    except UnreadableCursor:
        return

    assert decoded(cursor.encoded()) == cursor
