"""The gate, rule by rule."""

from __future__ import annotations

import pytest

from penstock.reliability.gate import Gate, GateSettings, Permit, Verdict, Wait
from penstock.reliability.headers import RateFacts

SLACK_S = GateSettings().slack_s


def go(gate: Gate, now: float = 0.0) -> Permit:
    """A permit, which the gate must grant."""
    answer = gate.ask(now)
    assert isinstance(answer, Permit)
    return answer


def go_all(gate: Gate, now: float = 0.0, *, most: int = 1000) -> list[Permit]:
    """As many permits as the gate grants."""
    permits: list[Permit] = []
    while len(permits) < most and isinstance(answer := gate.ask(now), Permit):
        permits.append(answer)
    return permits


def stated(remaining: int, reset_s: float | None = 50.0) -> RateFacts:
    """What a server with a limit of 10 states."""
    return RateFacts(limit=10, remaining=remaining, reset_s=reset_s)


def opened(remaining: int) -> Gate:
    """A gate that was told `remaining` at second 0, for 50 seconds."""
    gate = Gate()
    gate.finish(go(gate), 0.0, Verdict.SERVED, stated(remaining))
    return gate


def throttled(retry_after_s: float | None = 28.0, *, in_flight: int = 1) -> tuple[Gate, list[Permit]]:
    """A gate without stated limits that was closed at second 0, and the permits that were out besides."""
    gate = Gate()
    gate.finish(go(gate), 0.0, Verdict.SERVED)
    first, *others = go_all(gate, most=in_flight)
    gate.finish(first, 0.0, Verdict.THROTTLED, RateFacts(retry_after_s=retry_after_s))
    return gate, others


def test_the_first_request_goes_alone() -> None:
    """Nothing is known before the first answer, so that the others wait for it and not for a time."""
    gate = Gate()

    permits = go_all(gate)

    assert len(permits) == gate.in_flight == 1
    assert gate.ask(0.0) == Wait(None)


def test_without_stated_limits_everybody_goes() -> None:
    """A server that states nothing is not limited by us."""
    gate = Gate()

    gate.finish(go(gate), 0.0, Verdict.SERVED)

    assert len(go_all(gate)) == 1000


def test_a_failure_tells_nothing() -> None:
    """As long as requests fail without a statement, they go one by one."""
    gate = Gate()

    for _ in range(3):
        gate.finish(go(gate), 0.0, Verdict.FAILED)

    assert len(go_all(gate)) == 1


def test_remaining_bounds_the_starts_until_reset() -> None:
    """Only what the server has left starts; then everybody waits for the reset, and a moment more because servers round."""
    gate = opened(9)

    permits = go_all(gate, 1.0)

    assert len(permits) == 9
    assert gate.ask(1.0) == Wait(49.0 + SLACK_S)


def test_requests_in_flight_count_against_remaining() -> None:
    """An answer that overtook others does not know of them yet."""
    gate = opened(9)
    first, *_ = go_all(gate, most=5)

    gate.finish(first, 1.0, Verdict.SERVED, stated(6))

    assert len(go_all(gate, 1.0)) == 6 - 4


def test_answers_that_overlapped_are_not_counted_twice() -> None:
    """Each of several requests in flight together states what is left; when all are back, that is exactly what may start."""
    gate = opened(9)

    for spent, permit in enumerate(go_all(gate, most=5), start=1):
        gate.finish(permit, 1.0, Verdict.SERVED, stated(9 - spent))

    assert len(go_all(gate, 1.0)) == 4


def test_an_older_remaining_does_not_raise_the_budget() -> None:
    """Of answers that arrive out of order the lowest counts."""
    gate = opened(9)
    first, second = go_all(gate, most=2)
    gate.finish(second, 1.0, Verdict.SERVED, stated(3))

    gate.finish(first, 2.0, Verdict.SERVED, stated(8))

    assert len(go_all(gate, 2.0)) == 3


def test_a_request_that_broke_meanwhile_counts_as_spent() -> None:
    """A statement does not know of requests that the server may have counted after it."""
    gate = opened(9)
    first, *others = go_all(gate, most=4)
    for permit in others:
        gate.finish(permit, 1.0, Verdict.FAILED)

    gate.finish(first, 2.0, Verdict.SERVED, stated(8))

    assert len(go_all(gate, 2.0)) == 8 - 3


def test_requests_that_broke_beside_the_first_statement_count_as_spent() -> None:
    """The same where nothing was known before."""
    gate, _ = throttled(None)
    gate.finish(go(gate, 5.0), 5.0, Verdict.SERVED)
    first, second = go_all(gate, 5.0)
    gate.finish(first, 5.0, Verdict.FAILED)

    gate.finish(second, 5.0, Verdict.SERVED, stated(2))

    assert len(go_all(gate, 5.0)) == 1


