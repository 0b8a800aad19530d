"""What the simulated API served, from its own side: the number no client can argue with."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from penstock.simulate.keys import Span


class Audit:
    """Counts answers, and how often each row left in a whole, faultless page."""

    def __init__(self, rows: int) -> None:
        self.requests = 0
        self.paths: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self._served = np.zeros(rows, np.uint16)

    def served(self, span: Span) -> None:
        """These rows left once more."""
        self._served[span.first : span.last] += 1

    @property
    def rows_served(self) -> int:
        """Rows in all whole pages, repeated ones counted again."""
        return int(self._served.sum())

    @property
    def rows_seen(self) -> int:
        """Rows served at least once."""
        return int(np.count_nonzero(self._served))

    @property
    def served_twice(self) -> int:
        """Rows served more than once."""
        return int(np.count_nonzero(self._served > 1))

    def facts(self) -> dict[str, object]:
        """Everything, as JSON takes it."""
        return {
            "requests": self.requests,
            "rows_served": self.rows_served,
            "rows_seen": self.rows_seen,
            "served_twice": self.served_twice,
            "paths": dict(sorted(self.paths.items())),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "faults": dict(sorted(self.faults.items())),
        }
