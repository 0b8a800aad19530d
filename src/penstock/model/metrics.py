"""Every metric we publish: one typed catalogue, from which `/metrics` and the reference page are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

CounterName = Literal[
    "rows_received_total",
    "rows_stored_total",
    "rows_duplicate_total",
    "rows_unchanged_total",
    "rows_filtered_total",
    "rows_refused_total",
    "rows_shed_total",
    "blocks_written_total",
    "reconnects_total",
    "requests_total",
    "pages_received_total",
    "responses_throttled_total",
    "requests_retried_total",
    "bytes_received_total",
    "cursors_recovered_total",
    "cursors_missing_total",
]

GaugeName = Literal["rows_per_second", "rows_expected", "rows_waiting", "workers_busy", "database_restarts"]

WorkerCounterName = Literal["worker_rows_total"]

ClientMetricName = Literal[
    "samples_received",
    "samples_processed",
    "samples_failed",
    "samples_dropped",
    "samples_pending",
    "avg_latency_ms",
    "samples_per_second",
    "consecutive_errors",
    "reconnects",
    "circuit_state",
    "circuit_opened",
    "circuit_blocked",
]
"""Of a client of a live source; document 001's names and a few more. Programs read them, `/metrics` does not have them."""

CLIENT_HELP: Mapping[ClientMetricName, str] = {
    "samples_received": "Samples that were read; the sum of the next four.",
    "samples_processed": "Samples that the queue took.",
    "samples_failed": "Samples that were refused; they are dead letters.",
    "samples_dropped": "Samples that the queue did not take or, where it is the client's own, shed later.",
    "samples_pending": "Samples on their way to the queue.",
    "avg_latency_ms": "From the end of a read to when the queue has the sample, average of the last 100.",
    "samples_per_second": "Samples received per second, exponential moving average.",
    "consecutive_errors": "Calls of hooks that failed since the last one that did not.",
    "reconnects": "Times the connection was made again.",
    "circuit_state": "closed, open, half_open or isolated.",
    "circuit_opened": "Times the circuit breaker opened.",
    "circuit_blocked": "Calls that it held back.",
}

HELP: Mapping[CounterName | GaugeName | WorkerCounterName, str] = {
    "rows_received_total": "Records read from the source by this run.",
    "rows_stored_total": "Records stored and committed by this run.",
    "rows_duplicate_total": "Records that were in the store already.",
    "rows_unchanged_total": "Newer versions of a stored record that say the same.",
    "rows_filtered_total": "Records that a stage of the pipeline left out.",
    "rows_refused_total": "Records put into the dead letters.",
    "rows_shed_total": "Records that were let go because there was no room to keep them.",
    "blocks_written_total": "Writes acknowledged by the store.",
    "reconnects_total": "Times the run read coverage back and began again.",
    "requests_total": "HTTP requests sent to the source.",
    "pages_received_total": "Pages of events that were received and could be read.",
    "responses_throttled_total": "Answers that asked to slow down (429).",
    "requests_retried_total": "Requests sent again after a failure.",
    "bytes_received_total": "Bytes of answer bodies as they came over the wire.",
    "cursors_recovered_total": "Cursors made again after they had expired.",
    "cursors_missing_total": "Pages that said there is more and gave no cursor; read on from their last key.",
    "rows_per_second": "Records stored per second, exponential moving average.",
    "rows_expected": "Records the source stated for the scope.",
    "rows_waiting": "Records that a live source has received and that are not stored yet.",
    "workers_busy": "Workers that read or write at this moment.",
    "worker_rows_total": "Records a worker brought home in this run.",
    "database_restarts": "Times this run had to restart the embedded database.",
}


@dataclass(slots=True)
class Counters:
    """Plain integers, cheap enough for every hot path; exporters read them when they are asked."""

    values: dict[CounterName, int]

    @classmethod
    def zero(cls) -> Counters:
        """All counters at nought, so that a scrape shows every one of them."""
        return cls(dict.fromkeys(get_args(CounterName), 0))

    def add(self, name: CounterName, amount: int = 1) -> None:
        """Count."""
        self.values[name] += amount

    def __getitem__(self, name: CounterName) -> int:
        return self.values[name]
