"""The picture, at all sizes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.frame import Canvas, frame
from penstock.engine.telemetry import Variant
from penstock.model.counts import Counts
from tests.unit.console.runs import Run, a_busy_run, a_run

RATES = {0: 61_000.4, 1: 39_000.0}


def lines(run: Run, width: int, height: int = 24, *, rates: dict[int, float] | None = None, ascii_only: bool = False) -> list[str]:
    """The picture as plain text."""
    picture = frame(run.telemetry, RATES if rates is None else rates, Canvas(width, height, ascii_only)).plain
    return [line.rstrip() for line in picture.split("\n")]


def test_a_picture() -> None:
    """A line for each worker, the whole, a bar, the figures."""
    assert lines(a_busy_run(), 60) == [
        " #  state    part       rows    rows/s",
        " 0  reading     0    500,000    61,000",
        " 1  writing     1    500,000    39,000",
        "running   1,000,000 of 3,000,000 rows",
        "━━━━━━━━━━━━━━━━━───────────────────────────────────  33.3 %",
        "elapsed 0:10   100,000/s   ETA 0:20   requests 250",
        "throttled 2   retried 1   refused 2   reconnects 1",
        "database restarts 1",
    ]


def test_a_narrow_picture() -> None:
    """The table fits into 40 columns, the figures flow."""
    assert lines(a_busy_run(), 40) == [
        " #  state    part       rows    rows/s",
        " 0  reading     0    500,000    61,000",
        " 1  writing     1    500,000    39,000",
        "running   1,000,000 of 3,000,000 rows",
        "━━━━━━━━━━──────────────────────  33.3 %",
        "elapsed 0:10   100,000/s   ETA 0:20",
        "requests 250   throttled 2   retried 1",
        "refused 2   reconnects 1",
        "database restarts 1",
    ]


def test_a_terminal_too_narrow_for_the_table() -> None:
    """Columns are left out whole, from the right."""
    assert lines(a_busy_run(), 30)[:2] == [" #  state    part       rows", " 0  reading     0    500,000"]
    assert lines(a_busy_run(), 12)[:2] == [" #  state", " 0  reading"]


def test_a_wide_terminal_is_not_filled() -> None:
    """A hundred columns are enough."""
    assert max(map(len, lines(a_busy_run(), 200))) == 100


def test_the_message_of_a_run_that_reconnects() -> None:
    """It stands below, in at most two lines, without a password."""
    run = a_run("reconnecting", "lost postgresql://penstock:s3cret@127.0.0.1:5432/db\nclosed\x1b[2J " + "again " * 50)

    below = lines(run, 40)[-2:]

    assert below == ["lost postgresql://***@127.0.0.1:5432/db", "closed [2J again again again again again"]


def test_a_run_that_has_ended() -> None:
    """How long it took is left, speeds and messages are over."""
    run = a_busy_run()
    run.telemetry.enter("completed", "all of it")

    picture = lines(run, 80, rates={})

    assert picture[:3] == [" #  state    part       rows", " 0  reading     0    500,000", " 1  writing     1    500,000"]
    assert picture[3] == "completed   1,000,000 of 3,000,000 rows"
    assert picture[5].startswith("in 0:10   requests 250")
    assert "all of it" not in "\n".join(picture)


def test_a_run_that_is_proven() -> None:
    """Time goes on, speed does not."""
    run = a_busy_run()
    run.telemetry.enter("proving")

    figures = lines(run.after(3), 80, rates={})[-2]

    assert figures.startswith("elapsed 0:13   requests 250")


def test_a_run_that_goes_on() -> None:
    """What earlier runs stored counts, and is named."""
    run = a_run(expected=1000)
    run.telemetry.before = run.telemetry.total = Counts(400, 400)

    picture = lines(run, 80)

    assert "running   400 of 1,000 rows" in picture
    assert picture[-1].endswith("from earlier runs 400")


def test_workers_without_a_place_are_folded() -> None:
    """Forty workers on 24 lines: as many as fit, and the others counted by state."""
    run = a_run(workers=40)
    run.telemetry.workers[39].state = "writing"

    picture = lines(run, 80)

    assert len(picture) == 23
    named = [line for line in picture if re.match(r" ?\d+  reading", line)]
    assert picture[len(named) + 1] == f"and {40 - len(named)} more: {39 - len(named)} reading, 1 writing"


def test_all_workers_are_folded_where_there_is_no_room() -> None:
    """The whole matters more than any part."""
    assert lines(a_run(workers=40), 80, 6)[0] == "40 workers: 40 reading"


@pytest.mark.parametrize("workers", [0, 1])
def test_no_table_without_workers(workers: int) -> None:
    """Before the first one is sent there is none to be shown."""
    assert any(line.endswith("rows/s") for line in lines(a_run(workers=workers), 80)) == bool(workers)


def test_no_bar_without_a_total() -> None:
    """Nobody knows how much there is: nothing is drawn."""
    picture = "\n".join(lines(a_run(expected=None), 80))

    assert "%" not in picture
    assert "─" not in picture


def test_a_terminal_that_knows_ascii_only() -> None:
    """The bar is drawn with what there is."""
    picture = "\n".join(lines(a_busy_run(), 60, ascii_only=True))

    assert picture.isascii()
    assert "#################---" in picture


@given(
    width=st.integers(1, 220),
    height=st.integers(1, 60),
    workers=st.integers(0, 60),
    state=st.sampled_from(["starting", "running", "reconnecting", "completed with rejected rows"]),
    message=st.text(max_size=300),
    rows=st.integers(0, 10**10),
)
def test_no_picture_is_too_large(*, width: int, height: int, workers: int, state: Variant, message: str, rows: int) -> None:
    """Whatever is to be shown leaves a line of the terminal free, and its bar is never longer than the terminal is wide."""
    run = a_run(state, message, workers=workers)
    run.telemetry.total = Counts(rows, rows)

    picture = lines(run, width, height)

    assert len(picture) <= max(1, height - 1)
    assert [line for line in picture if len(re.sub("[^━─]", "", line)) > width] == []
