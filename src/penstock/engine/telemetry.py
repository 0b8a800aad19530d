"""What a run is doing right now: counters, workers, rate and ETA, read by displays and by the health endpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal

from penstock.model.counts import Counts
from penstock.model.metrics import Counters
from penstock.ports.source import Progress
from penstock.reliability.rate import RateMeter

Variant = Literal[
    "starting",
    "waiting",
    "planning",
    "running",
    "reconnecting",
    "proving",
    "completed",
    "completed with rejected rows",
    "failed",
    "cancelled",
]
WorkerState = Literal["idle", "reading", "writing", "stopped"]

ENDED: frozenset[Variant] = frozenset({"completed", "completed with rejected rows", "failed", "cancelled"})


@dataclass(slots=True)
class Worker:
    """One worker: what it is at, and the records it has brought home in this run."""

    state: WorkerState = "idle"
    partition: int | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """A moment of a task, as `/status` shows it. Rates are rows per second, times are seconds.

    `rows_waiting` are records that a live source has received and that are not stored yet; None where the source is none.

    `seconds` end when the last row is settled, `proof_seconds` begin there.
    """

    variant: Variant
    message: str
    rows_stored: int
    rows_before: int
    rows_refused: int
    rows_expected: int | None
    rows_waiting: int | None
    rows_per_second: float
    eta_seconds: float | None
    seconds: float
    proof_seconds: float
    workers: dict[int, Worker]

    def as_json(self) -> dict[str, object]:
        """The documented JSON object."""
        return asdict(self)


@dataclass(slots=True)
class Telemetry:
    """The live state of one run. Whoever makes progress says so here; the stall watch reads it."""

    clock: Callable[[], float] = time.monotonic
    counters: Counters = field(default_factory=Counters.zero)
    workers: dict[int, Worker] = field(default_factory=dict)
    variant: Variant = "starting"
    message: str = ""
    expected: int | None = None
    tell: Callable[[str], None] = lambda _: None
    notices: list[str] = field(default_factory=list)
    database_restarts: int = 0
    waiting: Callable[[], int | None] = lambda: None
    before: Counts = field(default_factory=Counts)
    total: Counts = field(default_factory=Counts)
    meter: RateMeter = field(default_factory=lambda: RateMeter(time_constant_s=15.0))
    started: float = 0.0
    progressed: float = 0.0
    settled: float | None = None

    def __post_init__(self) -> None:
        self.started = self.progressed = self.clock()

    def begin(self, done: Progress) -> None:
        """Take note of what earlier runs stored."""
        self.before = self.total = sum((interval.counts for interval in done.coverage), Counts())

    def enter(self, variant: Variant, message: str = "") -> None:
        """Say what the run does from here on; once it proves, everything is settled."""
        self.variant, self.message = variant, message
        if variant == "proving":
            self.settled = self.clock()
        if variant == "running":
            self.meter.observe(self.clock(), self.counters["rows_received_total"])

    def notice(self, remark: str) -> None:
        """Something that a person has to know of this run, though it goes on: told at once, and kept with the result."""
        self.notices.append(remark)
        self.tell(remark)

    def alive(self) -> None:
        """Something that takes long goes on."""
        self.progressed = self.clock()

    def stored(self, worker: Worker, counts: Counts, total: Counts) -> None:
        """Count a block that was written, of a pipeline that now stands at `total`."""
        worker.rows += counts.received
        self.total = total
        self.counters.add("rows_received_total", counts.received)
        self.counters.add("rows_stored_total", counts.stored)
        self.counters.add("rows_duplicate_total", counts.duplicate)
        self.counters.add("rows_unchanged_total", counts.unchanged)
        self.counters.add("rows_filtered_total", counts.filtered)
        self.counters.add("rows_refused_total", counts.refused)
        self.counters.add("rows_shed_total", counts.shed)
        self.counters.add("blocks_written_total")
        self.progressed = self.clock()
        self.meter.observe(self.progressed, self.counters["rows_received_total"])

    def status(self) -> Status:
        """This moment. The rate is brought up to it, so that it falls while nothing is stored."""
        now = self.clock()
        if self.variant not in ENDED:
            self.meter.observe(now, self.counters["rows_received_total"])
        remaining = None if self.expected is None else max(0, self.expected - self.total.received)
        return Status(
            variant=self.variant,
            message=self.message,
            rows_stored=self.total.stored,
            rows_before=self.before.stored,
            rows_refused=self.total.refused,
            rows_expected=self.expected,
            rows_waiting=self.waiting(),
            rows_per_second=round(self.meter.per_s, 1),
            eta_seconds=None if remaining is None else self.meter.eta_s(remaining),
            seconds=round((now if self.settled is None else self.settled) - self.started, 3),
            proof_seconds=0.0 if self.settled is None else round(now - self.settled, 3),
            workers=self.workers,
        )
