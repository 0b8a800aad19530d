"""What a processor says of leased items: processed, failed, hopeless."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from penstock.queue.ingestion.again import again, bury, move, stretches
from penstock.queue.ingestion.errors import StaleLease
from penstock.queue.ingestion.item import QueueItem
from penstock.queue.ingestion.lane import Stretch
from penstock.queue.ingestion.lanes import LETTERS
from penstock.queue.ingestion.settings import QueueSettings, micros
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
        found, custody = stretches(items), self._store.state.custody
        with self._store.lock:
            held = {token: [part for run in runs for part in custody.held(token, run)] for token, runs in found.items()}
        if not found:
            return
        if any(held.values()):
            yield from self._store.settle(Outcome.PROCESSED, list(chain.from_iterable(held.values())), held)
        if stale := _number(found) - _number(held):
            raise StaleLease(f"{stale} of {_number(found)} items")

    def nack(self, items: Iterable[QueueItem], error: object, delay_sec: float | None) -> Steps[None]:
        """See `IngestionQueue.nack`."""

        def is_last(one: QueueItem) -> bool:
            return one.attempts + 1 >= self._settings.max_attempts

        def written(one: QueueItem, token: int) -> bytes:
            due_us, why = (0, error or one.error) if is_last(one) else (self._due_us(one, delay_sec), error)
            return again(one, token, attempts=one.attempts + 1, due_us=due_us, error=why)

        yield from move(self._store, items, lambda one: LETTERS if is_last(one) else one.origin.lane, written)

    def _due_us(self, one: QueueItem, delay_sec: float | None) -> int:
        if delay_sec is None:
            grown = self._settings.retry_delay_sec * 2.0 ** min(one.attempts, 64)
            delay_sec = min(self._settings.max_retry_delay_sec, grown) * (0.5 + self._rand() / 2)
        return self._store.clock_us() + micros(delay_sec)

    def reject(self, items: Sequence[QueueItem], error: object) -> Steps[None]:
        """See `IngestionQueue.reject`."""
        yield from bury(self._store, items, error, attempts=1)

    def give_back(self, items: Iterable[QueueItem]) -> None:
        """See `IngestionQueue.give_back`."""
        store, custody, found = self._store, self._store.state.custody, stretches(items)
        with store.lock:
            for token, runs in found.items():
                store.give_back(token, [part for run in runs for part in custody.held(token, run)])
        store.changed.ring()

    def extend(self, items: Iterable[QueueItem]) -> None:
        """See `IngestionQueue.extend`."""
        until_us = self._store.clock_us() + micros(self._settings.lease_timeout_sec)
        tokens = {item.origin.token for item in items}
        with self._store.lock:
            custody = self._store.state.custody
            if stale := tokens - custody.leases.keys():
                raise StaleLease(f"{len(stale)} of {len(tokens)} leases")
            for token in tokens:
                custody.extend(token, until_us)


def _number(found: dict[int, list[Stretch]]) -> int:
    return sum(part.end - part.start for parts in found.values() for part in parts)
