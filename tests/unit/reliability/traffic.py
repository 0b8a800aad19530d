"""Simulated servers that limit rates, and workers that reach them through a gate; discrete events on a simulated clock."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from penstock.reliability.gate import Gate, Permit, Verdict, Wait
from penstock.reliability.headers import RateFacts


@dataclass(frozen=True)
class Counted:
    """What a server found when it counted a request: `reset_s` until (more) places are free again."""

    accepted: bool
    remaining: int
    reset_s: float


class Server(Protocol):
    """Counts requests as they arrive, in the order of time."""

    limit: int
    window_s: float

    def count(self, now: float) -> Counted:
        """A request arrives."""
        ...


@dataclass
class FixedWindow:
    """`limit` requests per window; windows follow each other without a gap, or the next begins with a request."""

    limit: int
    window_s: float
    gapless: bool
    ends: float = -math.inf
    used: int = 0

    def count(self, now: float) -> Counted:
        """A request arrives."""
        if now >= self.ends:
            self.ends = (now // self.window_s + 1) * self.window_s if self.gapless else now + self.window_s
            self.used = 0
        accepted = self.used < self.limit
        self.used += accepted
        return Counted(accepted, self.limit - self.used, self.ends - now)


@dataclass
class SlidingWindow:
    """`limit` requests in any `window_s`; reset tells when the first place becomes free, or when all are."""

    limit: int
    window_s: float
    reset_tells_all: bool
    times: deque[float] = field(default_factory=deque)

    def count(self, now: float) -> Counted:
        """A request arrives."""
        while self.times and self.times[0] + self.window_s <= now:
            self.times.popleft()
        accepted = len(self.times) < self.limit
        if accepted:
            self.times.append(now)
        told = self.times[-1 if self.reset_tells_all else 0]
        return Counted(accepted, self.limit - len(self.times), told + self.window_s - now)


@dataclass(frozen=True)
class Delivered:
    """What comes back to the worker."""

    verdict: Verdict
    facts: RateFacts


@dataclass
class Traffic:
    """Workers in a queue, the gate, a network with latency and losses, a server."""

    server: Server
    state: Callable[[Counted], RateFacts]
    seed: int
    latency_s: float
    faults: float = 0.0
    gate: Gate = field(default_factory=Gate)
    on_start: Callable[[Permit, float], None] = lambda _permit, _now: None
    on_answer: Callable[[Permit, float, Delivered], None] = lambda _permit, _now, _delivered: None

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.now = 0.0
        self.waiting = 0
        self.served = 0
        self.refused = 0
        self.out: set[Permit] = set()
        self._lost_after_counting: dict[float, int] = {}
        self._wake = math.inf
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = 0

    def submit(self, count: int) -> None:
        """So many workers want to send one request each."""
        self.waiting += count
        self._pump()

    def run(self, seconds: float) -> None:
        """Let the clock run."""
        until = self.now + seconds
        while (at := min(self._wake, self._events[0][0] if self._events else math.inf)) <= until:
            self._step(at)
        self.now = until

    def run_until_idle(self, *, within_s: float) -> None:
        """Let the clock run until every request was served; fails where that takes longer than `within_s`."""
        until = self.now + within_s
        while self.waiting or self.out:
            at = min(self._wake, self._events[0][0] if self._events else math.inf)
            assert at <= until, f"{self.waiting} waiting and {len(self.out)} out: the gate did not open again in time"
            self._step(at)

    def _step(self, at: float) -> None:
        self.now = max(at, self.now)
        if self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
        self._pump()

    def _pump(self) -> None:
        self._wake = math.inf
        while self.waiting:
            answer = self.gate.ask(self.now)
            if isinstance(answer, Wait):
                if answer.seconds is not None:
                    self._wake = max(self.now + answer.seconds, math.nextafter(self.now, math.inf))
                return
            self.waiting -= 1
            self.out.add(answer)
            self.on_start(answer, self.now)
            self._later(partial(self._arrive, answer))

    def _arrive(self, permit: Permit) -> None:
        self._later(partial(self._answer, permit, self._deliver()))

    def _deliver(self) -> Delivered:
        """What comes back: some requests break before they are counted, some are answered by trouble, some answers get lost."""
        fate = self.rng.random()
        if fate < self.faults:
            return Delivered(Verdict.FAILED, RateFacts())
        counted = self.server.count(self.now)
        facts = self.state(counted)
        if not counted.accepted:
            self.refused += 1
            return Delivered(Verdict.THROTTLED, facts)
        if fate < 2 * self.faults:
            return Delivered(Verdict.FAILED, facts)
        if fate < 3 * self.faults and self._may_lose(counted):
            return Delivered(Verdict.FAILED, RateFacts())
        return Delivered(Verdict.SERVED, facts)

    def _may_lose(self, counted: Counted) -> bool:
        """Whether the answer to a counted request may get lost without the gate having to guess wrong about the budget.

        A request that goes alone to ask and whose answer is lost may have taken the last place; no client can know.
        """
        if not isinstance(self.server, FixedWindow):
            return False
        window = round(self.now + counted.reset_s, 3)
        self._lost_after_counting[window] = self._lost_after_counting.get(window, 0) + 1
        return self._lost_after_counting[window] < self.server.limit

    def _answer(self, permit: Permit, delivered: Delivered) -> None:
        self.out.remove(permit)
        self.gate.finish(permit, self.now, delivered.verdict, delivered.facts)
        self.on_answer(permit, self.now, delivered)
        if delivered.verdict is Verdict.SERVED:
            self.served += 1
        else:
            self.waiting += 1

    def _later(self, action: Callable[[], None]) -> None:
        straggles = self.rng.random() < 0.1
        seconds = self.rng.uniform(0, self.latency_s) * (5 if straggles else 1)
        self._numbers += 1
        heapq.heappush(self._events, (self.now + seconds, self._numbers, action))
