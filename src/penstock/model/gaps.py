"""Records that did not come: what was lost before it could be kept, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHED = "shed"
"""The cause of a gap of records that did come, and were let go because there was no room for them."""

UNREADABLE = "unreadable"
"""The cause of a gap of records that did come, and of which nobody could make anything."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a stream of which nothing is kept: why, how many records it had (None: nobody knows), and from when to when.

    Both times are microseconds since 1970, None where they are unknown. Causes are few: numbers and names do not belong into one.
    """

    cause: str
    count: int | None = None
    since: int | None = None
    until: int | None = None

    def joined(self, other: Gap) -> Gap:
        """Both as one gap, of the same cause."""
        loss = Loss.of(self) + Loss.of(other)
        return Gap(self.cause, None if loss.uncounted else loss.count, loss.since, loss.until)


@dataclass(frozen=True, slots=True)
class Loss:
    """All gaps of a cause: how many there were, and the records of those that say how many; `uncounted` of them do not.

    `since` is when the first one began, `until` when the last one ended, as with a gap.
    """

    cause: str
    gaps: int
    count: int
    uncounted: int
    since: int | None
    until: int | None

    @classmethod
    def of(cls, gap: Gap) -> Loss:
        """The loss that one gap is."""
        return cls(gap.cause, 1, gap.count or 0, int(gap.count is None), gap.since, gap.until)

    def __add__(self, other: Loss) -> Loss:
        return Loss(
            self.cause,
            self.gaps + other.gaps,
            self.count + other.count,
            self.uncounted + other.uncounted,
            min((moment for moment in (self.since, other.since) if moment is not None), default=None),
            max((moment for moment in (self.until, other.until) if moment is not None), default=None),
        )


def by_cause(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """One loss for each cause, in the order of their names, so that what is kept does not grow with the number of gaps."""
    found = dict[str, Loss]()
    for loss in losses:
        found[loss.cause] = found[loss.cause] + loss if loss.cause in found else loss
    return tuple(found[cause] for cause in sorted(found))
