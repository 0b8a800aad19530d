"""When a run is alive, and when it is ready."""

from __future__ import annotations

import pytest

from penstock.console.health import health, readiness
from penstock.engine.telemetry import Variant
from penstock.model.counts import Counts
from tests.unit.console.runs import a_run


@pytest.mark.parametrize("state", ["planning", "running", "reconnecting"])
def test_a_run_that_stores_nothing_stalls(state: Variant) -> None:
    """While rows should come, so many seconds without one are the end of being alive, and the reason says how many."""
    run = a_run(state, "no answer")

    assert health(run.after(119.9).telemetry, stall_s=120).alive
    stalled = health(run.after(0.1).telemetry, stall_s=120)

    assert (stalled.status, stalled.alive) == ("stalled", False)
    assert stalled.reason == "nothing was stored for 120 s: no answer"


@pytest.mark.parametrize("state", ["starting", "waiting", "proving", "completed", "completed with rejected rows", "cancelled"])
def test_a_run_that_need_not_store_does_not_stall(state: Variant) -> None:
    """A database that starts, a live source that is quiet, a proof that counts and a run that is over may be silent."""
    assert health(a_run(state).after(10_000).telemetry, stall_s=120).alive


def test_a_live_run_says_what_waits() -> None:
    """How many records were received and are not stored yet; it is ready while it waits for more."""
    run = a_run("waiting", workers=0, expected=None)
    run.telemetry.waiting = lambda: 7

    assert health(run.telemetry, stall_s=120).rows_waiting == 7
    assert readiness(run.telemetry).ready


def test_progress_ends_a_stall() -> None:
    """One block, and the run is alive again."""
    run = a_run().after(1000)
    run.store(0, Counts(5, 5))

    seen = health(run.telemetry, stall_s=120)

    assert (seen.status, seen.reason, seen.seconds_since_progress, seen.rows_stored) == ("ok", "", 0.0, 5)


def test_a_failed_run_is_not_alive() -> None:
    """However recent its progress, and without its password."""
    seen = health(a_run("failed", "refused by http://me:secret@host/").telemetry, stall_s=120)

    assert (seen.status, seen.alive, seen.reason) == ("failed", False, "the run failed: refused by http://***@host/")


@pytest.mark.parametrize("state", ["starting", "planning", "reconnecting"])
def test_a_run_is_not_ready_before_a_worker_was_sent(state: Variant) -> None:
    """An API that cannot be reached yet keeps the run from being ready, and the reason names it."""
    seen = readiness(a_run(state, "no answer", workers=0).telemetry)

    assert (seen.ready, seen.reason) == (False, f"the run is {state}: no answer")


@pytest.mark.parametrize("state", ["planning", "running", "reconnecting", "proving", "completed"])
def test_a_run_stays_ready(state: Variant) -> None:
    """Once it carried, planning again after a reconnect does not take that back."""
    assert readiness(a_run(state).telemetry).ready


@pytest.mark.parametrize("state", ["proving", "completed"])
def test_a_run_with_nothing_to_do_becomes_ready(state: Variant) -> None:
    """It sends no worker, and is not stuck for that."""
    assert readiness(a_run(state, workers=0).telemetry).ready


def test_a_failed_run_is_not_ready() -> None:
    """Whatever it carried before."""
    seen = readiness(a_run("failed", "no key").telemetry)

    assert (seen.ready, seen.reason) == (False, "the run failed: no key")
