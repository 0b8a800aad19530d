"""The documented JSON object of a run: what `/status` answers, and `--progress json` writes each second."""

from __future__ import annotations

from penstock.engine.telemetry import Telemetry
from penstock.model.redaction import redacted


def snapshot(telemetry: Telemetry) -> dict[str, object]:
    """This moment: the status, what the run had to put up with, and every counter of this run by its name in the catalogue."""
    status = telemetry.status()
    return {
        **status.as_json(),
        "message": redacted(status.message),
        "seconds_since_progress": since_progress_s(telemetry),
        "notices": [redacted(notice) for notice in telemetry.notices],
        "database_restarts": telemetry.database_restarts,
        "counters": dict(telemetry.counters.values),
    }


def since_progress_s(telemetry: Telemetry) -> float:
    """Seconds since something was stored, or since the run began."""
    return round(telemetry.clock() - telemetry.progressed, 3)
