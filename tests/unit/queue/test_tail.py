"""The tail of a lane gives back what was appended last, or nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.queue.durable.tail import TAIL_BYTES, Tail
from penstock.queue.log import Entries, Place

BODY = bytes(TAIL_BYTES // 8)


@given(counts=st.lists(st.integers(1, 20), max_size=30))
def test_a_tail_holds_the_newest_stretches(counts: list[int]) -> None:
    """At every offset either exactly what stands there or nothing; all that was added last, up to its size, and never much more."""
    tail, end = Tail(), 0
    epoch = bytes(10)
    for count in counts:
        bodies = [end.to_bytes(4, "big") + bytes([number]) + BODY for number in range(count)]
        tail.add(Entries(Place(0, epoch, end), count, 0, bodies))
        end += count

    found = [tail.read(Place(0, epoch, offset)) for offset in range(end)]
    held = [offset for offset, stretch in enumerate(found) if stretch is not None]

    assert held == list(range(end - len(held), end))
    assert all(stretch.first.offset == offset for offset, stretch in enumerate(found) if stretch is not None)
    assert len(held) <= 16
    if counts and counts[-1] <= 7:
        assert len(held) >= counts[-1]
    assert tail.read(Place(0, epoch, end)) is None
    assert tail.read(Place(0, b"\1" * 10, end - 1)) is None
