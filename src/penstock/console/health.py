"""Whether a run lives, whether it is under way, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from penstock.console.snapshot import since_progress_s
from penstock.engine.telemetry import ENDED, Telemetry, Variant, Worker
from penstock.model.redaction import redacted

STORING: frozenset[Variant] = frozenset({"planning", "running", "reconnecting"})
"""States in which rows have to arrive. A database may take its time to start and a proof its time to count, and neither stores a row."""


@dataclass(frozen=True, slots=True)
class Health:
    """Liveness, as `/health` answers it; `reason` is empty while all is well."""

    status: Literal["ok", "stalled", "failed"]
    reason: str
    state: Variant
    rows_stored: int
    rows_expected: int | None
    rows_waiting: int | None
    rows_per_second: float
    seconds_since_progress: float
    workers: Mapping[int, Worker]

    @property
    def alive(self) -> bool:
        """Whether to leave the process alone."""
        return self.status == "ok"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the run has come to carrying records, as `/ready` answers it; `reason` is empty when it has."""

    ready: bool
    reason: str
    state: Variant


def health(telemetry: Telemetry, *, stall_s: float) -> Health:
    """A run is stalled once nothing was stored for `stall_s` seconds while it should."""
    run = telemetry.status()
    silent_s = since_progress_s(telemetry)
    status: Literal["ok", "stalled", "failed"] = "ok"
    reason = ""
    if run.variant == "failed":
        status, reason = "failed", _told("the run failed", run.message)
    elif run.variant in STORING and silent_s >= stall_s:
        status, reason = "stalled", _told(f"nothing was stored for {silent_s:.0f} s", run.message)
    return Health(
        status=status,
        reason=reason,
        state=run.variant,
        rows_stored=run.rows_stored,
        rows_expected=run.rows_expected,
        rows_waiting=run.rows_waiting,
        rows_per_second=run.rows_per_second,
        seconds_since_progress=silent_s,
        workers=run.workers,
    )


def readiness(telemetry: Telemetry) -> Readiness:
    """Ready from the first row that a worker is sent for, through every reconnect, until a failure.

    A run that finds nothing to do sends nobody and is ready when it proves just that; one that waits for a live source receives.
    """
    state = telemetry.variant
    if state == "failed":
        return Readiness(ready=False, reason=_told("the run failed", telemetry.message), state=state)
    if telemetry.workers or state in {"waiting", "running", "proving"} | ENDED:
        return Readiness(ready=True, reason="", state=state)
    return Readiness(ready=False, reason=_told(f"the run is {state}", telemetry.message), state=state)


def _told(what: str, message: str) -> str:
    return f"{what}: {redacted(message)}" if message else what
