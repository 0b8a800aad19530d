"""From entries of the log to items in somebody's hands."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.model.gaps import Gap
from penstock.queue.ingestion.item import PRIORITIES, Envelope, Origin, QueueItem, envelope, envelopes, identity
from penstock.queue.ingestion.lane import Lane, Stretch
from penstock.queue.log import Entries

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
        origin = _origin(entries, self.token)
        self.items += [QueueItem(one.source, one.data, 0, "", origin, offset) for offset, one in enumerate(fresh, whole.start)]
        self.stretches.append(whole)

    def _add_one(self, lane: Lane, entries: Entries, offset: int, body: bytes) -> None:
        tried = lane.tried.get(offset)
        one = item(entries, offset, body, self.token, tried=tried.attempts if tried else 0)
        if one.origin.due_us > self.now_us:
            lane.put_aside(offset, one.origin.due_us)
            return
        self.stretches.append(Stretch(lane.number, offset, offset + 1))
        if one.error == FOREIGN or (tried and tried.proven and one.attempts >= self.max_attempts):
            self.dead.append(one)
            return
        self.items.append(one)
        if tried and one.attempts >= self.max_attempts:
            self.last_chance = self.stretches[-1]


def item(entries: Entries, offset: int, body: bytes, token: int = 0, tried: int = 0) -> QueueItem:
    """The item that an entry speaks of, `tried` so many times since it was appended. The bytes of one that is none of ours are its data."""
    found, origin = envelope(body), _origin(entries, token)
    if found is None:
        return QueueItem("", bytes(body), tried, FOREIGN, origin, offset)
    again = found.again
    if again is None:
        return QueueItem(found.source, found.data, tried, "", origin, offset)
    own = Origin(token, origin.lane, origin.prefix, PRIORITIES[again.priority], again.enqueued_us, again.id, again.due_us)
    return QueueItem(found.source, found.data, again.attempts + tried, again.error, own, offset)


def _origin(entries: Entries, token: int) -> Origin:
    lane = entries.first.lane
    return Origin(token, lane, identity(entries.first, ""), PRIORITIES[min(lane, len(PRIORITIES) - 1)], entries.appended_us)
