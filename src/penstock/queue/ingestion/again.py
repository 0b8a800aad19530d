"""Items that are appended again: after a failed attempt, as dead letters, and out of the dead letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from penstock.model.errors import PenstockError
from penstock.queue.ingestion.errors import StaleLease
from penstock.queue.ingestion.item import Again, Envelope, QueueItem, rewritten
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


def again(one: QueueItem, token: int, *, attempts: int, due_us: int = 0, error: str = "") -> bytes:
    """The entry that replaces an item's present one."""
    replaced = Again(one.origin.lane, one.offset, token, one.id, one.priority, attempts, one.enqueued_us, due_us, error)
    return rewritten(Envelope(one.source, one.data, None, replaced))


def move(store: Store, lane: int, items: Sequence[QueueItem], written: Callable[[QueueItem, int], bytes]) -> Steps[None]:
    """Append what is `written` of leased items, each with a token, to a lane, which settles them in the same step.

    Until that is done they are in a lease of their own, which does not run out. Where it fails they wait again, tried once more.

    Raises:
        StaleLease: one of them is not in its lease any more. Nothing was done.
    """
    custody = store.state.custody
    items = [one for _, one in sorted({(one.origin.token, one.origin.lane, one.offset): one for one in items}.items())]
    with store.lock:
        held = stretches(items)
        if any(custody.held(token, part) != [part] for token, parts in held.items() for part in parts):
            raise StaleLease(", ".join(one.id for one in items[:3]))
        carved = {token: custody.carve(token, parts).token for token, parts in held.items()}

    def settle(_: Place) -> None:
        for token, parts in held.items():
            store.settle_lazily(outcome(lane, parts[0].lane), parts, [carved[token]])

    try:
        yield from store.append_marked(lane, [written(one, carved[one.origin.token]) for one in items], settle)
    except PenstockError as error:
        with store.lock:
            if isinstance(error, AppendUnknown):
                store.void(carved.values())
            for token in carved.values():
                custody.extend(token, store.clock_us())
        raise
    finally:
        store.changed.ring()


def bury(store: Store, items: Sequence[QueueItem], error: str = "", attempts: int = 0) -> Steps[None]:
    """Put leased items into the dead letters, after so many more attempts, with the error, or the one they have. Raises `StaleLease`."""

    def written(one: QueueItem, token: int) -> bytes:
        return again(one, token, attempts=one.attempts + attempts, error=error or one.error)

    if items:
        yield from move(store, LETTERS, items, written)