def test_other_clients_lower_the_budget() -> None:
    """What the server says is left is believed at once when it is less than thought."""
    gate = opened(9)

    gate.finish(go(gate), 1.0, Verdict.SERVED, stated(1))

    assert len(go_all(gate, 1.0)) == 1


def test_a_request_without_statement_counts_as_spent() -> None:
    """Whether the server counted a request that broke cannot be known, until a later one that it counted tells."""
    gate = opened(9)
    for _ in range(3):
        gate.finish(go(gate), 1.0, Verdict.FAILED)
    lost = gate.ask(1.0)
    assert isinstance(lost, Permit)

    gate.finish(lost, 2.0, Verdict.SERVED, stated(7))

    assert len(go_all(gate, 2.0)) == 7


def test_after_the_reset_one_goes_alone() -> None:
    """A window that was used up is followed by one request that learns what there is now."""
    gate = opened(9)
    for permit in go_all(gate):
        gate.finish(permit, 1.0, Verdict.SERVED, stated(0))

    (probe,) = go_all(gate, 52.0)
    gate.finish(probe, 53.0, Verdict.SERVED, stated(4))

    assert len(go_all(gate, 53.0)) == 4


def test_a_reset_stops_nobody_whose_place_was_safe() -> None:
    """What was left of the old window may start in the new one before anything is known of it."""
    gate = opened(9)

    assert len(go_all(gate, 60.0)) == 9


def test_stragglers_do_not_open_the_new_window() -> None:
    """An answer to a request from before the reset tells of a window that is over."""
    gate = opened(2)
    straggler, *_ = go_all(gate)
    go(gate, 60.0)

    gate.finish(straggler, 61.0, Verdict.SERVED, stated(8))

    assert gate.ask(61.0) == Wait(None)


def test_a_server_that_stops_stating_is_trusted_step_by_step() -> None:
    """Where limits were stated before, an answer without a statement lets two go, not all."""
    gate = opened(1)
    gate.finish(go(gate), 1.0, Verdict.SERVED, stated(0))

    gate.finish(go(gate, 60.0), 60.0, Verdict.SERVED)

    assert len(go_all(gate, 60.0)) == 2


def test_remaining_without_reset_does_not_close_for_ever() -> None:
    """A server that does not say when is asked again after the assumed window."""
    gate = Gate()

    gate.finish(go(gate), 0.0, Verdict.SERVED, stated(0, reset_s=None))

    assert gate.ask(0.0) == Wait(GateSettings().window_s)
    assert len(go_all(gate, GateSettings().window_s)) == 1


def test_of_equal_statements_the_later_reset_counts() -> None:
    """In a sliding window a place became free while another was taken: the next becomes free later."""
    gate = opened(2)
    first, second = go_all(gate)
    gate.finish(first, 1.0, Verdict.SERVED, stated(0, reset_s=10.0))

    gate.finish(second, 1.0, Verdict.SERVED, stated(0, reset_s=20.0))

    assert gate.ask(1.0) == Wait(20.0 + SLACK_S)


def test_throttling_closes_for_everybody() -> None:
    """One refusal stops all workers until the server's moment."""
    gate, _ = throttled(28.0)

    assert gate.ask(0.0) == Wait(28.0 + SLACK_S)


def test_throttling_without_retry_after_waits_for_the_reset() -> None:
    """A refusal that states only the reset is closed until then."""
    gate = Gate()

    gate.finish(go(gate), 0.0, Verdict.THROTTLED, RateFacts(remaining=0, reset_s=12.0))

    assert gate.ask(0.0) == Wait(12.0 + SLACK_S)


def test_a_closed_gate_opens_with_a_ramp() -> None:
    """One alone, then 2, 4, 8: one more at a time for every answer."""
    gate, _ = throttled(28.0)
    steps = []

    for step in range(4):
        permits = go_all(gate, 30.0 + step)
        steps.append(len(permits))
        for permit in permits:
            gate.finish(permit, 30.5 + step, Verdict.SERVED)

    assert steps == [1, 2, 4, 8]


def test_the_ramp_holds_where_remaining_would_allow_more() -> None:
    """A server that refuses in spite of its headers has a second limit that they do not tell of."""
    gate, _ = throttled(28.0)

    gate.finish(go(gate, 30.0), 30.0, Verdict.SERVED, stated(9))

    assert len(go_all(gate, 30.0)) == 2


def test_a_failed_probe_does_not_climb() -> None:
    """Only an answer shows that the server takes requests again."""
    gate, _ = throttled(28.0)

    gate.finish(go(gate, 30.0), 30.0, Verdict.FAILED)

    assert len(go_all(gate, 30.0)) == 1


