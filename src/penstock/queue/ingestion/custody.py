"""Who has what: the items of all lanes, the leases on them, and whose turn it is. No clock and no disk: both are handed in."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from penstock.queue.ingestion.lane import Lane, Stretch, Tried
from penstock.queue.ingestion.turns import Turns

NEVER_US = 1 << 62

TOKEN_BITS = 62


@dataclass(slots=True)
class Lease:
    """Items in somebody's hands until `until_us`; `token` says whose."""

    token: int
    until_us: int
    stretches: list[Stretch]


@dataclass(slots=True)
class Custody:
    """All lanes, and the leases on the items of those that take turns, which are the first ones.

    At most `most_in_hand` items are leased, and a lane hands out none while so many of its own are put aside: what is remembered is bounded
    by that, and not by how many wait, and what has to wait in one lane keeps no other one from its turn. Tokens begin anywhere, so that no
    lease of another queue, or of an earlier process, has the same.
    """

    lanes: list[Lane]
    turns: Turns
    most_in_hand: int
    leases: dict[int, Lease] = field(default_factory=dict)
    next_token: int = field(default_factory=lambda: secrets.randbits(TOKEN_BITS))
    last_chance: Stretch | None = None
    _held_up: list[Lane] = field(default_factory=list)
    _soonest_us: int = NEVER_US

    @property
    def in_hand(self) -> int:
        """How many items are leased."""
        return sum(lane.taken.total - lane.settled.total - len(lane.aside) for lane in self.by_turns)

    @property
    def by_turns(self) -> list[Lane]:
        """The lanes from which items are handed out."""
        return self.lanes[: self.turns.lanes]

    def pick(self, limit: int, now_us: int, *, alone_too: bool = True) -> list[Stretch]:
        """Take at most `limit` waiting items by turns, or one that is under suspicion, alone, if that is wanted.

        A lane whose turn comes to one under suspicion has it next time, before all others: it cannot be handed out together with theirs.
        What is not leased then has to be given back, put aside or settled.
        """
        if self.last_chance is not None:
            return self._pick_last_chance(self.last_chance)
        limit = min(limit, self.most_in_hand - self.in_hand)
        if alone_too and limit > 0 and self._held_up and (alone := self._held_up.pop(0).take(1)):
            return alone
        found: list[Stretch] = []
        waiting = [lane.waiting if len(lane.aside) < self.most_in_hand else 0 for lane in self.by_turns]
        shares = self.turns.shares(limit, waiting, now_us / 1e6)
        for lane, share in zip(self.by_turns, shares, strict=True):
            for stretch in lane.take(share) if share else ():
                if stretch.start not in lane.tried:
                    found.append(stretch)
                else:
                    lane.give_back(stretch.start)
                    self._held_up += [lane] if lane not in self._held_up else []
        return self._held_up.pop(0).take(1) if alone_too and self._held_up and not found else found

    def _pick_last_chance(self, chance: Stretch) -> list[Stretch]:
        """An item that has a last chance is handed out while nothing else is, so that what happens then is its own doing."""
        if self.leases:
            return []
        self.lanes[chance.lane].taken.add(chance.start, chance.end)
        return [chance]

    def wait_for_last_chance(self, chance: Stretch) -> None:
        """Give an item back that was picked, and hand nothing out before it."""
        self.last_chance = chance
        self.lanes[chance.lane].give_back(chance.start)

    def lease(self, stretches: Iterable[Stretch], until_us: int) -> Lease:
        """A lease on items that were picked."""
        lease = Lease(self.new_token(), until_us, _merged(stretches))
        self.leases[lease.token] = lease
        self._soonest_us = min(self._soonest_us, until_us)
        return lease

    def new_token(self) -> int:
        """One that no lease has had."""
        self.next_token += 1
        return self.next_token - 1

    def extend(self, token: int, until_us: int) -> None:
        """The lease ends at another time. Raises `KeyError` for one that has ended."""
        self.leases[token].until_us = until_us
        self._soonest_us = min(self._soonest_us, until_us)

    def held(self, token: int, part: Stretch) -> list[Stretch]:
        """What of a stretch belongs to a lease that has not ended, and is not settled."""
        lease = self.leases.get(token)
        return [
            Stretch(part.lane, first, after)
            for lane, start, end in (lease.stretches if lease is not None else [])
            if lane == part.lane and start < part.end and part.start < end
            for first, after in self.lanes[lane].settled.missing(max(start, part.start), min(end, part.end))
        ]

    def carve(self, token: int, stretches: Sequence[Stretch]) -> Lease:
        """Put a part of a lease into one of its own, which does not run out. Raises `KeyError` for a lease that has ended."""
        lease = self.leases[token]
        parts = sorted(stretches)
        lease.stretches = [rest for whole in lease.stretches for rest in _without(whole, parts)]
        carved = self.lease(parts, NEVER_US)
        self.close(token)
        return carved

    def settle(self, stretches: Iterable[Stretch]) -> int:
        """These are done with; how many of them were not before."""
        number = sum(self.lanes[lane].settle(start, end) for lane, start, end in stretches)
        if self.last_chance is not None and self.last_chance.start in self.lanes[self.last_chance.lane].settled:
            self.last_chance = None
        return number

    def left(self, lease: Lease) -> list[Stretch]:
        """What of a lease is not settled."""
        return [
            Stretch(lane, first, after)
            for lane, start, end in lease.stretches
            for first, after in self.lanes[lane].settled.missing(start, end)
        ]

    def close(self, token: int) -> None:
        """Forget a lease of which nothing is left."""
        if token in self.leases and not self.left(self.leases[token]):
            self._forget(token)

    def end(self, token: int) -> list[Stretch]:
        """The lease is over: what is left of it waits again."""
        left = self.left(self.leases[token])
        self._forget(token)
        for lane, start, end in left:
            self.lanes[lane].give_back(start, end)
        return left

    def end_all(self) -> None:
        """No lease is left; what was in them waits again."""
        for token in list(self.leases):
            self.end(token)

    def _forget(self, token: int) -> None:
        if self.leases.pop(token).stretches == [self.last_chance]:
            self.last_chance = None

    def run_out(self, now_us: int) -> list[int]:
        """End the leases whose time is over; what is left of them counts as tried. Their tokens."""
        if now_us < self._soonest_us:
            return []
        tokens = [token for token, lease in self.leases.items() if lease.until_us <= now_us]
        for token in tokens:
            self.blame(self.end(token))
        self._soonest_us = min((lease.until_us for lease in self.leases.values()), default=NEVER_US)
        return tokens

    def blame(self, left: Iterable[Stretch]) -> None:
        """A lease, or with a crash all of them, came to no end while these were in hand: one alone is proven to be the cause."""
        places = [(lane, offset) for lane, start, end in left for offset in range(start, end)]
        for lane, offset in places:
            before = self.lanes[lane].tried.get(offset, Tried(0, proven=False))
            self.lanes[lane].suspect(offset, Tried(before.attempts + 1, proven=len(places) == 1))

    def bring_back(self, now_us: int) -> None:
        """What was put aside and is due waits again."""
        for lane in self.lanes:
            if lane.aside:
                lane.bring_back(now_us)

    def next_event_us(self) -> int:
        """When a lease may end, or something that was put aside is due."""
        return min([self._soonest_us, *(lane.aside[0][0] for lane in self.lanes if lane.aside)])


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same places, where they follow each other as one stretch."""
    merged: list[Stretch] = []
    for stretch in stretches:
        if merged and merged[-1].lane == stretch.lane and merged[-1].end == stretch.start:
            merged[-1] = Stretch(stretch.lane, merged[-1].start, stretch.end)
        else:
            merged.append(stretch)
    return merged


def _without(whole: Stretch, parts: Iterable[Stretch]) -> list[Stretch]:
    """What is left of a stretch when the parts, which are in order, are taken out."""
    rest, start = [], whole.start
    for lane, part_start, part_end in parts:
        if lane == whole.lane and part_end > start and part_start < whole.end:
            if start < part_start:
                rest.append(Stretch(lane, start, part_start))
            start = part_end
    return [*rest, Stretch(whole.lane, start, whole.end)] if start < whole.end else rest
