"""Putting items in: room for them, their keys, and their entries."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from penstock.queue.ingestion.errors import NotQueueable
from penstock.queue.ingestion.item import encoded, identity, require_text
from penstock.queue.ingestion.room import Room
from penstock.queue.ingestion.steps import Steps
from penstock.queue.ingestion.store import Store
from penstock.queue.log import Place

KEY_WAIT_S = 1.0


class Enqueueing:
    """Appends new items to their lanes."""

    def __init__(self, store: Store, room: Room) -> None:
        self._store = store
        self._room = room

    def one(self, source: str, data: Any, lane: int) -> Steps[str]:  # noqa: ANN401 - any data
        """An item without a key; its id."""
        place = yield from self._append(lane, _entries([(source, data)]))
        return identity(place, place.offset)

    def many(self, items: Sequence[tuple[str, Any]], lane: int) -> Steps[list[str]]:
        """Items without keys; their ids."""
        if not items:
            return []
        if not set(map(type, items)) <= {tuple, list} or set(map(len, items)) != {2}:
            raise NotQueueable("a batch is made of pairs, each a source and its data")
        place = yield from self._append(lane, _entries(items))
        prefix = identity(place, "")
        return [f"{prefix}{offset}" for offset in range(place.offset, place.offset + len(items))]

    def once(self, source: str, data: Any, lane: int, key: str) -> Steps[str]:  # noqa: ANN401 - any data
        """An item with a key; its id, or that of the item which was enqueued under the key before."""
        require_text(key, "a key")
        entries = _entries([(source, data, key)])
        store, keys = self._store, self._store.state.keys
        while True:
            ticket = store.changed.ticket
            with store.lock:
                known = keys.find(key, store.clock_us())
                reserved = known is None and keys.reserve(key)
            if known is not None:
                return known
            if reserved:
                break
            yield store.changed.wait(ticket, KEY_WAIT_S)
        try:
            place = yield from self._append(lane, entries, key)
        finally:
            with store.lock:
                keys.free(key)
            store.changed.ring()
        return identity(place, place.offset)

    def _append(self, lane: int, entries: Sequence[bytes], key: str | None = None) -> Steps[Place]:
        if not self._room.bounded:
            return (yield from self._keep(lane, entries, key))
        yield from self._room.enter(lane, len(entries))
        try:
            return (yield from self._keep(lane, entries, key))
        finally:
            self._room.leave(len(entries))

    def _keep(self, lane: int, entries: Sequence[bytes], key: str | None) -> Steps[Place]:
        if key is None:
            return self._store.append(lane, entries)

        def remember(place: Place) -> None:
            self._store.state.keys.remember(key, identity(place, place.offset), self._store.clock_us())

        return self._store.append_marked(lane, entries, remember)


def _entries(items: Sequence[tuple[str, Any] | tuple[str, Any, str]]) -> list[bytes]:
    if set(map(type, map(itemgetter(0), items))) != {str}:
        raise NotQueueable("a source is text")
    return encoded(items)
