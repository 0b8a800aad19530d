"""What stands between reading and writing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Event, Thread

import pytest

from penstock.instruments.feed import Feed


def test_while_one_batch_is_written_the_next_gathers() -> None:
    """The first goes alone, what came while it was written goes together; nothing is lost, doubled or out of order."""
    batches, first, go = list[list[int]](), Event(), Event()

    def deliver(items: Sequence[int]) -> None:
        batches.append([*items])
        first.set()
        go.wait(10)

    with Feed(deliver, 100) as feed:
        feed.put(0)
        first.wait(10)
        for number in range(1, 10):
            feed.put(number)
        go.set()

    assert batches == [[0], [*range(1, 10)]]


def test_who_brings_more_than_can_wait_waits_himself() -> None:
    """Memory is bounded however slow the disk is."""
    batches, go = list[list[int]](), Event()

    def deliver(items: Sequence[int]) -> None:
        go.wait(10)
        batches.append([*items])

    with Feed(deliver, 5) as feed:
        bringing = Thread(target=lambda: deque(map(feed.put, range(1_000))))
        bringing.start()
        bringing.join(0.05)
        assert bringing.is_alive()
        go.set()
        bringing.join(10)

    assert [number for batch in batches for number in batch] == [*range(1_000)]
    assert max(map(len, batches)) <= 5


def test_what_delivering_raises_comes_to_who_brings() -> None:
    """He is told at his next item, also where he waits for room, and again when he leaves."""

    def deliver(_: Sequence[int]) -> None:
        raise OSError("the disk is gone")

    def bring(most: int, items: int) -> None:
        with Feed(deliver, most) as feed:
            for number in range(items):
                feed.put(number)

    with pytest.raises(OSError, match="the disk is gone"):
        bring(1, 1_000)
    with pytest.raises(OSError, match="the disk is gone"):
        bring(10, 1)


def test_it_looks_in_when_nothing_comes() -> None:
    """What waits for its time is looked after."""
    looked = Event()

    with Feed[int](lambda items: None if items else looked.set(), 5, idle_s=0.001):
        assert looked.wait(10)
