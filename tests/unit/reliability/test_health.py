"""When a reader is called unwell, and when well again."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import Misconfigured
from penstock.reliability.health import Condition, Health, HealthSettings, Streak

SETTINGS = HealthSettings(silent_s=60, stale_s=5, failures=3, refused=10, good=3, channels=4)


def reading() -> Health:
    """A reader that is connected and has read something at 0 s."""
    health = Health(SETTINGS)
    health.connected()
    health.beat(0.0)
    health.read("rpm", 0.0)
    return health


def test_before_it_is_connected_it_is_not_ready() -> None:
    """It is alive, there being nothing yet that should run, and says what is missing."""
    report = Health(SETTINGS).report(0.0)

    assert (report.live.well, report.healthy, report.reasons) == (True, False, ("it is not connected",))


def test_a_reader_that_reads_is_healthy() -> None:
    """Nothing is to be said."""
    report = reading().report(1.0)

    assert (report.healthy, report.reasons) == (True, ())
    assert report.channels == {"rpm": Condition()}


def test_one_failure_says_nothing_and_three_do() -> None:
    """Hysteresis on the way down: the third failure in a row makes it unready, with the reason."""
    health = reading()
    health.failed("the port is gone")
    health.failed("the port is gone")
    assert health.report(1.0).healthy

    health.failed("the port is gone")

    assert health.report(1.0).reasons == ("3 in a row were bad, the last one because the port is gone",)


def test_it_becomes_well_again_after_good_reads() -> None:
    """Hysteresis on the way up: two good reads are not enough, the third is; how far it is is told meanwhile."""
    health = reading()
    for _ in range(20):
        health.failed("noise")

    health.read("rpm", 1.0)
    health.read("rpm", 1.1)
    assert health.report(1.2).reasons == ("3 in a row were bad, the last one because noise; 2 of 3 good ones since",)
    health.read("rpm", 1.2)

    assert health.report(1.3).healthy


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_a_streak_turns_only_after_enough_in_a_row(goods: list[bool], bad: int, good: int) -> None:
    """Whatever comes: what it says is what the last long enough row said."""
    streak, expected = Streak(bad, good), True

    for number, one in enumerate(goods):
        if one:
            streak.was_good()
        else:
            streak.was_bad("x")
        if goods[max(0, number + 1 - bad) : number + 1] == [False] * bad:
            expected = False
        if goods[max(0, number + 1 - good) : number + 1] == [True] * good:
            expected = True
        assert streak.condition.well is expected


def test_a_channel_goes_stale_by_itself() -> None:
    """Nobody has to say that nothing comes; the others stay fresh, and the reader healthy."""
    health = reading()
    health.read("afr", 0.0)
    for now in range(1, 7):
        health.read("rpm", float(now))

    report = health.report(6.0)

    assert (report.healthy, report.channels["rpm"].well) == (True, True)
    assert report.reasons == ("afr: nothing came for 6.0 s",)


def test_a_stale_channel_is_fresh_again_after_good_readings() -> None:
    """One reading after a long silence is not yet a channel that works."""
    health = reading()

    health.read("rpm", 9.0)
    assert health.report(9.0).channels["rpm"].reason == "nothing came for 9.0 s; 1 of 3 good ones since"
    health.read("rpm", 9.1)
    health.read("rpm", 9.2)

    assert health.report(9.3).healthy


def test_a_channel_whose_readings_are_refused_is_invalid() -> None:
    """It is told with the last reason; a reader none of whose channels can be used is not ready, though it reads."""
    health = reading()

    for number in range(10):
        health.read("rpm", number / 10, refused="it is no number")

    report = health.report(1.0)
    assert report.channels["rpm"].reason == "10 in a row were bad, the last one because it is no number"
    assert (report.healthy, report.ready.reason) == (False, "no channel brings readings that can be used")


def test_a_reader_that_hangs_is_not_alive() -> None:
    """A pause that it announced is no hanging; beyond that, somebody should start it again."""
    health = reading()

    health.beat(100.0, pause_s=300.0)
    assert health.report(459.0).live.well
    assert health.report(465.0).live.reason == "the reader has not come round for 65 s"


def test_a_reader_that_has_ended() -> None:
    """Stopped on purpose it is alive, there being nothing to start again; otherwise it is not."""
    health = reading()

    health.ended()
    assert health.report(1e6).live.well
    health.ended("auto_reconnect is off")
    assert health.report(1e6).reasons[0] == "auto_reconnect is off"


def test_a_new_connection_begins_with_new_channels() -> None:
    """What a device said before it was gone is not held against it."""
    health = reading()
    health.away("the port is gone")
    assert health.report(100.0).ready.reason == "the port is gone"

    health.connected()
    health.beat(100.0)

    assert (health.report(100.0).healthy, health.report(100.0).channels) == (True, {})


def test_what_is_held_back_is_not_ready() -> None:
    """An open circuit is the reason, whatever else is."""
    assert reading().report(1.0, blocked="the circuit is open").reasons == ("the circuit is open",)


def test_the_account_is_bounded() -> None:
    """Names come over the network: no more than so many channels are kept."""
    health = reading()

    for number in range(100):
        health.read(f"channel {number}", 1.0)

    assert len(health.report(1.0).channels) == SETTINGS.channels


def test_a_source_that_connects_and_says_nothing() -> None:
    """It is not ready once nothing has come for as long as makes a channel stale; that begins anew with each connection."""
    health = Health(SETTINGS)
    health.connected()
    assert health.report(100.0).ready.well, "nobody reads"

    for now in range(6):
        health.beat(float(now))
        assert health.report(float(now)).ready.well
    health.beat(5.1)
    assert health.report(5.1).ready.reason == "nothing came for 5.1 s"
    assert health.report(5.1).live.well

    health.connected()
    health.beat(7.0)
    assert health.report(12.0).ready.well
    assert not health.report(12.1).ready.well
    health.read("rpm", 12.2)
    assert health.report(12.2).healthy


def test_a_reader_that_is_started_again_has_time() -> None:
    """What was silent before it was stopped is not counted."""
    health = Health(SETTINGS)
    health.connected()
    health.beat(0.0)
    health.ended()
    assert health.report(100.0).ready.well

    health.beat(100.0)

    assert health.report(104.0).ready.well


def test_readings_that_nobody_takes() -> None:
    """Not ready at once, with the reason, until they are taken three times in a row; only the first of them is news."""
    health = reading()

    assert [health.dropped("the queue is full"), health.dropped("the queue is full, still")] == [True, False]
    assert health.report(0.0).ready.reason == "the queue is full, still"

    for well in (False, False, True):
        health.taken()
        health.read("rpm", 0.0)
        assert health.report(0.0).ready.well == well
    assert health.dropped("again")


def test_reads_that_bring_nothing_readable() -> None:
    """Ten in a row make it unready, whatever its channels were, until three good readings in a row; a reading between them begins anew."""
    health = Health(SETTINGS)
    health.connected()
    for _ in range(2):
        for _ in range(9):
            health.unread("noise")
        health.read("rpm", 0.0)
    assert health.report(0.0).ready.well

    for _ in range(10):
        health.unread("noise")
    assert health.report(0.0).ready.reason == "10 in a row were bad, the last one because noise"

    for well in (False, False, True):
        health.read("rpm", 0.0)
        assert health.report(0.0).ready.well == well


@pytest.mark.parametrize(
    "wrong",
    [
        {"silent_s": 0},
        {"stale_s": -1},
        {"failures": 0},
        {"refused": 0},
        {"good": 0},
        {"channels": 0},
        {"silent_s": math.nan},
        {"stale_s": math.nan},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_cannot_be_made(wrong: dict[str, Any]) -> None:
    """A wrong setting is an error where it is made."""
    with pytest.raises(Misconfigured):
        HealthSettings(**wrong)
