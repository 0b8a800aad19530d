"""The limit on requests in flight, against servers of several kinds; discrete events on a simulated clock."""

from __future__ import annotations

import heapq
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.reliability.climb import Climb, ClimbSettings

Law = Callable[[int], float]
"""Seconds that an answer takes with so many requests in flight, itself included."""


def published(in_flight: int) -> float:
    """5 + 0.95 n seconds: each further request still brings something, until the end."""
    return 5 + 0.95 * in_flight


def flat(in_flight: int) -> float:
    """A second, however many there are: a server that scales."""
    del in_flight
    return 1.0


def saturated(in_flight: int) -> float:
    """A server that does four a second, and no more."""
    return max(1.0, in_flight / 4)


def thrashing(in_flight: int) -> float:
    """A server that gets in its own way beyond twelve."""
    return published(in_flight) + max(0, in_flight - 12) ** 2


@dataclass
class Crowd:
    """As many workers as the limit allows, up to `workers`, who send one request after the other, and pause between them."""

    law: Law
    climb: Climb = field(default_factory=Climb)
    workers: int = 40
    pause_s: float = 0.0
    noise: float = 0.0
    now: float = 0.0
    served: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(1)
        self.numbers = 0
        self.limits: list[tuple[float, int]] = []
        self._events: list[tuple[float, int, bool]] = []
        self._ready = self.workers

    def run(self, seconds: float) -> float:
        """Let time pass; what was served per second of it."""
        until, before = self.now + seconds, self.served
        self._start()
        while self._events and self._events[0][0] <= until:
            self.now, number, ends = heapq.heappop(self._events)
            if ends:
                self.climb.finish(number, self.now, 1)
                self.served += 1
                heapq.heappush(self._events, (self.now + self.pause_s, number, False))
            else:
                self._ready += 1
            self.limits.append((self.now, self.climb.limit))
            self._start()
        self.now = until
        return (self.served - before) / seconds

    def _start(self) -> None:
        while self._ready and self.climb.has_room:
            self._ready -= 1
            self.numbers += 1
            self.climb.start(self.numbers, self.now)
            seconds = self.law(self.climb.in_flight) * self.random.uniform(1 - self.noise, 1 + self.noise)
            heapq.heappush(self._events, (self.now + seconds, self.numbers, True))


def best(law: Law) -> float:
    """What the best fixed number up to 40 serves per second."""
    return max(number / law(number) for number in range(1, 41))


CASES = [(law, start) for law in (published, flat, saturated) for start in (1, 8, 20, 40)] + [(thrashing, 1), (thrashing, 8)]


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize(("law", "start"), CASES, ids=lambda one: getattr(one, "__name__", str(one)))
def test_it_serves_nearly_as_much_as_the_best_fixed_number(law: Law, start: int, noise: float) -> None:
    """Without being told, and wherever it starts, it comes within a twentieth of the best number for a server."""
    crowd = Crowd(law, Climb(ClimbSettings(start=start)), noise=noise)

    crowd.run(100 * law(8))

    assert crowd.run(400 * law(8)) >= 0.95 * best(law)


def test_it_climbs_fast() -> None:
    """From eight to forty in three steps: within ten round trips of the slowest."""
    crowd = Crowd(published)

    crowd.run(10 * published(40))

    assert crowd.served >= 0.9 * 10 * published(40) * best(published)


def test_latency_alone_does_not_shrink_it() -> None:
    """A server that answers eight times as slowly to ten times as many still gets them all: they are served faster."""
    crowd = Crowd(published, Climb(ClimbSettings(start=4)))

    crowd.run(1_000)

    assert crowd.climb.limit >= 30


def test_it_does_not_grow_where_something_else_is_slow() -> None:
    """Workers that pause four times as long as a request takes do not get more requests, however few there are in flight."""
    crowd = Crowd(flat, Climb(ClimbSettings(start=8)), workers=8, pause_s=4.0)

    crowd.run(1_000)

    assert {limit for _, limit in crowd.limits} == {8}


def test_a_limit_that_is_pinned_stays() -> None:
    """Neither goodput nor refusals move it."""
    crowd = Crowd(flat, Climb(ClimbSettings.pinned(7)))

    crowd.run(100)
    crowd.climb.refuse(crowd.numbers)

    assert {limit for _, limit in crowd.limits} == {7}
    assert crowd.climb.limit == 7


def test_a_server_that_changes_is_followed() -> None:
    """Where more requests begin to hurt after a while, there are fewer of them before long."""
    crowd = Crowd(published)
    crowd.run(1_000)

    crowd.law = thrashing
    crowd.run(20_000)

    assert statistics.mean(limit for at, limit in crowd.limits if at > 15_000) == pytest.approx(12, abs=2)


def test_requests_refused_together_count_once() -> None:
    """Twenty refusals of requests that were out together take the limit down by one step; the next one by another."""
    climb = Climb(ClimbSettings(start=20))
    for number in range(1, 21):
        climb.start(number, 0.0)

    for number in range(1, 21):
        climb.refuse(number)
        climb.finish(number, 1.0, 0)
    once = climb.limit
    climb.start(21, 2.0)
    climb.refuse(21)

    assert (once, climb.limit) == (14, 9)


class AnyServer(RuleBasedStateMachine):
    """Whatever a server does, the limit stays within its bounds, and nobody is kept out where there is room."""

    @initialize(start=st.integers(1, 50), least=st.integers(1, 5), more=st.integers(0, 40), window_s=st.sampled_from([0.0, 1.0]))
    def begin(self, start: int, least: int, more: int, window_s: float) -> None:
        """Nothing is out."""
        self.settings = ClimbSettings(start, least, least + more, window_s)
        self.climb, self.now, self.numbers = Climb(self.settings), 0.0, 0
        self.out: list[int] = []

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(count=st.integers(1, 50))
    def start(self, count: int) -> None:
        """Workers send requests, as many as there is room for."""
        for _ in range(count):
            if self.climb.has_room:
                self.numbers += 1
                self.out.append(self.numbers)
                self.climb.start(self.numbers, self.now)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), served=st.integers(0, 5_000), refused=st.booleans())
    def finish(self, data: st.DataObject, served: int, refused: bool) -> None:  # noqa: FBT001 - what is drawn
        """One of the requests is answered."""
        number = data.draw(st.sampled_from(self.out))
        self.out.remove(number)
        before = self.climb.limit
        if refused:
            self.climb.refuse(number)
            assert self.climb.limit <= before
        self.climb.finish(number, self.now, served)
        assert self.climb.limit <= 2 * before

    @precondition(lambda self: self.out)
    @rule(served=st.integers(0, 5_000), seconds=st.floats(0, 10))
    def finish_all(self, served: int, seconds: float) -> None:
        """A burst of answers."""
        for number in self.out:
            self.now += seconds
            self.climb.finish(number, self.now, served)
        self.out.clear()

    @invariant()
    def the_limit_is_within_bounds(self) -> None:
        """Also at the beginning, and whatever was asked for."""
        if hasattr(self, "climb"):
            assert self.settings.least <= self.climb.limit <= self.settings.most

    @invariant()
    def what_is_out_is_counted(self) -> None:
        """There is room exactly where fewer are out than the limit."""
        if hasattr(self, "climb"):
            assert self.climb.in_flight == len(self.out)
            assert self.climb.has_room == (len(self.out) < self.climb.limit)


TestAnyServer = AnyServer.TestCase
TestAnyServer.settings = settings(stateful_step_count=60)
