"""Frontiers in the API as positions of the engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.extract.cursor import Cursor
from penstock.extract.keys import OLDEST, Frontier

times = st.integers(OLDEST, 2**62)
frontiers = st.builds(Frontier, times, st.text(st.characters(blacklist_categories=["Cs"])))


@given(frontiers, st.text())
def test_round_trip(frontier: Frontier, epoch: str) -> None:
    """A frontier that became a position is found again in it, and the position names the epoch."""
    position = frontier.position(epoch)

    assert Frontier.of(position) == frontier
    assert position.epoch == epoch


@given(times, times)
def test_order_grows_as_reading_goes_on(one: int, other: int) -> None:
    """The older frontier has the greater order, byte by byte; all orders are of one length."""
    orders = [Frontier(ts).position("e").order for ts in (one, other)]

    assert (orders[0] < orders[1]) == (one > other)
    assert len(orders[0]) == len(orders[1])


@given(times.filter(lambda ts: ts > OLDEST), st.uuids().map(str))
def test_inside_a_millisecond(ts: int, identity: str) -> None:
    """A place inside a millisecond lies between what is newer than that and what is older."""
    above, inside, below = (frontier.position("e").rank for frontier in (Frontier(ts), Frontier(ts, identity), Frontier(ts - 1)))

    assert above < inside < below


@pytest.mark.parametrize(
    ("frontier", "cursor", "text"), [(Frontier(5), Cursor.above(5), "5"), (Frontier(5, "an id"), Cursor("an id", 5), "5 an id")]
)
def test_where_the_api_goes_on(frontier: Frontier, cursor: Cursor, text: str) -> None:
    """Above a millisecond a cursor is made, inside of it the server's own id says where."""
    assert frontier.cursor() == cursor
    assert str(frontier) == text
