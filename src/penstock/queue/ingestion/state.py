"""What a queue knows at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from penstock.queue.ingestion.custody import Custody
from penstock.queue.ingestion.keys import Keys


class Outcome(IntEnum):
    """What became of items; the last two speak of dead letters."""

    PROCESSED = 0
    AGAIN = 1
    DEAD = 2
    SHED = 3
    LOST = 4
    RETRIED = 5
    CLEARED = 6


@dataclass(slots=True)
class Account:
    """What has happened in a queue since it was made. Of the items that were shed `told` are in gap records; `refused` never came in."""

    totals: list[int] = field(default_factory=lambda: [0] * len(Outcome))
    told: int = 0
    refused: int = 0

    def count(self, outcome: Outcome, number: int) -> None:
        """So many items came to this."""
        self.totals[outcome] += number

    def __getitem__(self, outcome: Outcome) -> int:
        return self.totals[outcome]


@dataclass(slots=True)
class State:
    """Who has what, what has happened, which keys are known, and under which tokens nothing was replaced after all.

    `latest_us` is when the journal was last written before this process.
    """

    custody: Custody
    account: Account
    keys: Keys
    voids: set[int] = field(default_factory=set)
    latest_us: int = 0
