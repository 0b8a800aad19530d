"""A python stage that takes its time, so that a kill finds a run in the middle."""

from __future__ import annotations

import time
from typing import Any


def slowly(row: dict[str, Any]) -> dict[str, Any]:
    """The row, some time later."""
    time.sleep(0.0001)
    return row