def test_answers_from_before_the_closing_do_not_climb() -> None:
    """The ramp counts answers to requests that started after the closing."""
    gate, others = throttled(28.0, in_flight=5)
    probe = go(gate, 30.0)

    for permit in others:
        gate.finish(permit, 31.0, Verdict.SERVED)
    gate.finish(probe, 31.0, Verdict.SERVED)

    assert len(go_all(gate, 31.0)) == 2


def test_answers_from_before_the_closing_do_not_open() -> None:
    """What was in flight when the gate closed may still be answered well; that says nothing about now."""
    gate, others = throttled(28.0, in_flight=5)

    for permit in others:
        gate.finish(permit, 1.0, Verdict.SERVED, stated(9))

    assert gate.ask(1.0) == Wait(27.0 + SLACK_S)
    assert len(go_all(gate, 30.0)) == 1


def test_requests_from_before_the_closing_do_not_hold_up_the_probe() -> None:
    """A request that hangs since before the closing is not counted in the ramp."""
    gate, others = throttled(28.0, in_flight=5)

    assert len(go_all(gate, 30.0)) == 1
    assert gate.in_flight == len(others) + 1


def test_a_herd_of_refusals_is_one_refusal() -> None:
    """Twenty refusals of requests that were in flight together double the pause once; a later moment of theirs still counts."""
    gate, others = throttled(None, in_flight=20)

    for permit in others[1:]:
        gate.finish(permit, 0.0, Verdict.THROTTLED)
    unstated = gate.ask(0.0)
    gate.finish(others[0], 0.0, Verdict.THROTTLED, RateFacts(retry_after_s=9.0))

    assert unstated == Wait(1.0)
    assert gate.ask(0.0) == Wait(9.0 + SLACK_S)


def test_a_late_refusal_without_a_moment_changes_nothing() -> None:
    """A request from before the closing that is refused after it re-opened tells nothing new."""
    gate, others = throttled(28.0, in_flight=2)
    gate.finish(go(gate, 30.0), 30.0, Verdict.SERVED)

    gate.finish(others[0], 31.0, Verdict.THROTTLED)

    assert len(go_all(gate, 31.0)) == 2


def test_an_earlier_moment_does_not_open_sooner() -> None:
    """Of the moments that refusals state, the last counts."""
    gate, others = throttled(28.0, in_flight=2)

    gate.finish(others[0], 1.0, Verdict.THROTTLED, RateFacts(retry_after_s=3.0))

    assert gate.ask(1.0) == Wait(27.0 + SLACK_S)


def test_pauses_grow_with_refusals_and_shrink_with_answers() -> None:
    """Without a stated moment the pause doubles up to its cap, and an answer halves it."""
    gate, _ = throttled(None)
    now, pauses = 0.0, []

    for _ in range(8):
        closed = gate.ask(now)
        assert isinstance(closed, Wait)
        assert closed.seconds is not None
        pauses.append(closed.seconds)
        now += closed.seconds
        gate.finish(go(gate, now), now, Verdict.THROTTLED)
    now += 60.0
    gate.finish(go(gate, now), now, Verdict.SERVED)
    gate.finish(go(gate, now), now, Verdict.THROTTLED)

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert gate.ask(now) == Wait(30.0)


def test_a_permit_is_given_back_once() -> None:
    """Giving a permit back twice would hide that another one leaked."""
    gate = Gate()
    permit = go(gate)
    gate.finish(permit, 0.0, Verdict.SERVED)

    with pytest.raises(KeyError):
        gate.finish(permit, 0.0, Verdict.SERVED)


@pytest.mark.parametrize(("requests", "binds"), [(4.0, False), (5.0, False), (5.5, True)])
def test_it_binds_where_fewer_requests_are_left_than_are_needed(requests: float, binds: bool) -> None:  # noqa: FBT001 - what is expected
    """Of what the window states those in flight are taken off, and when it has reset nothing is known against more."""
    gate = opened(6)
    go(gate)

    assert gate.binds(1.0, requests) is binds
    assert gate.binds(50.0 + SLACK_S, requests) is False


def test_it_binds_for_a_while_after_a_refusal() -> None:
    """While it is closed, and within a minute of the last refusal, however short the pause was."""
    gate, _ = throttled(5.0)

    assert [gate.binds(now, 0.0) for now in (0.0, 5.5, 59.0, 61.0)] == [True, True, True, False]


def test_nothing_known_binds_nobody() -> None:
    """A server that states nothing and refuses nothing is no reason to hold back."""
    assert Gate().binds(0.0, 1e9) is False
