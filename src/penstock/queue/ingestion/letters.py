"""Dead letters, and the records of what was lost: to look at, to try again, to let go of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from penstock.model.gaps import Gap
from penstock.queue.ingestion.again import again
from penstock.queue.ingestion.item import Again, Envelope, QueueItem, QueuePriority, encoded, require_text, told
from penstock.queue.ingestion.lane import Lane, Stretch
from penstock.queue.ingestion.lanes import GAPS, LETTERS
from penstock.queue.ingestion.showing import gaps, letters
from penstock.queue.ingestion.state import Outcome
from penstock.queue.ingestion.steps import Steps
from penstock.queue.ingestion.store import Store
from penstock.queue.log import AppendUnknown, Place


class Letters:
    """The lanes of a store from which nothing is handed out."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(self, limit: int) -> list[QueueItem]:
        """The newest dead letters, newest first."""
        with self._store.lock:
            return list(islice(self._letters(), limit))

    def gaps(self, limit: int) -> list[Gap]:
        """The newest records of what was lost, newest first."""
        with self._store.lock:
            return list(islice(gaps(self._store.log, self._lane(GAPS)), limit))

    def add(self, source: str, data: Any, priority: QueuePriority, error: object) -> Steps[None]:  # noqa: ANN401 - any data
        """A dead letter of what never was an item: it stands in nobody's place, and its id is its own."""
        own = Again(LETTERS, 0, 0, "", priority, 0, self._store.clock_us(), 0, told(error))
        require_text(source, "a source")
        yield from self._store.append(LETTERS, encoded([Envelope(source, data, None, own)]))

    def retry(self, item_id: str) -> Steps[bool]:
        """Put a dead letter back where it came from, as if it had never been tried; whether there is one."""
        store = self._store
        with store.lock:
            letter = next((letter for letter in self._letters() if letter.id == item_id), None)
            if letter is None:
                return False
            place = Stretch(LETTERS, letter.offset, letter.offset + 1)
            lane = store.state.custody.lanes[LETTERS]
            lane.taken.add(place.start, place.end)
            token = store.state.custody.new_token()

        def settle(_: Place) -> None:
            store.settle_lazily(Outcome.RETRIED, [place])

        try:
            yield from store.append_marked(letter.priority, [again(letter, token, attempts=0)], settle)
        except GeneratorExit:  # abandoned: what is appended comes, and the letter does not
            raise
        except BaseException as error:
            with store.lock:
                if isinstance(error, AppendUnknown):
                    store.void([token])
                lane.give_back(place.start)
            raise
        return True

    def clear(self, ids: str | Iterable[str] | None = None) -> Steps[int]:
        """Let go of dead letters, all or those with these ids, for good; how many there were."""
        wanted = {ids} if isinstance(ids, str) else set(ids or ())
        with self._store.lock:
            lane = self._lane(LETTERS)
            if ids is None:
                chosen = lane.oldest(lane.waiting)
            else:
                offsets = sorted(letter.offset for letter in self._letters() if letter.id in wanted)
                chosen = [Stretch(LETTERS, offset, offset + 1) for offset in offsets]
        return (yield from self._store.settle(Outcome.CLEARED, chosen)) if chosen else 0

    def _letters(self) -> Iterator[QueueItem]:
        """The newest first; with the lock."""
        return letters(self._store.log, self._lane(LETTERS))

    def _lane(self, number: int) -> Lane:
        self._store.refresh()
        return self._store.state.custody.lanes[number]
