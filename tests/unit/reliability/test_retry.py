"""Backoff and the retry budget, as properties."""

from __future__ import annotations

import math

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from penstock.model.errors import Misconfigured
from penstock.reliability.retry import Delay, GiveUp, Retry, RetryBudget, RetrySettings

fractions = st.floats(0, 1, exclude_max=True)
WIDE = RetrySettings(attempts=10**6, deadline_s=math.inf)


def rich() -> RetryBudget:
    """A budget that never binds."""
    return RetryBudget(0.0, capacity=1e9)


def settings() -> st.SearchStrategy[RetrySettings]:
    """Every setting that can be made, within reason."""
    return st.builds(
        RetrySettings,
        attempts=st.integers(1, 30),
        deadline_s=st.floats(0, 1000),
        first_delay_s=st.floats(0.01, 5),
        cap_delay_s=st.floats(5, 100),
        base=st.floats(1, 4),
        cap_retry_after_s=st.floats(0, 600),
    )


@given(settings=settings(), draws=st.lists(fractions, min_size=30, max_size=30), steps=st.floats(0, 20))
def test_delays_stay_within_bounds_attempts_and_deadline(settings: RetrySettings, draws: list[float], steps: float) -> None:
    """The n-th delay is drawn from 0 to the capped n-th power; no retry is the one too many or starts past the deadline."""
    retry, now, delays = Retry(settings, rich()), 5.0, 0
    rand = iter(draws)

    while isinstance(answer := retry.on_failure(now, lambda: next(rand)), Delay):
        assert answer.seconds == pytest.approx(draws[delays] * min(settings.cap_delay_s, settings.first_delay_s * settings.base**delays))
        delays += 1
        now += answer.seconds
        assert now <= 5.0 + settings.deadline_s + 1e-9
        now += steps

    assert delays < settings.attempts
    late = now + draws[delays] * settings.cap_delay_s > 5.0 + settings.deadline_s if delays < 30 else True
    assert late or delays == settings.attempts - 1


@given(settings=settings(), asked_s=st.floats(0, 1000), draw=fractions)
def test_retry_after_is_honoured_or_given_up(settings: RetrySettings, asked_s: float, draw: float) -> None:
    """The server's wait is taken to the second, whatever would have been drawn; one past the cap or the deadline is not waited for."""
    answer = Retry(settings, rich()).on_failure(3.0, lambda: draw, asked_s)

    if isinstance(answer, Delay):
        assert answer.seconds == asked_s
        assert asked_s <= settings.cap_retry_after_s
        assert 3.0 + asked_s <= 3.0 + settings.deadline_s
    else:
        assert settings.attempts == 1 or asked_s > settings.cap_retry_after_s or 3.0 + asked_s > 3.0 + settings.deadline_s


def test_it_says_why_it_gives_up() -> None:
    """Each way to give up names the number that was exceeded."""
    zero = Retry(RetrySettings(attempts=1), rich()).on_failure(0.0, lambda: 0.0)
    asked = Retry(RetrySettings(), rich()).on_failure(0.0, lambda: 0.0, 3600.0)
    late = Retry(RetrySettings(), rich())
    late.on_failure(0.0, lambda: 0.0)

    assert zero == GiveUp("attempt 1 of 1 failed")
    assert asked == GiveUp("the server asks to wait 3600 s, more than the 600 s allowed")
    assert late.on_failure(835.0, lambda: 0.0, 6.0) == GiveUp("failing for 835 s, and the next try would come after 840 s")


def test_the_deadline_counts_from_the_first_failure() -> None:
    """An operation that waited an hour for its first turn is tried again all the same."""
    assert isinstance(Retry(RetrySettings(), rich()).on_failure(3600.0, lambda: 0.5), Delay)


def test_the_defaults_outlive_an_outage_of_ten_minutes() -> None:
    """With average luck the tries go on for 10 minutes, and they end before 15 minutes are over."""
    retry, now, delays = Retry(RetrySettings(), RetryBudget(0.0)), 0.0, []

    while isinstance(answer := retry.on_failure(now, lambda: 0.5), Delay):
        delays.append(answer.seconds)
        now += answer.seconds

    assert 600 < now < 900


