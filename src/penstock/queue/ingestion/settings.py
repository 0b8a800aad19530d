"""What a queue can be told. The first names and their defaults are those of document 001."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeGuard

from penstock.queue.ingestion.errors import QueueSettingsUnusable

Overflow: TypeAlias = Literal["block", "shed_lowest", "spill"]

WEIGHTS = (16, 8, 4, 2, 1)
"""Items of each priority in one round, where all five have some waiting."""

OVERDUE_AFTER_S = 20.0
"""A priority that has had something waiting for so long has its turn before the others. That is within 30 s: up to four others may be
overdue with it, and go before it with one item each."""


LONGEST_S = 1e9
"""Nobody waits longer: 31 years."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How much a queue holds, where it keeps it, and how often it tries.

    `max_size` bounds the items that wait (with `overflow` `block` or `shed_lowest`) and always those that are held in memory: leased ones
    and, of each priority, ones whose time has not come. `flush_interval_sec` is the longest time that processed items wait to be written
    down, if none takes longer, and about that between two gap records of shed ones; it says nothing about what `enqueue` has returned,
    which is on disk with `persist_to_disk`. `overflow` None is `spill` on disk and `shed_lowest` in memory.
    """

    max_size: int = 10_000
    batch_size: int = 100
    flush_interval_sec: float = 5.0
    persist_to_disk: bool = False
    persist_path: str | Path = "data/ingestion_queue"
    overflow: Overflow | None = None
    block_timeout_sec: float = 10.0
    lease_timeout_sec: float = 60.0
    max_attempts: int = 3
    retry_delay_sec: float = 0.1
    max_retry_delay_sec: float = 30.0
    dedup_window_sec: float = 0.0
    max_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        if faults := list(self._faults()):
            raise QueueSettingsUnusable("; ".join(faults))

    @property
    def when_full(self) -> Overflow:
        """`overflow`, or its default."""
        return self.overflow or ("spill" if self.persist_to_disk else "shed_lowest")

    def _faults(self) -> Iterator[str]:
        for name, (fits, wanted) in _WANTED.items():
            if not fits(value := getattr(self, name)):
                yield f"{name} must be {wanted}, and is {value!r}"
        if self.overflow == "spill" and not self.persist_to_disk:
            yield "overflow = 'spill' keeps items on disk, and persist_to_disk is off"


def micros(seconds: float) -> int:
    """In microseconds, up to `LONGEST_S`."""
    return int(min(seconds, LONGEST_S) * 1e6)


def _is_number(value: object) -> TypeGuard[float]:
    return type(value) is int or type(value) is float


_COUNT = (lambda value: type(value) is int and value >= 1), "at least 1"
_SECONDS = (lambda value: _is_number(value) and 0 <= value < math.inf), "0 or more"

_WANTED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("max_size", "batch_size", "max_attempts", "max_bytes"), _COUNT),
    **dict.fromkeys(("flush_interval_sec", "block_timeout_sec", "retry_delay_sec", "max_retry_delay_sec", "dedup_window_sec"), _SECONDS),
    "lease_timeout_sec": ((lambda value: _is_number(value) and 0 < value < math.inf), "more than 0"),
    "persist_to_disk": ((lambda value: type(value) is bool), "true or false"),
    "persist_path": ((lambda value: isinstance(value, str | Path) and str(value) != ""), "the path of a folder"),
    "overflow": ((lambda value: value in (None, "block", "shed_lowest", "spill")), "'block', 'shed_lowest' or 'spill'"),
}
