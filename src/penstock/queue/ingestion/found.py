"""From entries of the log to items in somebody's hands."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.queue.ingestion.item import PRIORITIES, Envelope, QueueItem, QueuePriority, envelope, envelopes, identity
from penstock.queue.ingestion.lane import Lane, Stretch
from penstock.queue.log import Entries, Gap

FOREIGN = "this entry of the log is none of a queue"


@dataclass(slots=True)
class Found:
    """What stood at the offsets that were picked, at `now_us`.

    `items` are to be handed out, `dead` are those that have no attempts left, or cannot be read as items; `stretches` is where both are,
    which `token` will stand for. What was lost is in `gaps`, with where it
    was. `last_chance` is the item alone that has used its attempts up
    without proof that it was the cause.
    """

    token: int
    now_us: int
    max_attempts: int
    items: list[QueueItem] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    dead: list[QueueItem] = field(default_factory=list)
    gaps: list[tuple[Stretch, Gap]] = field(default_factory=list)
    last_chance: Stretch | None = None

    def add(self, lane: Lane, entries: Entries) -> None:
        """See what is to become of entries that were picked."""
        start = entries.first.offset
        whole = Stretch(lane.number, start, start + entries.count)
        fresh = None if entries.marked or start in lane.tried else envelopes(entries.bodies)
        if entries.gap is not None:
            self.gaps.append((whole, entries.gap))
        elif fresh is not None:
            self._add_fresh(entries, whole, fresh)
        else:
            for offset, body in enumerate(entries.bodies, start):
                self._add_one(lane, entries, offset, body)

    def _add_fresh(self, entries: Entries, whole: Stretch, fresh: list[Envelope]) -> None:
        """Items that nothing has happened to yet."""
        lane, born_us, token, prefix = whole.lane, entries.appended_us, self.token, identity(entries.first, "")
        priority = PRIORITIES[lane]
        self.items += [
            QueueItem(f"{prefix}{offset}", one.source, one.data, priority, 0, born_us, "", token, lane, offset)
            for offset, one in enumerate(fresh, whole.start)
        ]
        self.stretches.append(whole)

    def _add_one(self, lane: Lane, entries: Entries, offset: int, body: bytes) -> None:
        tried = lane.tried.get(offset)
        one = item(entries, offset, body, self.token, tried=tried.attempts if tried else 0)
        if one.due_us > self.now_us:
            lane.put_aside(offset, one.due_us)
        elif one.error == FOREIGN or (tried and tried.proven and one.attempts >= self.max_attempts):
            self.dead.append(one)
            self.stretches.append(Stretch(lane.number, offset, offset + 1))
        else:
            self.items.append(one)
            self.stretches.append(Stretch(lane.number, offset, offset + 1))
            if tried and one.attempts >= self.max_attempts:
                self.last_chance = self.stretches[-1]


def item(entries: Entries, offset: int, body: bytes, token: int = 0, tried: int = 0) -> QueueItem:
    """The item that an entry speaks of, `tried` so many times since it was appended. The bytes of one that is none of ours are its data."""
    lane, born_us, own_id = entries.first.lane, entries.appended_us, identity(entries.first, offset)
    found = envelope(body)
    if found is None:
        return QueueItem(own_id, "", bytes(body), _priority(lane), tried, born_us, FOREIGN, token, lane, offset)
    source, data, again = found.source, found.data, found.again
    if again is None:
        return QueueItem(own_id, source, data, _priority(lane), tried, born_us, "", token, lane, offset)
    priority, attempts, born_us, due_us = PRIORITIES[again.priority], again.attempts + tried, again.enqueued_us, again.due_us
    return QueueItem(again.id or own_id, source, data, priority, attempts, born_us, again.error, token, lane, offset, due_us)


def _priority(lane: int) -> QueuePriority:
    return PRIORITIES[min(lane, len(PRIORITIES) - 1)]
