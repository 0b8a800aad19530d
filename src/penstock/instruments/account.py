"""The account of one client: its state, what became of its samples, its errors and its health."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from threading import Lock

from penstock.instruments.hooks import brief
from penstock.instruments.timing import Timing
from penstock.reliability.breaker import Breaker
from penstock.reliability.circuit import BreakerState
from penstock.reliability.health import Health, HealthReport, HealthSettings
from penstock.reliability.rate import RateMeter

LATENCIES = 100
"""Samples of which `avg_latency_ms` is the average."""

RATE_TIME_CONSTANT_S = 10.0


class IngestionState(Enum):
    """Where a client stands with its source."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CIRCUIT_OPEN = "circuit_open"
    """Too many calls have failed; the next one is made when the breaker lets it."""
    ERROR = "error"
    """It has given up, and waits to be told to connect."""


@dataclass(frozen=True, slots=True)
class IngestionStats:
    """A client at one moment; it does not change any more.

    Every sample that was received is in one of four places: `samples_received` is the sum of `samples_processed` (the queue took them),
    `samples_failed` (refused by validation), `samples_dropped` (the queue did not take them or, where it is the client's own, shed them
    later) and `samples_pending` (on their way to it).

    `avg_latency_ms` is from the end of the read to when the queue has a sample, over the last 100. `consecutive_errors` are calls of hooks
    that failed since the last one that did not.
    """

    source_name: str
    state: IngestionState
    samples_received: int
    samples_processed: int
    samples_failed: int
    samples_dropped: int
    avg_latency_ms: float
    samples_per_second: float
    circuit_state: BreakerState
    circuit_opened: int
    circuit_blocked: int
    consecutive_errors: int
    reconnects: int
    last_error: str

    @property
    def samples_pending(self) -> int:
        """Samples that are neither in the queue nor refused nor dropped yet."""
        return self.samples_received - self.samples_processed - self.samples_failed - self.samples_dropped


class Account:
    """Kept by the threads of a client, read by anybody."""

    def __init__(self, source: str, breaker: Breaker, health: HealthSettings, timing: Timing, log: logging.Logger) -> None:
        self._source = source
        self._breaker = breaker
        self._timing = timing
        self._log = log
        self._lock = Lock()
        self._health = Health(health)
        self._meter = RateMeter(RATE_TIME_CONSTANT_S)
        self._latencies_s = deque[float](maxlen=LATENCIES)
        self._state = IngestionState.DISCONNECTED
        self._received = self._processed = self._failed = self._dropped = 0
        self._errors = self._connected = 0
        self._last_error = ""
        self.turned_away = 0
        self._held_up = False
        self._meter.observe(timing.clock(), 0)

    def enter(self, state: IngestionState, reason: str = "") -> None:
        """The client is in this state from now on."""
        with self._lock:
            before, self._state = self._state, state
            if state is IngestionState.CONNECTED:
                self._health.connected()
                self._connected += 1
            else:
                self._health.away(f"it is {state.value}{f': {reason}' if reason else ''}")
        if state is not before:
            self._log.info("%s: %s, before %s%s", self._source, state.value, before.value, f": {reason}" if reason else "")

    def beat(self, pause_s: float = 0.0) -> None:
        """The reader is at work, and may be silent for so long more."""
        with self._lock:
            self._health.beat(self._timing.clock(), pause_s)

    def ended(self, reason: str = "") -> None:
        """The reader is at work no more; with a reason, it should be."""
        with self._lock:
            self._health.ended(reason)

    def went_well(self) -> None:
        """A call of a hook did what it should."""
        with self._lock:
            self._errors = 0

    def went_wrong(self, what: str, error: Exception, *, reading: bool) -> None:
        """A call of a hook failed."""
        said = _said(what, error)
        with self._lock:
            self._errors += 1
            self._last_error = said
            if reading:
                self._health.failed(said)
        self._log.warning("%s: %s", self._source, said)

    def received(self, channel: str, refused: str = "") -> None:
        """A sample came; it goes to the queue, or is refused and why."""
        with self._lock:
            now = self._timing.clock()
            self._received += 1
            self._failed += bool(refused)
            self._meter.observe(now, self._received)
            self._health.read(channel, now, refused)

    def unread(self, reason: str) -> None:
        """What came was no sample, and why."""
        with self._lock:
            self._received += 1
            self._failed += 1
            self._meter.observe(self._timing.clock(), self._received)
            self._health.unread(reason)

    def refused(self, channel: str, reason: str) -> None:
        """A sample that was received is refused after all, and why."""
        with self._lock:
            self._failed += 1
            self._health.read(channel, self._timing.clock(), reason)

    def processed(self, read_at: Sequence[float]) -> None:
        """The queue has the samples that were read at these times."""
        with self._lock:
            now = self._timing.clock()
            self._processed += len(read_at)
            self._latencies_s.extend(now - then for then in read_at)
            self._health.taken()

    def dropped(self, number: int, error: Exception, *, counted: bool) -> None:
        """The queue did not take so many samples; `counted`: it counts them among what it has dropped itself."""
        said = _said("samples are dropped", error)
        with self._lock:
            self._dropped += number
            self.turned_away += number if counted else 0
            self._last_error = said
            news = self._health.dropped(said)
        if news:
            self._log.error("%s: %s", self._source, said)

    def held_up(self, what: str, error: Exception) -> None:
        """Something went wrong that is no fault of a hook; it is logged when it begins."""
        said = _said(what, error)
        with self._lock:
            self._last_error = said
            news, self._held_up = not self._held_up, True
        if news:
            self._log.error("%s: %s", self._source, said)

    def goes_on(self) -> None:
        """What was held up is not any more."""
        with self._lock:
            self._held_up = False

    def stats(self, shed: int = 0) -> IngestionStats:
        """This moment, if the queue has let so many samples go after it took them."""
        now = self._timing.clock()
        circuit = self._breaker.status(now)
        with self._lock:
            self._meter.observe(now, self._received)
            return IngestionStats(
                source_name=self._source,
                state=self._state,
                samples_received=self._received,
                samples_processed=self._processed - shed,
                samples_failed=self._failed,
                samples_dropped=self._dropped + shed,
                avg_latency_ms=1_000 * sum(self._latencies_s) / max(1, len(self._latencies_s)),
                samples_per_second=self._meter.per_s,
                circuit_state=circuit.state,
                circuit_opened=circuit.opened,
                circuit_blocked=circuit.blocked,
                consecutive_errors=self._errors,
                reconnects=max(0, self._connected - 1),
                last_error=self._last_error,
            )

    def report(self) -> HealthReport:
        """Its health at this moment."""
        now = self._timing.clock()
        circuit = self._breaker.status(now)
        blocked = ""
        if circuit.state in (BreakerState.OPEN, BreakerState.ISOLATED):
            until = "until it is reset" if circuit.lets_in_s is None else f"for another {circuit.lets_in_s:.0f} s"
            blocked = f"the circuit is {circuit.state.value} {until}: {circuit.reason}"
        with self._lock:
            return self._health.report(now, blocked)


def _said(what: str, error: Exception) -> str:
    return f"{what}: {type(error).__name__}: {brief(error)}"
