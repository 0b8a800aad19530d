"""How what was lost is put into words."""

from __future__ import annotations

from datetime import UTC, datetime

from penstock.model.counts import counted
from penstock.model.gaps import SHED, Loss


def lost(loss: Loss) -> str:
    """What was lost, how much as far as it is known, and when: `Lost upstream (reader failed): unknown how many in 2 gaps`."""
    known = counted(loss.count, "record") if loss.count or not loss.uncounted else ""
    unknown = f"unknown how many in {counted(loss.uncounted, 'gap')}" if loss.uncounted else ""
    times = list(dict.fromkeys(_time(moment) for moment in (loss.since, loss.until) if moment is not None))
    what = "Let go" if loss.cause == SHED else f"Lost upstream ({loss.cause})"
    return f"{what}: {' and '.join(filter(None, [known, unknown]))}{', ' if times else ''}{' to '.join(times)}"


def _time(moment_us: int) -> str:
    return f"{datetime.fromtimestamp(moment_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}Z"
