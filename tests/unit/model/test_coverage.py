"""Coverage, and what is missing of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.coverage import (
    EmptySpan,
    Interval,
    MixedEpochs,
    OverlappingCoverage,
    Position,
    Span,
    in_order,
    missing,
    strand,
)


def place(order: int, resume: bytes = b"", epoch: str = "one") -> Position:
    """A position, clean or inside of an order."""
    return Position(epoch, order.to_bytes(8, "big"), resume)


@st.composite
def stretches(draw: st.DrawFn) -> list[Interval]:
    """A scope cut into stretches that touch, in reading order; some of the seams lie inside of an order, at most one in each."""
    orders = sorted(draw(st.sets(st.integers(0, 50), min_size=2, max_size=12)))
    clean = {orders[0], orders[-1]}
    seams = [place(order, b"" if order in clean else draw(st.sampled_from([b"", b"key"]))) for order in orders]
    return [Interval(start, end) for start, end in pairwise(seams)]


@given(whole=stretches(), data=st.data())
def test_missing_is_the_complement_of_coverage(whole: list[Interval], data: st.DataObject) -> None:
    """Whatever part of a scope is stored, what is missing makes it whole, with no place twice."""
    stored = data.draw(st.permutations(whole)).copy()[: data.draw(st.integers(0, len(whole)))]

    gaps = list(missing(stored, Span(whole[0].start, whole[-1].upto)))

    tiles = in_order([*stored, *(Interval(gap.start, gap.end) for gap in gaps)])
    assert [whole[0].start, *(tile.upto for tile in tiles)] == [*(tile.start for tile in tiles), whole[-1].upto]
    assert all(before.end != after.start for before, after in pairwise(gaps))


@given(whole=stretches(), data=st.data())
def test_stretches_that_share_a_place_are_a_defect(whole: list[Interval], data: st.DataObject) -> None:
    """Coverage of which one part is there twice is not put in order."""
    twice = data.draw(st.sampled_from(whole))

    with pytest.raises(OverlappingCoverage):
        in_order([*whole, twice])


def test_inside_one_order_only_the_same_place_touches() -> None:
    """Two places inside one order cannot be ranked, so a stretch follows another there only where it starts at the same place."""
    first, second = Interval(place(0), place(5, b"a")), Interval(place(5, b"a"), place(9))

    assert in_order([second, first]) == [first, second]
    with pytest.raises(OverlappingCoverage):
        in_order([first, Interval(place(5, b"b"), place(9))])


@pytest.mark.parametrize(
    ("start", "end"),
    [(place(5), place(5)), (place(6), place(5)), (place(5, b"a"), place(5)), (place(5, b"a"), place(5, b"a"))],
)
def test_a_span_has_an_inside(start: Position, end: Position) -> None:
    """A span that ends where it starts, or before, cannot be made."""
    with pytest.raises(EmptySpan):
        Span(start, end)


def test_a_span_may_lie_inside_one_order() -> None:
    """Between two places of one order there may be records; only the source knows."""
    span = Span(place(5, b"a"), place(5, b"b"))

    assert span.start.rank == span.end.rank


def test_a_span_is_of_one_epoch() -> None:
    """Positions of two numberings are never compared."""
    with pytest.raises(MixedEpochs, match="one and two"):
        Span(place(1), place(2, epoch="two"))


def test_a_span_contains_what_lies_within_it() -> None:
    """A span contains itself and what neither begins before it nor ends behind it, in the same epoch."""
    span = Span(place(2), place(7))

    within = [Span(place(low), place(high)) for low, high in [(2, 7), (3, 7), (2, 5), (3, 4)]]
    beyond = [Span(place(1), place(7)), Span(place(2), place(8)), Span(place(3), place(7, b"key"))]
    assert all(span.contains(other) for other in within)
    assert not any(span.contains(other) for other in [*beyond, Span(place(3, epoch="two"), place(4, epoch="two"))])


def test_reading_on_makes_the_stretch_longer_that_ends_there() -> None:
    """A stretch is known by its start, wherever it has got to; reading from anywhere else begins a new one."""
    covered = [Interval(place(0), place(5, b"a")), Interval(place(7), place(9))]

    assert strand(covered, place(5, b"a")) == place(0)
    assert strand(covered, place(5)) == place(5)
    assert strand(covered, place(9)) == place(7)
