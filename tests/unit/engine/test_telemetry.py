"""What a run shows of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from penstock.engine.telemetry import ENDED, Telemetry, Variant, Worker
from penstock.model.counts import Counts
from penstock.model.coverage import Interval
from penstock.ports.source import Progress
from penstock.testing import records

TWO = Counts(received=10, stored=7, duplicate=2, refused=1)


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time it was set to."""
        return self.now


def test_blocks_are_counted_as_they_are_stored() -> None:
    """Each number goes into its own counter, the worker has brought home the records, and the run has progressed."""
    clock = Clock()
    telemetry, worker = Telemetry(clock=clock), Worker()

    for clock.now in (4.0, 6.0):
        telemetry.stored(worker, TWO, TWO)

    counted = {name: count for name, count in telemetry.counters.values.items() if count}
    assert counted == {
        "rows_received_total": 20,
        "rows_stored_total": 14,
        "rows_duplicate_total": 4,
        "rows_refused_total": 2,
        "blocks_written_total": 2,
    }
    assert worker.rows == 20
    assert telemetry.progressed == 6.0
    assert telemetry.total == TWO


def test_rate_and_time_left() -> None:
    """Ten records every two seconds are five a second, and what is left takes accordingly."""
    clock = Clock()
    telemetry = Telemetry(clock=clock, expected=120)
    total = Counts()

    for clock.now in range(0, 22, 2):
        total += TWO
        telemetry.stored(Worker(), TWO, total)

    status = telemetry.status()
    assert status.rows_per_second == 5.0
    assert status.eta_seconds == pytest.approx(2.0)


def test_nothing_is_promised_before_it_is_known() -> None:
    """Without a number of records to expect there is no time left to show, and nor is there while nothing moves."""
    assert Telemetry(clock=Clock()).status().eta_seconds is None
    assert Telemetry(clock=Clock(), expected=10).status().eta_seconds is None


def test_more_than_expected_leaves_nothing() -> None:
    """A source that has more records than it stated does not make the time left negative."""
    clock = Clock()
    telemetry = Telemetry(clock=clock, expected=5)
    for clock.now in (0.0, 1.0):
        telemetry.stored(Worker(), TWO, TWO)

    assert telemetry.status().eta_seconds == 0


def test_earlier_runs_are_counted_apart() -> None:
    """What was stored before the run began is in its total, and is not its own."""
    telemetry = Telemetry(clock=Clock())

    telemetry.begin(
        Progress(coverage=(Interval(records.place(0), records.place(9), TWO), Interval(records.place(9), records.place(20), TWO)))
    )

    status = telemetry.status()
    assert (status.rows_before, status.rows_stored, status.rows_refused) == (14, 14, 2)
    assert telemetry.counters["rows_stored_total"] == 0


def test_the_time_of_the_proof_is_its_own() -> None:
    """The seconds of a run end with the last settled row; what the proof takes is counted beside them."""
    clock = Clock()
    telemetry = Telemetry(clock=clock)

    running = telemetry.status()
    clock.now = 8.0
    telemetry.enter("proving")
    clock.now = 11.5
    telemetry.enter("completed", "well")

    status = telemetry.status()
    assert (running.seconds, running.proof_seconds) == (0.0, 0.0)
    assert (status.seconds, status.proof_seconds) == (8.0, 3.5)
    assert (status.variant, status.message) == ("completed", "well")


def test_a_proof_at_the_first_moment_has_a_time_too() -> None:
    """Nought is a time like any other."""
    clock = Clock()
    telemetry = Telemetry(clock=clock)
    telemetry.enter("proving")
    clock.now = 2.0

    assert (telemetry.status().seconds, telemetry.status().proof_seconds) == (0.0, 2.0)


def test_the_status_is_json() -> None:
    """What `/status` shows can be written down, workers included."""
    telemetry = Telemetry(clock=Clock(), workers={0: Worker("writing", 3, 12)})

    shown = json.loads(json.dumps(telemetry.status().as_json()))

    assert shown["workers"] == {"0": {"state": "writing", "partition": 3, "rows": 12}}


def test_ended_states_are_those_of_the_history() -> None:
    """A run that is in one of them does nothing any more."""
    going: set[Variant] = {"starting", "planning", "running", "reconnecting", "proving"}

    assert not going & ENDED
