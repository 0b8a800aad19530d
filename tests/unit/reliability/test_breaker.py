"""The circuit breaker, against a model of it and as document 001 draws it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from penstock import instruments
from penstock.instruments.config import CircuitBreakerSettings
from penstock.model.errors import Misconfigured, PenstockError, Refused, Throttled, Transient, TryLater
from penstock.reliability.breaker import Breaker
from penstock.reliability.breakers import Breakers, NoSuchBreaker, OtherSettings
from penstock.reliability.circuit import BreakerSettings, BreakerState, Call, Outcome, Transition, outcome_of
from penstock.reliability.gate import Wait

CLOSED, OPEN, HALF_OPEN, ISOLATED = BreakerState
SMALL = BreakerSettings(
    failures=3, successes=2, open_s=10, growth=3, cap_open_s=50, jitter=0.5, probes=2,
    window_calls=6, window_s=20, minimum_calls=4, failure_rate=0.5, slow_rate=0.75, slow_s=5,
)  # fmt: skip


@dataclass
class Bench:
    """A breaker and its clock."""

    settings: BreakerSettings = field(default_factory=BreakerSettings)
    rand: float = 0.0
    now: float = 1000.0
    told: list[Transition] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker("ecu", self.settings, lambda: self.rand, self.told.append)

    def call(self, outcome: Outcome = Outcome.FAILED, seconds: float = 0.0) -> bool:
        """One call that ends at once or after some seconds; whether it was let through."""
        call = self.breaker.ask(self.now)
        if isinstance(call, Wait):
            return False
        self.now += seconds
        self.breaker.finish(call, self.now, outcome)
        return True

    def calls(self, outcomes: str) -> list[bool]:
        """Several: `f` fails, `s` succeeds, `n` says nothing."""
        kinds = {"f": Outcome.FAILED, "s": Outcome.SUCCEEDED, "n": Outcome.NEITHER}
        return [self.call(kinds[one]) for one in outcomes]

    @property
    def state(self) -> BreakerState:
        """Of the breaker."""
        return self.breaker.state


def test_it_does_as_document_001_draws_it() -> None:
    """Five failures open it, 60 s later calls may try, two successes close it, one failure opens it again."""
    bench = Bench()

    assert bench.calls("fffff") == [True] * 5
    assert (bench.state, bench.call()) == (OPEN, False)
    bench.now += 59.9
    assert not bench.call()
    bench.now += 0.2
    assert bench.calls("s") == [True]
    assert bench.state is HALF_OPEN
    bench.calls("s")
    assert bench.state is CLOSED
    bench.calls("fffff")
    bench.now += 60
    bench.calls("sf")
    assert bench.state is OPEN


def test_a_success_ends_the_row() -> None:
    """Four failures, a success and four failures are no five in a row."""
    bench = Bench()

    bench.calls("ffffsffff")

    assert bench.state is CLOSED
    assert bench.breaker.status(bench.now).in_a_row == 4


def test_what_is_nobodys_failure_counts_for_nothing() -> None:
    """Throttling, refused records and calls that were broken off neither open nor close it, and do not end a row of failures."""
    bench = Bench()

    bench.calls("ffffnnnnnn")
    assert bench.state is CLOSED
    bench.calls("f")
    assert bench.state is OPEN
    bench.now += 60
    bench.calls("nnnnn")
    assert bench.state is HALF_OPEN


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.SUCCEEDED),
        (OSError(), Outcome.FAILED),
        (ValueError(), Outcome.FAILED),
        (Transient(), Outcome.FAILED),
        (Throttled(delay_s=1), Outcome.NEITHER),
        (Refused(), Outcome.NEITHER),
        (TryLater(), Outcome.NEITHER),
        (Misconfigured(), Outcome.NEITHER),
        (PenstockError(), Outcome.NEITHER),
        (KeyboardInterrupt(), Outcome.NEITHER),
    ],
)
def test_how_errors_are_taken(error: BaseException | None, outcome: Outcome) -> None:
    """A failure is what is neither throttling nor a bad record, nor ours, nor a call that was broken off."""
    assert outcome_of(error) is outcome


def test_half_of_the_window_opens_it() -> None:
    """Failures that never come five in a row open it once they are half of twenty calls, and not before."""
    bench = Bench()

    bench.calls("ffss" * 4 + "ffs")
    assert bench.state is CLOSED
    bench.calls("s")

    assert (bench.state, bench.told[-1].reason) == (OPEN, "10 of the last 20 calls failed")


def test_old_calls_leave_the_window() -> None:
    """What ended longer ago than the window says counts no more."""
    bench = Bench(BreakerSettings(failures=99, window_calls=10, minimum_calls=4, window_s=30))
    bench.calls("sff")
    bench.now += 31

    bench.calls("fss")
    assert bench.state is CLOSED

    bench.calls("f")
    assert bench.state is OPEN


def test_slow_answers_open_it_and_keep_it_open() -> None:
    """Answers that come, but too late, are as bad as none."""
    bench = Bench(BreakerSettings(window_calls=4, minimum_calls=4, slow_s=2))

    for _ in range(4):
        bench.call(Outcome.SUCCEEDED, seconds=2.5)
    assert (bench.state, bench.told[-1].reason) == (OPEN, "4 of the last 4 calls took longer than 2 s")
    bench.now += 60
    bench.call(Outcome.SUCCEEDED, seconds=2.5)

    assert (bench.state, bench.told[-1].reason) == (OPEN, "it still takes longer than 2 s")


def test_only_so_many_probes_at_once() -> None:
    """Half open, three calls may be out; the next waits for one of them, and not for ever."""
    bench = Bench()
    bench.calls("fffff")
    bench.now += 60

    probes = [bench.breaker.ask(bench.now) for _ in range(5)]

    assert [type(probe) for probe in probes] == [Call, Call, Call, Wait, Wait]
    assert probes[3] == Wait(60.0)
    assert isinstance(probes[0], Call)
    bench.breaker.finish(probes[0], bench.now, Outcome.NEITHER)
    assert isinstance(bench.breaker.ask(bench.now), Call)


def test_probes_that_never_come_back_do_not_hold_it() -> None:
    """When all places have been taken for as long as it was open, they count as failed, and it tries again later."""
    bench = Bench()
    bench.calls("fffff")
    bench.now += 60
    lost = [bench.breaker.ask(bench.now) for _ in range(3)]

    bench.now += 60
    assert bench.breaker.ask(bench.now) == Wait(120.0)
    bench.now += 120
    assert bench.call(Outcome.SUCCEEDED)
    assert isinstance(lost[0], Call)
    bench.breaker.finish(lost[0], bench.now, Outcome.FAILED)

    assert bench.state is HALF_OPEN


def test_it_stays_open_longer_each_time_up_to_the_cap() -> None:
    """60, 120, 240, 480, 600, 600 s and a random tenth more; after it has closed, 60 s again."""
    bench = Bench(rand=0.5)
    bench.calls("fffff")
    stays = [bench.breaker.status(bench.now).lets_in_s]
    for _ in range(5):
        bench.now += stays[-1] or 0.0
        bench.calls("f")
        stays.append(bench.breaker.status(bench.now).lets_in_s)

    assert stays == pytest.approx([60 * 1.05, 120 * 1.05, 240 * 1.05, 480 * 1.05, 600 * 1.05, 600 * 1.05])
    bench.now += 700
    bench.calls("ssfffff")
    assert bench.breaker.status(bench.now).lets_in_s == pytest.approx(63)


def test_isolated_by_hand() -> None:
    """Nothing goes through, however long, until it is reset; a call that was on its way changes nothing."""
    bench = Bench()
    out = bench.breaker.ask(bench.now)
    bench.breaker.isolate(bench.now, "the dyno is being serviced")
    bench.now += 1e6

    assert bench.breaker.ask(bench.now) == Wait(None)
    assert isinstance(out, Call)
    bench.breaker.finish(out, bench.now, Outcome.SUCCEEDED)
    assert bench.breaker.status(bench.now).reason == "the dyno is being serviced"
    bench.breaker.reset(bench.now)
    assert bench.call(Outcome.SUCCEEDED)


def test_every_transition_is_told() -> None:
    """Who listens hears what changed, when and why, in order."""
    bench = Bench()
    bench.calls("fffff")
    bench.now += 60
    bench.calls("ss")

    assert [(one.name, one.before, one.after, one.at, one.reason) for one in bench.told] == [
        ("ecu", CLOSED, OPEN, 1000.0, "5 calls in a row failed"),
        ("ecu", OPEN, HALF_OPEN, 1060.0, "the interval is over"),
        ("ecu", HALF_OPEN, CLOSED, 1060.0, "2 calls succeeded"),
    ]


def test_a_call_is_given_back_once() -> None:
    """Twice is a mistake of the caller, which would count one failure as two."""
    bench = Bench()
    call = bench.breaker.ask(bench.now)
    assert isinstance(call, Call)
    bench.breaker.finish(call, bench.now, Outcome.FAILED)

    with pytest.raises(KeyError):
        bench.breaker.finish(call, bench.now, Outcome.FAILED)


@pytest.mark.parametrize(
    "wrong",
    [
        {"failures": 0}, {"successes": 0}, {"probes": 0}, {"minimum_calls": 0}, {"window_calls": 19}, {"open_s": 0}, {"open_s": 601},
        {"growth": 0.5}, {"jitter": -0.1}, {"failure_rate": 0}, {"slow_rate": 1.1}, {"slow_s": 0}, {"window_s": 0},
        *({name: math.nan} for name in ("open_s", "cap_open_s", "growth", "jitter", "failure_rate", "slow_rate", "slow_s", "window_s")),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_mean_nothing_cannot_be_made(wrong: dict[str, Any]) -> None:
    """A wrong setting is an error where it is made, not a breaker that never opens."""
    with pytest.raises(Misconfigured):
        BreakerSettings(**wrong)


def test_a_registry_knows_breakers_by_name() -> None:
    """The same name is the same breaker; another one fails by itself; an operator finds them and isolates one."""
    breakers = Breakers(lambda: 0.0)
    ecu = breakers.at("ecu", SMALL)
    breakers.at("dyno", SMALL)

    assert breakers.at("ecu", SMALL) is ecu is breakers["ecu"]
    breakers["ecu"].isolate(0.0, "by hand")
    assert [(status.name, status.state) for status in breakers.statuses(0.0)] == [("dyno", CLOSED), ("ecu", ISOLATED)]
    with pytest.raises(NoSuchBreaker):
        breakers["ecus"]
    with pytest.raises(OtherSettings):
        breakers.at("ecu", BreakerSettings())


def test_a_registry_takes_the_settings_that_users_have() -> None:
    """It needs nothing to be made; `CircuitBreakerSettings` are the same settings as those of the breaker that they name."""
    breakers = instruments.Breakers()
    ecu = breakers.at("ecu", CircuitBreakerSettings())
    call = ecu.ask(0.0)
    assert isinstance(call, Call)
    ecu.finish(call, 1.0, Outcome.FAILED)

    assert breakers.at("ecu", CircuitBreakerSettings()) is breakers.at("ecu", BreakerSettings()) is ecu
    with pytest.raises(OtherSettings):
        breakers.at("ecu", CircuitBreakerSettings(failure_threshold=7))
    assert ecu.status(1.0).in_a_row == 1


def test_without_chance_of_its_own_a_registry_draws_it() -> None:
    """A breaker that opens stays open for what was said, and up to a tenth more."""
    ecu = instruments.Breakers().at("ecu", BreakerSettings(failures=1))
    call = ecu.ask(0.0)
    assert isinstance(call, Call)
    ecu.finish(call, 0.0, Outcome.FAILED)

    assert 60 <= (ecu.status(0.0).lets_in_s or 0) <= 66


class Model(RuleBasedStateMachine):
    """A breaker beside a plain account of all calls, from which its state follows."""

    calls = Bundle[Call]("calls")

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(SMALL)
        self.expected = CLOSED
        self.ended = list[tuple[float, Outcome, bool]]()
        self.live = set[Call]()
        self.successes = 0
        self.opened_in_a_row = 0
        self.opened_at = self.entered_at = 0.0

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, 6.0, 9.9, 15.0, 25.0, 75.0]), rand=st.sampled_from([0.0, 0.4, 0.99]))
    def time_passes(self, seconds: float, rand: float) -> None:
        """And chance turns."""
        self.bench.now += seconds
        self.bench.rand = rand

    @rule(target=calls)
    def ask(self) -> Call:
        """A call goes exactly where the account lets it, and the interval is within its bounds."""
        return self._ask()

    def _ask(self) -> Call:
        now = self.bench.now
        base = min(SMALL.cap_open_s, SMALL.open_s * SMALL.growth ** (self.opened_in_a_row - 1))
        stuck = self.expected is HALF_OPEN and len(self.live) == SMALL.probes and now >= self.entered_at + SMALL.open_s
        answer = self.bench.breaker.ask(now)
        if self.expected is OPEN and self.bench.state is HALF_OPEN:
            assert base <= now - self.opened_at
            self._enter(HALF_OPEN)
        elif self.expected is OPEN:
            assert now - self.opened_at < base * (1 + SMALL.jitter)
        elif stuck:
            assert self.bench.state is OPEN
            self._opens()
        may = self.expected is CLOSED or (self.expected is HALF_OPEN and len(self.live) < SMALL.probes)
        assert isinstance(answer, Call) == may
        if isinstance(answer, Call):
            self.live.add(answer)
            return answer
        assert (answer.seconds is None) == (self.expected is ISOLATED)
        return _NONE

    @rule(call=consumes(calls), outcome=st.sampled_from(Outcome))
    def finish(self, call: Call, outcome: Outcome) -> None:
        """In any order, also long after the state in which it began."""
        self._finish(call, outcome)

    def _finish(self, call: Call, outcome: Outcome) -> None:
        if call is _NONE:
            return
        now = self.bench.now
        self.bench.breaker.finish(call, now, outcome)
        if call not in self.live or outcome is Outcome.NEITHER:
            self.live.discard(call)
            return
        self.live.remove(call)
        slow = now - call.started_at > SMALL.slow_s
        if self.expected is CLOSED:
            self.ended.append((now, outcome, slow))
            if self._has_to_open():
                self._opens()
        elif outcome is Outcome.FAILED or slow:
            self._opens()
        else:
            self.successes += 1
            if self.successes == SMALL.successes:
                self._closes()

    @rule(outcomes=st.lists(st.sampled_from([Outcome.SUCCEEDED, Outcome.FAILED]), min_size=1, max_size=4), seconds=st.sampled_from([0, 6]))
    def calls_one_by_one(self, outcomes: list[Outcome], seconds: int) -> None:
        """Each ended before the next, quick or slow."""
        for outcome in outcomes:
            call = self._ask()
            self.bench.now += seconds
            self._finish(call, outcome)

    @precondition(lambda self: self.expected is OPEN)
    @rule(late=st.booleans())
    def the_interval_passes(self, late: bool) -> None:  # noqa: FBT001 - it is drawn
        """To the moment, or nearly."""
        self.bench.now += (self.bench.breaker.status(self.bench.now).lets_in_s or 0.0) - (0.0 if late else 0.5)

    @precondition(lambda self: self.expected is HALF_OPEN and len(self.live) < SMALL.probes)
    @rule(target=calls)
    def probe(self) -> Call:
        """One more while others are out."""
        return self._ask()

    @rule(sure=st.integers(0, 4))
    def isolate(self, sure: int) -> None:
        """By hand, whatever its state; not often, because it ends everything else."""
        if sure:
            return
        self.bench.breaker.isolate(self.bench.now, "by hand")
        self._enter(ISOLATED)

    @precondition(lambda self: self.expected is not CLOSED)
    @rule()
    def reset(self) -> None:
        """By hand."""
        self.bench.breaker.reset(self.bench.now)
        self._closes()

    @invariant()
    def the_state_follows_from_the_account(self) -> None:
        """The breaker is where the account says, and has told so."""
        assert self.bench.state is self.expected
        assert self.bench.told == [] or self.bench.told[-1].after is self.expected

    def _has_to_open(self) -> bool:
        row = [outcome for _, outcome, _ in self.ended[-SMALL.failures :]]
        window = [one for one in self.ended[-SMALL.window_calls :] if one[0] >= self.bench.now - SMALL.window_s]
        failed = sum(outcome is Outcome.FAILED for _, outcome, _ in window)
        slow = sum(slow for _, _, slow in window)
        by_rate = failed >= SMALL.failure_rate * len(window) or slow >= SMALL.slow_rate * len(window)
        return row == [Outcome.FAILED] * SMALL.failures or (len(window) >= SMALL.minimum_calls and by_rate)

    def _opens(self) -> None:
        self.opened_in_a_row += 1
        self.opened_at = self.bench.now
        self._enter(OPEN)

    def _closes(self) -> None:
        self.opened_in_a_row = 0
        self.ended = []
        self._enter(CLOSED)

    def _enter(self, state: BreakerState) -> None:
        self.expected, self.entered_at, self.successes = state, self.bench.now, 0
        self.live = set()


_NONE = Call(-1, -1, 0.0)

TestModel = Model.TestCase


def test_a_listener_that_raises_leaves_the_breaker_in_order() -> None:
    """The breaker has gone over to the other state by then, with all that belongs to it: probes have their time."""

    def raising(_: Transition) -> None:
        raise LookupError

    breaker = Breaker("ecu", BreakerSettings(failures=1, probes=1), lambda: 0.0, raising)
    call = breaker.ask(0.0)
    assert isinstance(call, Call)
    with pytest.raises(LookupError):
        breaker.finish(call, 0.0, Outcome.FAILED)
    with pytest.raises(LookupError):
        breaker.ask(100.0)

    assert isinstance(breaker.ask(100.0), Call)
    assert breaker.ask(101.0) == Wait(59.0)
