"""What the last words of every run have: how fast it went, and where the data is."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.engine.telemetry import Telemetry
from penstock.model.counts import counted


def speed(telemetry: Telemetry, proven: str) -> Iterator[str]:
    """How fast it went, and what it cost; `proven` is what came after the last row."""
    status, counters, before = telemetry.status(), telemetry.counters, telemetry.before
    brought = counters["rows_stored_total"]
    if before.received and not counters["rows_received_total"]:
        yield f"Nothing new: {_were(before.stored)} before. Verified again in {status.proof_seconds:.1f} s."
    else:
        resumed = f", on top of {before.stored:,} stored before" if before.received else ""
        rate = f"{counted(brought, 'new row' if resumed else 'row')} in {status.seconds:.1f} s, {per_second(telemetry):,.0f} a second"
        yield f"{rate}{resumed}; {proven} in {status.proof_seconds:.1f} s."
    if counters["requests_total"]:
        throttled, retried = counters["responses_throttled_total"], counters["requests_retried_total"]
        yield f"{counted(counters['requests_total'], 'request')}, {throttled:,} throttled, {retried:,} retried."


def _were(rows: int) -> str:
    return f"{counted(rows, 'row')} {'was' if rows == 1 else 'were'} stored"


def place(what: str, where: str, command: str) -> Iterator[str]:
    """Where the data is, and the command that shows it."""
    yield f"The data is in {what}"
    yield f"  {where}"
    yield "To look at it:"
    yield f"  {command}"


def per_second(telemetry: Telemetry) -> float:
    """Rows that this run stored, by the time until its last one was settled."""
    seconds = telemetry.status().seconds
    return round(telemetry.counters["rows_stored_total"] / seconds, 1) if seconds else 0.0
