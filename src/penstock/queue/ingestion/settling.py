"""What a processor says of leased items: processed, failed, hopeless."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from penstock.queue.ingestion.again import again, bury, move, stretches
from penstock.queue.ingestion.errors import StaleLease
from penstock.queue.ingestion.item import QueueItem
from penstock.queue.ingestion.lane import Stretch
from penstock.queue.ingestion.settings import QueueSettings
from penstock.queue.ingestion.state import Outcome
from penstock.queue.ingestion.steps import Steps
from penstock.queue.ingestion.store import Store


class Settling:
    """Settles leased items of a store."""

    def __init__(self, store: Store, settings: QueueSettings, rand: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._rand = rand

    def ack(self, items: Iterable[QueueItem]) -> Steps[None]:
        """See `IngestionQueue.ack`."""
        with self._store.lock:
            custody = self._store.state.custody
            found = stretches(items)
            held = {token: [part for run in runs for part in custody.held(token, run)] for token, runs in found.items()}
        if not found:
            return
        if any(held.values()):
            yield from self._store.settle(Outcome.PROCESSED, list(chain.from_iterable(held.values())), held)
        if stale := _number(found) - _number(held):
            raise StaleLease(f"{stale} of {_number(found)} items")

    def nack(self, items: Sequence[QueueItem], error: str, delay_sec: float | None) -> Steps[None]:
        """See `IngestionQueue.nack`."""
        for lane in sorted({one.origin.lane for one in items}):
            failed = [one for one in items if one.origin.lane == lane]
            retried = [one for one in failed if one.attempts + 1 < self._settings.max_attempts]
            if retried:
                yield from move(self._store, lane, retried, self._retry(error, delay_sec))
            yield from bury(self._store, [one for one in failed if one.attempts + 1 >= self._settings.max_attempts], error, attempts=1)

    def _retry(self, error: str, delay_sec: float | None) -> Callable[[QueueItem, int], bytes]:
        return lambda one, token: again(one, token, attempts=one.attempts + 1, due_us=self._due_us(one, delay_sec), error=error)

    def _due_us(self, one: QueueItem, delay_sec: float | None) -> int:
        if delay_sec is None:
            grown = self._settings.retry_delay_sec * 2.0 ** min(one.attempts, 64)
            delay_sec = min(self._settings.max_retry_delay_sec, grown) * (0.5 + self._rand() / 2)
        return self._store.clock_us() + int(delay_sec * 1e6)

    def reject(self, items: Sequence[QueueItem], error: str) -> Steps[None]:
        """See `IngestionQueue.reject`."""
        yield from bury(self._store, items, error, attempts=1)

    def give_back(self, items: Iterable[QueueItem]) -> None:
        """See `IngestionQueue.give_back`."""
        store, custody = self._store, self._store.state.custody
        with store.lock:
            for token, runs in stretches(items).items():
                store.give_back(token, [part for run in runs for part in custody.held(token, run)])
        store.changed.ring()

    def extend(self, items: Iterable[QueueItem]) -> None:
        """See `IngestionQueue.extend`."""
        until_us = self._store.clock_us() + int(self._settings.lease_timeout_sec * 1e6)
        with self._store.lock:
            for token in {item.origin.token for item in items}:
                if token not in self._store.state.custody.leases:
                    raise StaleLease(f"lease {token}")
                self._store.state.custody.extend(token, until_us)


def _number(found: dict[int, list[Stretch]]) -> int:
    return sum(part.end - part.start for parts in found.values() for part in parts)
