"""The state of a queue as its log tells it: the journal, and the entries that were appended again since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import msgspec

from penstock.queue.ingestion.custody import Custody
from penstock.queue.ingestion.item import Again, envelope, identity
from penstock.queue.ingestion.journal import Record, Snapshot, outcome, read, recover, replay
from penstock.queue.ingestion.keys import Keys
from penstock.queue.ingestion.lane import Lane, Stretch
from penstock.queue.ingestion.lanes import DELIVERED, JOURNAL
from penstock.queue.ingestion.settings import OVERDUE_AFTER_S, WEIGHTS, QueueSettings, micros
from penstock.queue.ingestion.state import Account, Outcome, State
from penstock.queue.ingestion.turns import Turns
from penstock.queue.log import Entries, Place, ReadableLog

READ_BYTES = 1 << 20


def recovered(log: ReadableLog, settings: QueueSettings, leases: Callable[[Custody], None] = recover) -> State:
    """What a queue knows when it is opened; `leases` sees to those that have not ended."""
    lanes = [Lane(number, kept.end.offset) for number, kept in enumerate(log.kept()[:JOURNAL])]
    custody = Custody(lanes, Turns(WEIGHTS, OVERDUE_AFTER_S), settings.max_size)
    state = State(custody, Account(), Keys(micros(settings.dedup_window_sec), settings.max_size))
    seen = _replay(log, state)
    leases(custody)
    for lane in lanes:
        lane.cut()
    for lane in lanes:
        _apply(log, lane, seen[lane.number], state)
    for lane, kept in zip(lanes, log.kept(), strict=False):
        state.account.count(Outcome.PROCESSED, lane.settle(0, kept.first.offset) if lane.number < DELIVERED else 0)
    state.voids.clear()
    return state


def _replay(log: ReadableLog, state: State) -> list[int]:
    """Follow the journal from its last whole state on; up to where that had seen each lane."""
    seen = [0] * JOURNAL
    for entries in _journal(log):
        state.latest_us = max(state.latest_us, entries.appended_us)
        for record in _records(entries):
            if isinstance(record, Snapshot):
                seen = [lane.seen for lane in record.lanes]
            replay(record, state)
    return seen


def _journal(log: ReadableLog) -> Iterator[Entries]:
    place: Place = log.kept()[JOURNAL].first
    for entries in log.marked(JOURNAL):
        place = entries.first
    while found := log.read(place, READ_BYTES):
        yield from found
        place = found[-1].end


def _records(entries: Entries) -> Iterator[Record]:
    for body in entries.bodies:
        with suppress(msgspec.DecodeError):
            yield read(body)


def _apply(log: ReadableLog, lane: Lane, seen: int, state: State) -> None:
    """Entries that replace others, and entries with keys, that the journal does not know of."""
    for entries in log.marked(lane.number):
        for offset, body in enumerate(entries.bodies, entries.first.offset):
            found = envelope(body) if offset >= seen else None
            if found is None:
                continue
            if found.again is not None:
                _replace(Stretch(lane.number, offset, offset + 1), found.again, state)
            elif found.key is not None:
                state.keys.remember(found.key, identity(entries.first, offset), entries.appended_us)


def _replace(by: Stretch, again: Again, state: State) -> None:
    """Settle the entry that another one replaces; or the other one, where nobody was ever told that it is there."""
    replaced = state.custody.lanes[again.lane]
    if again.token in state.voids:
        number = state.custody.settle([by])
        state.account.count(Outcome.AGAIN, number if by.lane < DELIVERED else 0)
    elif again.offset < replaced.end:
        state.account.count(outcome(by.lane, again.lane), replaced.settle(again.offset, again.offset + 1))
