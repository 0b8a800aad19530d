"""Keys under which items were enqueued: within the window, one that comes again is the same item."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Key(msgspec.Struct, frozen=True, array_like=True):
    """A key under which an item was enqueued, and which is not taken again before `until_us`."""

    key: str
    until_us: int
    id: str


class Keys:
    """The keys of the last `window_us`, and not more than `most`: beyond that the oldest is forgotten before its time."""

    def __init__(self, window_us: int, most: int) -> None:
        self._window_us = window_us
        self._most = most
        self._known: dict[str, Key] = {}
        self._coming: set[str] = set()

    def find(self, key: str, now_us: int) -> str | None:
        """The id of the item that was enqueued under the key, if it still counts."""
        known = self._known.get(key)
        return known.id if known is not None and known.until_us > now_us else None

    def reserve(self, key: str) -> bool:
        """Whether nobody else is enqueuing under the key at this moment; `free` has to follow."""
        if key in self._coming:
            return False
        self._coming.add(key)
        return True

    def free(self, key: str) -> None:
        """The item with the key is there, or is not going to be."""
        self._coming.discard(key)

    def remember(self, key: str, item_id: str, now_us: int) -> None:
        """An item was enqueued under the key."""
        self._known.pop(key, None)
        self._known[key] = Key(key, now_us + self._window_us, item_id)
        while self._known and ((oldest := next(iter(self._known.values()))).until_us <= now_us or len(self._known) > self._most):
            del self._known[oldest.key]

    def restore(self, keys: Iterable[Key]) -> None:
        """Keys of an earlier process."""
        self._known.update((key.key, key) for key in keys)

    def listed(self, now_us: int) -> list[Key]:
        """Those that still count."""
        return [key for key in self._known.values() if key.until_us > now_us]
