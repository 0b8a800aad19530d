"""The gate against servers that count: state machines over servers, latencies, faults and workers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from penstock.reliability.gate import GateSettings, Permit, Verdict
from penstock.reliability.headers import RateFacts

from .traffic import Counted, Delivered, FixedWindow, Server, SlidingWindow, Traffic

ROUNDINGS: dict[str, Callable[[float], float]] = {"down": math.floor, "up": math.ceil, "not": float}
FIRST_PAUSE_S = GateSettings().first_pause_s
CAP_PAUSE_S = GateSettings().cap_pause_s

limits = st.integers(1, 30)
windows = st.sampled_from([1.0, 10.0, 60.0, 300.0])
servers = st.builds(FixedWindow, limits, windows, st.booleans()) | st.builds(SlidingWindow, limits, windows, st.booleans())
latencies = st.sampled_from([0.0, 0.1, 1.0, 7.0, 40.0])


def truthful(rounding: str) -> Callable[[Counted], RateFacts]:
    """State what was counted; whole seconds as servers round them."""
    return lambda counted: RateFacts(remaining=counted.remaining, reset_s=ROUNDINGS[rounding](counted.reset_s))


class TruthfulServer(RuleBasedStateMachine):
    """Many workers, a server whose headers are true, requests that fail on the way: nothing is ever refused, and all are served."""

    traffic: Traffic

    @initialize(
        server=servers,
        rounding=st.sampled_from(sorted(ROUNDINGS)),
        seed=st.integers(0, 2**32),
        latency_s=latencies,
        faults=st.sampled_from([0.0, 0.05]),
    )
    def begin(self, server: Server, rounding: str, seed: int, latency_s: float, faults: float) -> None:
        """A server, its way to state what it counts, a network."""
        self.traffic = Traffic(server, truthful(rounding), seed, latency_s, faults)

    @rule(count=st.integers(1, 60))
    def submit(self, count: int) -> None:
        """Workers arrive."""
        self.traffic.submit(count)

    @rule(windows=st.floats(0, 2), latencies=st.floats(0, 3))
    def run(self, windows: float, latencies: float) -> None:
        """Time passes."""
        self.traffic.run(windows * self.traffic.server.window_s + latencies * self.traffic.latency_s)

    @invariant()
    def nothing_was_refused(self) -> None:
        """No 429 at all."""
        assert self.traffic.refused == 0

    @invariant()
    def no_permit_leaks(self) -> None:
        """The gate knows exactly the requests that are out."""
        assert self.traffic.gate.in_flight == len(self.traffic.out)

    def teardown(self) -> None:
        """Everyone is served in the end."""
        if hasattr(self, "traffic"):
            finish(self.traffic)
            self.nothing_was_refused()
            self.no_permit_leaks()


class HiddenBudget(RuleBasedStateMachine):
    """A budget that shows only in refusals, or is shared with other clients: after a 429 nobody starts early, and one goes alone."""

    traffic: Traffic

    @initialize(
        server=servers, states=st.sampled_from(["nothing", "retry-after", "reset", "all"]), seed=st.integers(0, 2**32), latency_s=latencies
    )
    def begin(self, server: Server, states: str, seed: int, latency_s: float) -> None:
        """A server, its way to state what it counts, a network."""
        self.traffic = Traffic(server, stating(states), seed, latency_s, faults=0.02, on_start=self.check_start, on_answer=self.follow)
        self.opens_at = -math.inf
        self.closed_with = 0
        self.out_since: set[int] = set()
        self.served_since = math.inf

    def check_start(self, permit: Permit, now: float) -> None:
        """Nobody before the stated moment, and no more at a time than the answers since the closing, plus one."""
        self.out_since.add(permit.number)
        assert now >= self.opens_at
        assert len(self.out_since) <= 1 + self.served_since

    def follow(self, permit: Permit, now: float, delivered: Delivered) -> None:
        """Keep the books of the rule, by its own words: who answers a request from before the closing counts for nothing."""
        self.out_since.discard(permit.number)
        current = permit.number > self.closed_with
        if delivered.verdict is Verdict.SERVED and current:
            self.served_since += 1
        facts = delivered.facts
        if delivered.verdict is Verdict.THROTTLED and (current or facts != RateFacts()):
            stated = facts.reset_s if facts.retry_after_s is None else facts.retry_after_s
            self.opens_at = max(self.opens_at, now + (stated or 0.0), now + FIRST_PAUSE_S if current else -math.inf)
            self.closed_with = self.traffic.gate._started
            self.out_since.clear()
            self.served_since = 0

    @rule(count=st.integers(1, 60))
    def submit(self, count: int) -> None:
        """Workers arrive."""
        self.traffic.submit(count)

    @rule(windows=st.floats(0, 2), latencies=st.floats(0, 3))
    def run(self, windows: float, latencies: float) -> None:
        """Time passes."""
        self.traffic.run(windows * self.traffic.server.window_s + latencies * self.traffic.latency_s)

    @rule(count=st.integers(1, 20))
    def another_client_takes(self, count: int) -> None:
        """The budget is shared with somebody whom the gate does not see."""
        for _ in range(count):
            self.traffic.server.count(self.traffic.now)

    @invariant()
    def no_permit_leaks(self) -> None:
        """The gate knows exactly the requests that are out."""
        assert self.traffic.gate.in_flight == len(self.traffic.out)

    def teardown(self) -> None:
        """Everyone is served in the end."""
        if hasattr(self, "traffic"):
            finish(self.traffic)
            self.no_permit_leaks()


def stating(what: str) -> Callable[[Counted], RateFacts]:
    """Servers that state nothing, only a Retry-After or a reset when they refuse, or everything always."""

    def state(counted: Counted) -> RateFacts:
        wait_s = math.ceil(counted.reset_s)
        if what == "all":
            return RateFacts(remaining=counted.remaining, reset_s=wait_s, retry_after_s=None if counted.accepted else wait_s)
        if what == "nothing" or counted.accepted:
            return RateFacts()
        return RateFacts(retry_after_s=wait_s) if what == "retry-after" else RateFacts(reset_s=wait_s)

    return state


def finish(traffic: Traffic) -> None:
    """Everyone is served in the end: each window, pause included, lets at least one request through."""
    server = traffic.server
    windows = 4 * (traffic.waiting + len(traffic.out) + 2)
    traffic.run_until_idle(within_s=windows * (2 * server.window_s + CAP_PAUSE_S + 10 * traffic.latency_s + 2))


TestTruthfulServer = TruthfulServer.TestCase
TestTruthfulServer.settings = settings(stateful_step_count=20)
TestHiddenBudget = HiddenBudget.TestCase
TestHiddenBudget.settings = settings(stateful_step_count=20)


@pytest.mark.parametrize("server", [FixedWindow(10, 60, gapless=True), FixedWindow(10, 60, gapless=False), SlidingWindow(10, 60, False)])
def test_the_whole_budget_is_used(server: Server) -> None:
    """Caution does not cost budget: with short answers, every window carries as many requests as the server allows."""
    traffic = Traffic(server, truthful("up"), seed=1, latency_s=1.0)

    traffic.submit(100)
    traffic.run_until_idle(within_s=10 * 65)

    assert (traffic.served, traffic.refused) == (100, 0)


def test_a_limit_that_does_not_bind_costs_nothing() -> None:
    """Where the budget is larger than the demand, only the very first request of all goes alone."""
    traffic = Traffic(FixedWindow(1000, 10.0, gapless=True), truthful("up"), seed=1, latency_s=0.4)
    together: list[int] = []
    traffic.on_start = lambda _permit, _now: together.append(traffic.gate.in_flight)

    work(traffic, workers=20, requests=3000)

    assert traffic.refused == 0
    assert together[0] == 1
    assert min(together[100:]) > 1


def test_a_hidden_budget_is_found_and_mostly_used() -> None:
    """200 requests per 5 minutes that no header tells of: 1,000 requests take five windows, and few are refused."""
    traffic = Traffic(FixedWindow(200, 300.0, gapless=False), stating("retry-after"), seed=1, latency_s=6.0)

    work(traffic, workers=20, requests=1000)

    assert traffic.now < 5 * 305
    assert traffic.refused <= 5 * 20


def work(traffic: Traffic, *, workers: int, requests: int) -> None:
    """So many workers send one request after the other until `requests` were served."""
    while traffic.served < requests:
        traffic.submit(workers - traffic.waiting - len(traffic.out))
        traffic.run(0.1)
