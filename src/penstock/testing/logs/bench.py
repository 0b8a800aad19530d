"""How a log comes to be tested, and what its tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

import pytest

from penstock.queue.log import Entries, Log, LogFull, LogSettings, Place

WAIT_S = 30.0
SETTINGS = LogSettings(lanes=3, max_bytes=1 << 18, min_free_bytes=0, segment_bytes=8_192)


class Hand:
    """A clock that is set by hand, in microseconds since 1970."""

    def __init__(self) -> None:
        self.now_us = 1_800_000_000_000_000

    def __call__(self) -> int:
        """The time."""
        return self.now_us


class LogBench(Protocol):
    """How to come by the log to be tested."""

    def open(self, settings: LogSettings, clock_us: Callable[[], int]) -> Log:
        """The log: an empty one the first time, and then, for a durable one that was closed, the same again."""
        ...


def start(log: Log, lane: int) -> Place:
    """The first place of a lane."""
    return log.kept()[lane].first


def stretches(log: Log, place: Place, max_bytes: int = 1 << 16) -> Iterator[Entries]:
    """All from a place on, in as many reads as it takes."""
    while found := log.read(place, max_bytes):
        yield from found
        place = found[-1].end


def bodies(log: Log, lane: int, max_bytes: int = 1 << 16) -> list[bytes]:
    """All entries that are kept of a lane."""
    return [body for stretch in stretches(log, start(log, lane), max_bytes) for body in stretch.bodies]


def numbers(low: int, high: int) -> list[bytes]:
    """Entries that can be told apart."""
    return [b"entry %06d" % number for number in range(low, high)]


def fill(log: Log, lane: int = 0) -> int:
    """Append until there is no room; how many entries that were."""
    filled = 0
    with suppress(LogFull):
        while True:
            log.append(lane, numbers(filled, filled + 300)).result(WAIT_S)
            filled += 300
    return filled


class LogFixtures:
    """Subclass it with a `bench`."""

    @pytest.fixture
    def bench(self) -> LogBench:
        """The bench of one test."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Hand:
        """The time, as the log sees it."""
        return Hand()

    @pytest.fixture
    def log(self, bench: LogBench, clock: Hand) -> Iterator[Log]:
        """An empty log."""
        log = bench.open(SETTINGS, clock)
        yield log
        log.close()