def test_ever_so_many_failures_do_not_overflow() -> None:
    """A thousand doublings are still the cap."""
    retry = Retry(WIDE, rich())

    answers = [retry.on_failure(0.0, lambda: 0.5) for _ in range(2000)]

    assert answers[-1] == Delay(WIDE.cap_delay_s / 2)


def test_an_empty_budget_makes_retries_wait() -> None:
    """A retry without a token comes when its token will have been earned, each after the one before it."""
    budget = RetryBudget(0.0, capacity=2, per_s=0.5)

    answers = [Retry(WIDE, budget).on_failure(0.0, lambda: 0.0) for _ in range(5)]

    assert answers == [Delay(0.0), Delay(0.0), Delay(2.0), Delay(4.0), Delay(6.0)]


def test_a_retry_given_up_costs_nothing() -> None:
    """Only retries that will be made are paid for."""
    budget = RetryBudget(0.0, capacity=1)

    for _ in range(10):
        Retry(RetrySettings(attempts=1), budget).on_failure(0.0, lambda: 0.0)
        Retry(RetrySettings(deadline_s=1), budget).on_failure(0.0, lambda: 0.0, 5.0)

    assert budget.wait_s(0.0) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"first_delay_s": 0.0}, {"first_delay_s": 31.0}, {"base": 0.5}],
)
def test_settings_that_mean_nothing_cannot_be_made(wrong: dict[str, float]) -> None:
    """A wrong setting is an error where it is made, not a loop that never ends."""
    with pytest.raises(Misconfigured):
        RetrySettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"capacity": 0.5}, {"per_success": -1.0}, {"per_s": 0.0}])
def test_a_budget_that_could_never_pay_cannot_be_made(wrong: dict[str, float]) -> None:
    """As for the settings: a budget that never fills would wait for ever."""
    with pytest.raises(Misconfigured):
        RetryBudget(0.0, **wrong)


def test_idleness_is_saved_up_to_the_capacity() -> None:
    """However long nothing failed, and however much succeeded, no more than `capacity` retries go at once."""
    budget = RetryBudget(0.0, capacity=3, per_success=1.0)
    for _ in range(10):
        budget.succeeded()

    answers = [Retry(WIDE, budget).on_failure(1e6, lambda: 0.0) for _ in range(5)]

    assert answers.count(Delay(0.0)) == 3


class SharedBudget(RuleBasedStateMachine):
    """Whatever fails and succeeds, retries never start faster than capacity, successes and time have paid for."""

    @initialize(capacity=st.integers(1, 20), per_success=st.sampled_from([0.0, 0.1, 1.0]), per_s=st.sampled_from([0.1, 0.5, 5.0]))
    def begin(self, capacity: int, per_success: float, per_s: float) -> None:
        """A full budget."""
        self.capacity, self.per_success, self.per_s = capacity, per_success, per_s
        self.budget = RetryBudget(0.0, capacity=capacity, per_success=per_success, per_s=per_s)
        self.now = 0.0
        self.starts: list[float] = []
        self.successes: list[float] = []

    @rule(workers=st.integers(1, 20), draw=fractions)
    def fail(self, workers: int, draw: float) -> None:
        """Workers fail together, each for the first time."""
        for _ in range(workers):
            answer = Retry(WIDE, self.budget).on_failure(self.now, lambda: draw)
            assert isinstance(answer, Delay)
            self.starts.append(self.now + answer.seconds)

    @rule(count=st.integers(1, 20))
    def succeed(self, count: int) -> None:
        """Requests of other workers succeed."""
        for _ in range(count):
            self.budget.succeeded()
        self.successes += [self.now] * count

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        """Nobody asks for anything."""
        self.now += seconds

    @invariant()
    def the_next_retry_is_in_reach(self) -> None:
        """Nobody waits longer than it takes to earn what was spent, and one token."""
        assert self.budget.wait_s(self.now) <= (len(self.starts) + 1) / self.per_s

    def teardown(self) -> None:
        """By every moment, the retries that have started are paid for."""
        for count, at in enumerate(sorted(getattr(self, "starts", [])), start=1):
            assert count <= self.capacity + self.per_success * sum(then <= at for then in self.successes) + self.per_s * at + 1e-6


TestSharedBudget = SharedBudget.TestCase
TestSharedBudget.settings = hypothesis.settings(stateful_step_count=20)
