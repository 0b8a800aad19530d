"""The log of a queue with the journal in it: whatever happens to items is written there before, or as, it counts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from penstock.model.errors import PenstockError
from penstock.model.gaps import Gap
from penstock.queue.ingestion.journal import Record, Returned, Settled, Snapshot, Void, snapshot, written
from penstock.queue.ingestion.lane import Stretch
from penstock.queue.ingestion.lanes import DELIVERED, GAPS, JOURNAL
from penstock.queue.ingestion.state import Outcome, State
from penstock.queue.ingestion.steps import Bell, Blocking, Certain, Steps
from penstock.queue.log import AppendUnknown, Log, LogClosed, LogFull, Place
from penstock.queue.pending import Pending

CONSUMER = "queue"

RECORDS = 4_096
ITEMS = 65_536
"""After so many records, or settled items, the journal begins anew with the whole state, and what nobody needs any more is released."""

MOST_GAPS = 10_000
"""Records of gaps that are kept."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A record on its way into the journal; with the whole state, what may be released when it is there. In memory there is none."""

    pending: Pending | None
    floors: Sequence[Place] = ()


class Store:
    """Entries of a queue, who has them, and how that is remembered. `lock` is held by whoever uses `state`.

    Memory is ahead of the journal by what is being appended to it. Where that fails, the next record is the whole state, and nothing that
    came after the failure is answered before it.
    """

    def __init__(self, log: Log, state: State, clock_us: Callable[[], int]) -> None:
        self.log = log
        self.state = state
        self.clock_us = clock_us
        self.lock = threading.Lock()
        self.changed = Bell()
        self.closed = False
        self._owing = log.durable
        self._watched: deque[Pending] = deque()
        self._records = self._items = 0
        self._marking: dict[object, list[int]] = {}
        self._stale = True
        log.register(CONSUMER)
        self._stop_listening = log.listen(self._heard)

    def _heard(self) -> None:
        self._stale = True
        self.changed.ring()

    def refresh(self) -> None:
        """Take notice of what was appended; with the lock. Raises `LogClosed`."""
        if self.closed:
            raise LogClosed
        if self._stale:
            self._stale = False
            for lane, end in zip(self.state.custody.lanes, self.log.ends(), strict=False):
                lane.end = end

    def append(self, lane: int, bodies: Sequence[bytes], *, marked: bool = False) -> Steps[Place]:
        """Append entries; where the log is full, after everything was released that can be."""
        try:
            pending = self.log.append(lane, bodies, marked=marked, wake=False)
            place: Place = yield Certain(pending) if marked else pending
        except LogFull:
            yield from self.make_room()
            pending = self.log.append(lane, bodies, marked=marked, wake=False)
            place = yield Certain(pending) if marked else pending
        return place

    def append_marked(self, lane: int, bodies: Sequence[bytes], follow: Callable[[Place], None]) -> Steps[Place]:
        """Append entries that a recovery has to look at; as soon as they are durable, let what comes of them `follow`, with the lock.

        Where it is unknown whether they are, the log is asked. What cannot be read now may still be found after a crash.
        """
        mark = object()
        with self.lock:
            self.refresh()
            ends = self._marking[mark] = [one.end for one in self.state.custody.lanes]
        try:
            try:
                place = yield from self.append(lane, bodies, marked=True)
            except AppendUnknown:
                if (found := self._find(lane, ends[lane], bodies)) is None:
                    raise
                place = found
        except GeneratorExit:  # abandoned: nobody will know, so it stays marked
            raise
        except BaseException:
            with self.lock:
                del self._marking[mark]
            raise
        with self.lock:
            follow(place)
            del self._marking[mark]
        return place

    def _find(self, lane: int, offset: int, bodies: Sequence[bytes]) -> Place | None:
        for entries in self.log.marked(lane):
            if entries.first.offset >= offset and list(entries.bodies) == list(bodies):
                return entries.first
        return None

    def settle(self, outcome: Outcome, stretches: Sequence[Stretch], tokens: Iterable[int] = ()) -> Steps[int]:
        """These items are done with: durable on return. How many of them were not before."""
        with self.lock:
            number = self._settle(outcome, stretches, tokens)
            writing = self._begin(Settled(outcome, list(stretches)))
        yield from self._end(writing)
        return number

    def settle_lazily(self, outcome: Outcome, stretches: Sequence[Stretch], tokens: Iterable[int] = ()) -> int:
        """As `settle`, with the lock, for what the entries themselves would say again after a crash, or what may come again."""
        number = self._settle(outcome, stretches, tokens)
        if self.log.durable:
            self.note(Settled(outcome, list(stretches)))
        else:
            self.log.release(CONSUMER, self.floors(JOURNAL))
        return number

    def _settle(self, outcome: Outcome, stretches: Sequence[Stretch], tokens: Iterable[int]) -> int:
        custody = self.state.custody
        number = custody.settle(stretches)
        self.state.account.count(outcome, number)
        self._items += number
        for token in tokens:
            custody.close(token)
        return number

    def give_back(self, token: int, parts: Sequence[Stretch] | None = None) -> None:
        """What is left of a lease, or these parts of it, was not tried; with the lock."""
        custody = self.state.custody
        if token in custody.leases and parts != []:
            parts = custody.left(custody.leases[token]) if parts is None else parts
            self.note(Returned(token, list(parts)))
            custody.end(custody.carve(token, parts).token)

    def note(self, record: Record) -> Pending | None:
        """Put a record into the journal, with the lock; it outlives the process when the answer has come. None where there is no room."""
        if not self.log.durable:
            return None
        try:
            return self._append(record, sync=False)
        except LogFull:
            self._owing = True
            return None

    def _append(self, record: Record, *, sync: bool = True) -> Pending:
        whole = isinstance(record, Snapshot)
        pending = self.log.append(JOURNAL, [written(record)], marked=whole, sync=sync, wake=False)
        self._watched.append(pending)
        self._records += 1
        return pending

    def _owes(self) -> bool:
        """Whether a record is missing in the journal, and has to be made up for by the whole state; with the lock."""
        while self._watched and (outcome := self._watched[0].outcome) is not None:
            self._watched.popleft()
            self._owing = self._owing or isinstance(outcome, PenstockError)
        return self._owing

    def _begin(self, record: Record | None) -> Writing | None:
        """Begin to write a record, or the whole state where that is due; with the lock. None where there is no room."""
        if not self.log.durable:
            return Writing(None, self.floors(JOURNAL))
        try:
            if record is None or self._owes() or self._records >= RECORDS or self._items >= ITEMS:
                return self._whole()
            return Writing(self._append(record))
        except LogFull:
            self._owing = True
            return None

    def _whole(self) -> Writing:
        self.refresh()
        custody = self.state.custody
        seen = [min(ends) for ends in zip(*([lane.end for lane in custody.lanes], *self._marking.values()), strict=True)]
        record = snapshot(self.state, seen, self.clock_us())
        writing = Writing(self._append(record), self.floors(JOURNAL))
        self._owing, self._records, self._items = False, 0, 0
        return writing

    def floors(self, lanes: int) -> Sequence[Place]:
        """Below these places nothing is needed any more, in the first so many lanes."""
        return [self.log.at(lane.number, lane.settled.floor()) for lane in self.state.custody.lanes[:lanes]]

    def _end(self, writing: Writing | None) -> Steps[None]:
        """Wait until a record is durable, and until there is nothing that should have been written before it."""
        if not (yield from self._written(writing)):
            yield from self.make_room()
        with self.lock:
            owes = self._owes()
        if owes:
            yield from self.save()
        self.changed.ring()

    def save(self) -> Steps[None]:
        """Write the whole state."""
        with self.lock:
            writing = self._begin(None)
        yield from self._end(writing)

    def _written(self, writing: Writing | None) -> Steps[bool]:
        """Wait for it; whether there was room."""
        if writing is None:
            return False
        floors = list(writing.floors)
        if writing.pending is not None:
            try:
                floors.append((yield writing.pending))
            except LogFull:
                return False
        if writing.floors:
            yield Blocking(lambda: self.log.release(CONSUMER, floors))
        return True

    def make_room(self) -> Steps[None]:
        """Release what can be; without a durable state where there is no room for one, which only lets dead letters come again.

        Raises:
            LogFull: there is still no room for the state.
        """
        with self.lock:
            writing = self._begin(None)
        if (yield from self._written(writing)):
            return
        with self.lock:
            floors = self.floors(DELIVERED)
        yield Blocking(lambda: self.log.release(CONSUMER, floors))
        with self.lock:
            writing = self._begin(None)
        if not (yield from self._written(writing)):
            raise LogFull("what was processed is known in memory only, until there is room again")

    def void(self, tokens: Iterable[int]) -> None:
        """What was appended under these tokens is not to count if it is ever found; with the lock, before anybody has its items again."""
        for token in tokens:
            self.state.voids.add(token)
            self.note(Void(token))

    def record_gap(self, gap: Gap) -> Steps[None]:
        """Keep the record of items that were shed or lost; of all such records the newest."""
        yield self.log.append_gap(GAPS, gap)
        with self.lock:
            self.refresh()
            lane = self.state.custody.lanes[GAPS]
            if lane.waiting > MOST_GAPS:
                self.settle_lazily(Outcome.CLEARED, lane.oldest(lane.waiting - MOST_GAPS))

    def close(self) -> None:
        """Let go of the log."""
        self.closed = True
        self._stop_listening()
        self.log.close()
        self.changed.ring()
