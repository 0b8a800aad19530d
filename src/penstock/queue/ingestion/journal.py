"""What became of items, as entries in a lane of the log: who has which, which are settled, and now and then the whole state at once.

Entries are MessagePack arrays whose first member says what they are. What is lost of the journal's end lets items come again that were
leased; it never loses one. A crash leaves leases without an end: what is left of them is tried once more than before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from penstock.queue.ingestion.custody import NEVER_US, Custody, Lease
from penstock.queue.ingestion.keys import Key
from penstock.queue.ingestion.lane import Stretch, Tried
from penstock.queue.ingestion.lanes import LETTERS
from penstock.queue.ingestion.state import Outcome, State


def outcome(lane: int, replaced: int) -> Outcome:
    """What becomes of an entry in one lane when it is replaced by one in another."""
    if lane == LETTERS:
        return Outcome.DEAD
    return Outcome.RETRIED if replaced == LETTERS else Outcome.AGAIN


class Leased(msgspec.Struct, frozen=True, array_like=True, tag="leased"):
    """Items were handed out."""

    token: int
    stretches: list[Stretch]


class Ended(msgspec.Struct, frozen=True, array_like=True, tag="ended"):
    """A lease ran out."""

    token: int


class Returned(msgspec.Struct, frozen=True, array_like=True, tag="returned"):
    """Items of a lease were given back as they were."""

    token: int
    stretches: list[Stretch]


class Settled(msgspec.Struct, frozen=True, array_like=True, tag="settled"):
    """Items are done with."""

    outcome: Outcome
    stretches: list[Stretch]


class Told(msgspec.Struct, frozen=True, array_like=True, tag="told"):
    """So many items that were shed are in a gap record by now."""

    count: int


class Void(msgspec.Struct, frozen=True, array_like=True, tag="void"):
    """Entries that would have replaced others under this token are not to count: it was never known whether they are there."""

    token: int


class LaneState(msgspec.Struct, frozen=True, array_like=True):
    """One lane. Entries below `seen` that were appended again have settled what they replace."""

    seen: int
    settled: list[tuple[int, int]]
    tried: list[tuple[int, int, bool]]


class Snapshot(msgspec.Struct, frozen=True, array_like=True, tag="state"):
    """Everything that the journal said before."""

    lanes: list[LaneState]
    leases: list[Leased]
    totals: list[int]
    told: int
    refused: int
    voids: list[int]
    keys: list[Key]


Record: TypeAlias = Leased | Ended | Returned | Settled | Told | Void | Snapshot

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def written(record: Record) -> bytes:
    """The entry that says it."""
    return _encode(record)


def read(entry: bytes) -> Record:
    """What an entry says. Raises `msgspec.DecodeError` for one that is none of ours."""
    record: Record = _decode(entry)
    return record


def snapshot(state: State, seen: Sequence[int], now_us: int) -> Snapshot:
    """The whole state."""
    custody, account = state.custody, state.account
    lanes = [
        LaneState(upto, list(lane.settled), [(offset, *tried) for offset, tried in lane.tried.items()])
        for lane, upto in zip(custody.lanes, seen, strict=True)
    ]
    leases = [Leased(lease.token, custody.left(lease)) for lease in custody.leases.values()]
    return Snapshot(lanes, leases, list(account.totals), account.told, account.refused, sorted(state.voids), state.keys.listed(now_us))


def replay(record: Record, state: State) -> None:
    """Let a state be followed by what a record says."""
    custody = state.custody
    match record:
        case Snapshot():
            _restore(record, state)
        case Leased(token, stretches):
            custody.leases[token] = Lease(token, NEVER_US, stretches)
        case Ended(token) if token in custody.leases:  # damage may have swallowed its beginning
            custody.blame(custody.end(token))
        case Returned(token, stretches) if token in custody.leases:
            custody.end(custody.carve(token, stretches).token)
        case Settled(became, stretches):
            state.account.count(became, custody.settle(stretches))
        case Told(count):
            state.account.told += count
        case Void(token):
            state.voids.add(token)


def _restore(record: Snapshot, state: State) -> None:
    for lane, kept in zip(state.custody.lanes, record.lanes, strict=True):
        for start, end in kept.settled:
            lane.settle(start, end)
        for offset, attempts, proven in kept.tried:
            lane.suspect(offset, Tried(attempts, proven))
    state.custody.leases = {lease.token: Lease(lease.token, NEVER_US, lease.stretches) for lease in record.leases}
    state.account.totals[:] = record.totals
    state.account.told, state.account.refused = record.told, record.refused
    state.voids = set(record.voids)
    state.keys.restore(record.keys)


def recover(custody: Custody) -> None:
    """The process ended with these leases: what is left of them waits again, and was tried."""
    custody.blame([place for token in list(custody.leases) for place in custody.end(token)])
