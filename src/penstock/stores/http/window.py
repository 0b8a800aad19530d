"""Windows of time: what an API is asked for, and which of the rows it then gives belong to the window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from penstock.reliability.headers import FIRST_EPOCH_MS
from penstock.stores.http.settings import TimeFilter, TimeFormat

DAY_MS = 86_400_000
UNITS_MS: Mapping[TimeFormat, int] = {"iso8601": 1_000, "date": DAY_MS, "epoch_s": 1_000, "epoch_ms": 1}


@dataclass(frozen=True, slots=True)
class Window:
    """Rows whose time is at or after `low_ms` (None: any) and before `high_ms`, in epoch milliseconds."""

    filter: TimeFilter
    low_ms: int | None
    high_ms: int

    @property
    def query(self) -> dict[str, str]:
        """Parameters that ask for the window, one unit of the format wider on each side.

        APIs differ in whether a bound is part of what it bounds, and round; what comes too much is left out here.
        """
        unit_ms, parameters = UNITS_MS[self.filter.format], {}
        if self.low_ms is not None:
            parameters[self.filter.since] = written(self.low_ms // unit_ms * unit_ms - unit_ms, self.filter.format)
        if self.filter.until:
            parameters[self.filter.until] = written(-(-self.high_ms // unit_ms) * unit_ms + unit_ms, self.filter.format)
        return parameters

    def holds(self, row: Mapping[str, object]) -> bool:
        """Whether a row belongs to the window; raises as `read_ms` where it has no time."""
        moment_ms = read_ms(row.get(self.filter.column))
        return (self.low_ms is None or moment_ms >= self.low_ms) and moment_ms < self.high_ms


def written(moment_ms: int, format_: TimeFormat) -> str:
    """A moment as the API takes it."""
    if format_ == "epoch_ms":
        return str(moment_ms)
    if format_ == "epoch_s":
        return str(moment_ms // 1000)
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%d" if format_ == "date" else "%Y-%m-%dT%H:%M:%SZ")


def read_ms(value: object) -> int:
    """Epoch milliseconds, rounded down, of ISO 8601 or of seconds or milliseconds since 1970; without a zone it is UTC.

    Raises:
        TypeError, ValueError: it is none of them.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int((moment - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000 // 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no moment")
    return int(value * (1 if abs(value) >= FIRST_EPOCH_MS else 1000) // 1)
