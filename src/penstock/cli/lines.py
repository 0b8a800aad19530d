"""How a run is put into words and numbers: shares, durations, rows, and the line of a log."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime

from penstock.console.health import STORING
from penstock.engine.telemetry import ENDED, Status, Telemetry, Worker
from penstock.model.redaction import redacted

WORKERS_NAMED = 16
"""With more workers than this a log line counts them by state instead."""

LONGEST_S = 100 * 3600
"""Beyond a hundred hours an ETA is a guess about nothing."""


def log_line(telemetry: Telemetry, at: datetime) -> str:
    """One moment of a run: `12:00:15 running 1,234,567 of 3,000,000 (41.2 %)  205,113/s  ETA 0:08  requests 250  w0 reading 154,000`."""
    status = telemetry.status()
    parts = [
        f"{at:%H:%M:%S} {status.variant} {rows(telemetry)}" + (f" ({percent(done)})" if (done := share(telemetry)) is not None else ""),
        *([f"{before:,} of them from earlier runs"] if (before := telemetry.before.received) else []),
        *pace(status),
        *waiting(status),
        *requests(telemetry),
        *troubles(telemetry),
        *([message] if (message := one_line(status.message)) else []),
        *_breakdown(status),
    ]
    return "  ".join(parts)


def rows(telemetry: Telemetry) -> str:
    """Records that are accounted for, stored or not: `1,234,567 of 3,000,000`."""
    done = f"{telemetry.total.received:,}"
    return done if telemetry.expected is None else f"{done} of {telemetry.expected:,}"


def share(telemetry: Telemetry) -> float | None:
    """How much of the whole is accounted for, between 0 and 1, where the whole is known; all of nothing is 1."""
    if telemetry.expected is None:
        return None
    return min(1.0, telemetry.total.received / telemetry.expected) if telemetry.expected else 1.0


def percent(part: float) -> str:
    """A share in percent, rounded down, so that 100 % is said of the whole only."""
    return "100 %" if part >= 1 else f"{math.floor(part * 1000) / 10:.1f} %"


def pace(status: Status) -> Iterator[str]:
    """How fast it goes and how long still, while rows are to come; of a run that has ended, how long it and its proof took."""
    if status.variant in STORING | {"waiting"}:
        yield f"{status.rows_per_second:,.0f}/s"
        if status.eta_seconds is not None:
            yield f"ETA {duration(status.eta_seconds)}"
    if status.variant in ENDED:
        yield f"in {duration(status.seconds)}"
        if status.proof_seconds:
            yield f"proof {duration(status.proof_seconds)}"


def waiting(status: Status) -> Iterator[str]:
    """How much of what a live source has received is still to be stored."""
    if status.rows_waiting is not None and status.variant not in ENDED:
        yield f"{status.rows_waiting:,} waiting"


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any: `0:08`, `1:02:03`."""
    if not seconds < LONGEST_S:
        return "over 100 h"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def requests(telemetry: Telemetry) -> Iterator[str]:
    """Requests, where there were any, and those that did not go smoothly: `requests 250 (2 throttled, 1 retried)`."""
    counters = telemetry.counters
    if not counters["requests_total"]:
        return
    rough = [(counters["responses_throttled_total"], "throttled"), (counters["requests_retried_total"], "retried")]
    told = ", ".join(f"{count:,} {what}" for count, what in rough if count)
    yield f"requests {counters['requests_total']:,}" + (f" ({told})" if told else "")


def troubles(telemetry: Telemetry) -> Iterator[str]:
    """What a good run has none of."""
    if telemetry.total.refused:
        yield f"refused {telemetry.total.refused:,}"
    if reconnects := telemetry.counters["reconnects_total"]:
        yield f"reconnects {reconnects:,}"
    if telemetry.database_restarts:
        yield f"database restarts {telemetry.database_restarts:,}"


def by_state(workers: Collection[Worker]) -> str:
    """How many workers do what: `31 reading, 9 writing`."""
    return ", ".join(f"{count} {state}" for state, count in Counter(worker.state for worker in workers).most_common())


def one_line(message: str) -> str:
    """A message as people may see it: without credentials, line ends and whatever else a terminal would act upon."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in redacted(message)).split())


def _breakdown(status: Status) -> Iterator[str]:
    if len(status.workers) > WORKERS_NAMED:
        yield f"{len(status.workers)} workers: {by_state(status.workers.values())}"
        return
    for number, worker in status.workers.items():
        yield f"w{number} {worker.state} {worker.rows:,}"
