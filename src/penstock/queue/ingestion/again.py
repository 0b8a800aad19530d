"""Items that are appended again: after a failed attempt, as dead letters, and out of the dead letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from penstock.queue.ingestion.errors import StaleLease
from penstock.queue.ingestion.item import Again, Envelope, QueueItem, rewritten, told
from penstock.queue.ingestion.journal import outcome
from penstock.queue.ingestion.lane import Stretch
from penstock.queue.ingestion.lanes import LETTERS
from penstock.queue.ingestion.steps import Steps
from penstock.queue.ingestion.store import Store
from penstock.queue.log import AppendUnknown, Place


def stretches(items: Iterable[QueueItem]) -> dict[int, list[Stretch]]:
    """Where leased items stand, in runs, by the tokens of their leases."""
    found: dict[int, list[Stretch]] = defaultdict(list)
    origin, start, end = None, -1, -1
    for one in items:
        if one.offset == end and one.origin is origin:
            end += 1
            continue
        if origin is not None:
            found[origin.token].append(Stretch(origin.lane, start, end))
        origin, start = one.origin, one.offset
        end = start + 1
    if origin is not None:
        found[origin.token].append(Stretch(origin.lane, start, end))
    return found


def again(one: QueueItem, token: int, *, attempts: int, due_us: int = 0, error: object = "") -> bytes:
    """The entry that replaces an item's present one."""
    replaced = Again(one.origin.lane, one.offset, token, one.id, one.priority, attempts, one.enqueued_us, due_us, told(error))
    return rewritten(Envelope(one.source, one.data, None, replaced))


@dataclass(frozen=True, slots=True)
class Move:
    """Items that are appended to one lane together, where they stand by their leases, and the token under which it is done."""

    lane: int
    bodies: Sequence[bytes]
    held: Mapping[int, Sequence[Stretch]]
    token: int


def move(
    store: Store, items: Iterable[QueueItem], lane_of: Callable[[QueueItem], int], written: Callable[[QueueItem, int], bytes]
) -> Steps[None]:
    """Append what is `written` of leased items, each with a token, to the lanes where they are to go, which settles them in the same step.

    Until that is done they are in leases of their own, which do not run out. Where it fails they wait again, tried once more.

    Raises:
        StaleLease: one of them is not in its lease any more. Nothing was done.
    """
    custody = store.state.custody
    by_lane: dict[int, list[QueueItem]] = defaultdict(list)
    for _, one in sorted({(one.origin.token, one.origin.lane, one.offset): one for one in items}.items()):
        by_lane[lane_of(one)].append(one)
    with store.lock:
        tokens = [custody.new_token() for _ in by_lane]
    moves = [
        Move(lane, [written(one, token) for one in some], stretches(some), token)
        for (lane, some), token in zip(by_lane.items(), tokens, strict=True)
    ]
    carved = _carved(store, moves)
    try:
        for number, one_move in enumerate(moves):
            yield from _append(store, one_move, carved[number])
    except GeneratorExit:  # abandoned: what is appended comes, and they do not
        raise
    except BaseException:
        with store.lock:
            for token in (token for some in carved for token in some if token in custody.leases):
                custody.extend(token, store.clock_us())
        raise
    finally:
        store.changed.ring()


def _carved(store: Store, moves: Sequence[Move]) -> list[list[int]]:
    """The tokens of the leases in which the items of each move are from now on."""
    custody = store.state.custody
    with store.lock:
        for one in moves:
            for token, parts in one.held.items():
                if stale := [part for part in parts if custody.held(token, part) != [part]]:
                    raise StaleLease(f"offset {stale[0].start} of lane {stale[0].lane}")
        return [[custody.carve(token, parts).token for token, parts in one.held.items()] for one in moves]


def _append(store: Store, one: Move, carved: Sequence[int]) -> Steps[None]:
    def settle(_: Place) -> None:
        for token, parts in zip(carved, one.held.values(), strict=True):
            store.settle_lazily(outcome(one.lane, parts[0].lane), parts, [token])

    try:
        yield from store.append_marked(one.lane, one.bodies, settle)
    except AppendUnknown:
        with store.lock:
            store.void([one.token])
        raise


def bury(store: Store, items: Sequence[QueueItem], error: object = "", attempts: int = 0) -> Steps[None]:
    """Put leased items into the dead letters, after so many more attempts, with the error, or the one they have. Raises `StaleLease`."""

    def written(one: QueueItem, token: int) -> bytes:
        return again(one, token, attempts=one.attempts + attempts, error=error or one.error)

    if items:
        yield from move(store, items, lambda _: LETTERS, written)
