"""Runs in words and numbers."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.lines import duration, log_line, one_line, percent, share
from penstock.engine.telemetry import Telemetry
from penstock.model.counts import Counts
from tests.unit.console.runs import a_busy_run, a_run

NOON = datetime(2026, 11, 20, 12, 0, 15)  # noqa: DTZ001 - a clock on the wall has no zone


def test_a_line_of_a_log() -> None:
    """Time, state, rows, speed, what is left, trouble, workers: in this order, two blanks apart."""
    line = log_line(a_busy_run().telemetry, NOON)

    assert line.split("  ") == [
        "12:00:15 running 1,000,000 of 3,000,000 (33.3 %)",
        "100,000/s",
        "ETA 0:20",
        "requests 250 (2 throttled, 1 retried)",
        "refused 2",
        "reconnects 1",
        "database restarts 1",
        "w0 reading 500,000",
        "w1 writing 500,000",
    ]


def test_a_line_of_a_run_without_trouble() -> None:
    """What did not happen is not mentioned, and what is not known neither."""
    run = a_run("starting", workers=0, expected=None)

    assert log_line(run.telemetry, NOON) == "12:00:15 starting 0"


def test_a_line_of_a_live_run() -> None:
    """It says how fast rows come, and how much was received that is not stored yet."""
    run = a_run("waiting", workers=0, expected=None)
    run.telemetry.waiting = lambda: 1_234

    assert log_line(run.telemetry, NOON) == "12:00:15 waiting 0  0/s  1,234 waiting"


def test_a_line_of_a_run_that_has_ended() -> None:
    """It says how long it took, and no longer how long it will take."""
    run = a_busy_run()
    run.telemetry.enter("completed with rejected rows", "2 refused")

    parts = log_line(run.telemetry, NOON).split("  ")

    assert parts[:3] == [
        "12:00:15 completed with rejected rows 1,000,000 of 3,000,000 (33.3 %)",
        "in 0:10",
        "requests 250 (2 throttled, 1 retried)",
    ]
    assert "2 refused" in parts


def test_a_line_of_a_run_that_was_proven() -> None:
    """The proof has its own time."""
    run = a_busy_run()
    run.telemetry.enter("proving")
    run.after(3).telemetry.enter("completed")

    assert log_line(run.telemetry, NOON).split("  ")[1:3] == ["in 0:10", "proof 0:03"]


def test_a_line_of_a_run_that_goes_on() -> None:
    """Rows of earlier runs count, and are named."""
    run = a_run(expected=1000)
    run.telemetry.before = run.telemetry.total = Counts(400, 400)

    parts = log_line(run.telemetry, NOON).split("  ")

    assert parts[0].endswith("400 of 1,000 (40.0 %)")
    assert "400 of them from earlier runs" in parts


def test_many_workers_are_counted() -> None:
    """A line stays a line."""
    run = a_run(workers=40)
    run.telemetry.workers[3].state = "writing"

    line = log_line(run.telemetry, NOON)

    assert line.endswith("  40 workers: 39 reading, 1 writing")


@given(message=st.text(), before=st.sampled_from(["", "postgresql://me:s3cret@host/db "]))
def test_a_message_is_one_line_that_nothing_obeys(message: str, before: str) -> None:
    """Line ends, escape codes and passwords of a message do not reach a terminal."""
    shown = one_line(before + message)

    assert shown.isprintable()
    assert "  " not in shown
    assert "s3cret" not in shown


@given(total=st.integers(0, 10**12), expected=st.integers(0, 10**12))
def test_never_more_than_all(total: int, expected: int) -> None:
    """A share is at most 100 %, and 100 % only when nothing is missing."""
    done = share(Telemetry(total=Counts(total, total), expected=expected))

    assert done is not None
    assert 0 <= done <= 1
    assert (percent(done) == "100 %") == (total >= expected)
    assert float(percent(done).removesuffix(" %")) <= 100


def test_percentages_are_rounded_down() -> None:
    """The last row is worth waiting for."""
    assert [percent(part) for part in (0.0, 0.41249, 0.99999, 1.0)] == ["0.0 %", "41.2 %", "99.9 %", "100 %"]


def test_refused_and_duplicate_rows_are_accounted_for() -> None:
    """A run that refuses rows comes to 100 % all the same."""
    assert share(Telemetry(total=Counts(10, 7, 2, 1), expected=10)) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.6, "0:08"), (59.7, "1:00"), (3599, "59:59"), (3723, "1:02:03"), (1e9, "over 100 h"), (float("inf"), "over 100 h")],
)
def test_durations(seconds: float, text: str) -> None:
    """Minutes and seconds, hours where there are any, and no false precision."""
    assert duration(seconds) == text
