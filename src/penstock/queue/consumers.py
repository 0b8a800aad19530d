"""Who reads a log, and how far: what everybody has let go of need not be kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from penstock.queue.log import Place


@dataclass(slots=True)
class Consumer:
    """The place in each lane before which it needs nothing, and when it was last there (microseconds since 1970)."""

    cursors: dict[int, Place]
    seen_us: int


@dataclass(slots=True)
class Consumers:
    """All consumers of a log; those that registered since it was opened are `present`."""

    retention_us: int
    known: dict[str, Consumer] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def register(self, name: str, firsts: Sequence[Place], now_us: int) -> Sequence[Place]:
        """Its cursors, lane by lane; in a lane where it has none, the first place that is kept."""
        consumer = self.known.setdefault(name, Consumer({}, now_us))
        for first in firsts:
            consumer.cursors.setdefault(first.lane, first)
        consumer.seen_us = now_us
        self.present.add(name)
        return [consumer.cursors[first.lane] for first in firsts]

    def release(self, name: str, upto: Iterable[Place], now_us: int) -> None:
        """Advance its cursors; they never go back. Raises `KeyError` for one that is not present."""
        if name not in self.present:
            raise KeyError(name)
        consumer = self.known[name]
        consumer.seen_us = now_us
        for place in upto:
            consumer.cursors[place.lane] = max(consumer.cursors[place.lane], place)

    def least(self, lane: int, now_us: int) -> Place | None:
        """The place before which nobody needs anything of the lane; None where nobody has ever read it.

        One that is neither present nor was seen within the retention is not waited for.
        """
        return min(
            (
                consumer.cursors[lane]
                for name, consumer in self.known.items()
                if lane in consumer.cursors and (name in self.present or now_us - consumer.seen_us < self.retention_us)
            ),
            default=None,
        )
