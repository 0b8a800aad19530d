"""Handing items out: whose turn it is, what stands there, and the note of who has it, which outlives the process, before he has it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from penstock.model.errors import PenstockError
from penstock.queue.ingestion.again import bury
from penstock.queue.ingestion.errors import StaleLease
from penstock.queue.ingestion.found import Found
from penstock.queue.ingestion.item import QueueItem
from penstock.queue.ingestion.journal import Ended, Leased
from penstock.queue.ingestion.lanes import DELIVERED
from penstock.queue.ingestion.reading import Reader
from penstock.queue.ingestion.settings import QueueSettings, micros
from penstock.queue.ingestion.showing import waiting
from penstock.queue.ingestion.state import Outcome
from penstock.queue.ingestion.steps import Steps
from penstock.queue.ingestion.store import Store
from penstock.queue.log import LogFull
from penstock.queue.pending import Pending

PUT_OFF_US = 1_000_000
"""How long a dead letter waits for room before it is looked at again."""


class Leasing:
    """Hands out what waits in a store."""

    def __init__(self, store: Store, settings: QueueSettings) -> None:
        self._store = store
        self._settings = settings
        self._readers = [Reader(store.log, lane) for lane in range(DELIVERED)]

    def lease(self, limit: int, wait_us: int, given_up: Callable[[], bool] = lambda: False) -> Steps[list[QueueItem]]:
        """At most `limit` items, as soon as there are any; none when there are none for so long, or it was `given_up`."""
        store = self._store
        until_us = store.clock_us() + wait_us
        while True:
            ticket = store.changed.ticket
            with store.lock:
                found, noted = self._hand_out(limit)
                next_us = store.state.custody.next_event_us()
            try:
                if found.dead or found.gaps:
                    yield from self._put_away(found)
                if found.items:
                    if noted is not None:
                        yield from self._outlive(noted)
                    return found.items
            except BaseException:
                self._take_back(found)
                raise
            now_us = store.clock_us()
            if not found.dead and not found.gaps:
                if now_us >= until_us or given_up():
                    return []
                yield store.changed.wait(ticket, max(0, min(until_us, next_us) - now_us) / 1e6)

    def peek(self, limit: int) -> list[QueueItem]:
        """The items that wait, without taking them: those of each priority in order, the highest priority first."""
        store = self._store
        with store.lock:
            store.refresh()
            return waiting(store.log, store.state.custody.by_turns, limit)

    def _hand_out(self, limit: int) -> tuple[Found, Pending | None]:
        store, custody = self._store, self._store.state.custody
        now_us = store.clock_us()
        store.refresh()
        custody.bring_back(now_us)
        for token in custody.run_out(now_us):
            store.note(Ended(token))
        found = self._find(limit, now_us)
        if not found.stretches:
            return found, None
        lease = custody.lease(found.stretches, now_us + micros(self._settings.lease_timeout_sec))
        return found, store.note(Leased(lease.token, lease.stretches))

    def _find(self, limit: int, now_us: int) -> Found:
        """What there is to hand out. One under suspicion comes alone, and on its last chance while nobody else has anything."""
        custody = self._store.state.custody
        found = Found(custody.next_token, now_us, self._settings.max_attempts)
        while len(found.items) < limit:
            picked = custody.pick(limit - len(found.items), now_us, alone_too=not found.stretches)
            for lane, start, end in picked:
                for entries in self._readers[lane].read(start, end):
                    found.add(custody.lanes[lane], entries)
            if not picked or picked[0].start in custody.lanes[picked[0].lane].tried:
                break
        if found.last_chance is not None:
            if custody.leases:
                custody.wait_for_last_chance(found.last_chance)
                return Found(found.token, now_us, found.max_attempts)
            custody.last_chance = found.last_chance
        return found

    def _put_away(self, found: Found) -> Steps[None]:
        """Dead letters, and gaps: what cannot be handed out. Without room for them they wait, unless there is nothing else."""
        store = self._store
        try:
            with suppress(StaleLease):  # then it took so long that somebody else sees to them
                yield from bury(store, found.dead)
            for place, gap in found.gaps:
                yield from store.record_gap(gap)
                with store.lock:
                    store.settle_lazily(Outcome.LOST, [place])
        except LogFull:
            self._put_off(found)
            if not found.items and not found.dead:
                raise

    def _put_off(self, found: Found) -> None:
        """There is no room for dead letters and gaps: they wait, and leave others their turns, which makes room."""
        store, custody = self._store, self._store.state.custody
        with store.lock:
            now_us = store.clock_us()
            custody.run_out(now_us)
            for one in found.dead:
                custody.lanes[one.origin.lane].taken.add(one.offset, one.offset + 1)
                custody.lanes[one.origin.lane].put_aside(one.offset, now_us + PUT_OFF_US)
            for place, _ in found.gaps:
                custody.lanes[place.lane].give_back(place.start, place.end)

    def _outlive(self, noted: Pending) -> Steps[None]:
        """Wait until the lease will be known after a crash. Where it cannot be written, an attempt may not be counted."""
        with suppress(PenstockError):
            yield noted

    def _take_back(self, found: Found) -> None:
        """Nobody gets what was found: it waits again, untried."""
        store = self._store
        with store.lock:
            if found.stretches:
                store.give_back(found.token)
            for place, _ in found.gaps:
                store.state.custody.lanes[place.lane].give_back(place.start, place.end)
        store.changed.ring()
