"""Runs as their telemetry tells of them, at a time that stands still until somebody moves it."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.engine.telemetry import Telemetry, Variant, Worker
from penstock.model.counts import Counts


@dataclass
class Clock:
    """Seconds that pass by assignment, and how often somebody asked for them."""

    now_s: float = 1000.0
    asked: int = 0

    def __call__(self) -> float:
        """The time."""
        self.asked += 1
        return self.now_s


@dataclass
class Run:
    """A run that is told what it does."""

    clock: Clock
    telemetry: Telemetry

    def after(self, seconds: float) -> Run:
        """The same run, later."""
        self.clock.now_s += seconds
        return self

    def store(self, worker: int, counts: Counts) -> None:
        """One block more."""
        telemetry = self.telemetry
        telemetry.stored(telemetry.workers[worker], counts, telemetry.total + counts)


def a_run(variant: Variant = "running", message: str = "", *, workers: int = 2, expected: int | None = 3_000_000) -> Run:
    """A run in a state, with workers that read the partition of their number."""
    clock = Clock()
    telemetry = Telemetry(clock=clock)
    telemetry.expected = expected
    telemetry.workers.update({number: Worker("reading", number) for number in range(workers)})
    telemetry.enter(variant, message)
    return Run(clock, telemetry)


def a_busy_run() -> Run:
    """Ten seconds of 100,000 rows each, two of which were refused, with some trouble on the way."""
    run = a_run()
    run.store(0, Counts())
    for second in range(10):
        run.after(1).store(second % 2, Counts(100_000, 99_999, 0, 1) if second < 2 else Counts(100_000, 100_000))
    counters = run.telemetry.counters
    counters.add("requests_total", 250)
    counters.add("responses_throttled_total", 2)
    counters.add("requests_retried_total")
    counters.add("reconnects_total")
    run.telemetry.database_restarts = 1
    run.telemetry.workers[1].state = "writing"
    return run
