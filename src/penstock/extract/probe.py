"""Find out what there is to read: when the newest event is, and how far back the events reach, in a dozen small requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from penstock.extract import stretch
from penstock.extract.events import Page
from penstock.extract.keys import OLDEST, Frontier
from penstock.extract.timestamps import EARLIEST, UNKNOWN
from penstock.model.errors import Fatal, Transient

FIRST_LIMIT = 1_000
MOST_PROBES = 24
CLOSE_ENOUGH = 0.005
"""Share of the whole range within which the lower end has to be known: it is only where cuts are made, nothing is left out below it."""

Look = Callable[[Frontier | None, int], Awaitable[Page | None]]
"""Asks for the page after a place, or the newest one, of so many events; see `EventSource.look`."""


class NothingToRead(Fatal):
    """The API has no events, or says of none when it was."""


class StillGrowing(Transient):
    """Events came in while the newest millisecond was counted."""


async def find_newest(look: Look, first: Page | None) -> int:
    """The newest millisecond with an event, by the API's newest page.

    If its first timestamp cannot be read, the cursor of a page of that event alone says when it was.

    Raises:
        NothingToRead: there is no event, or nothing says of when the first one is.
        StillGrowing: the first event is another one by then.
    """
    if first is None or not len(first):
        raise NothingToRead
    if first.ts[0] != UNKNOWN:
        return int(first.ts[0])
    alone = await look(None, 1)
    if alone is None or not (stamps := _known(alone)):
        raise NothingToRead("the newest event's timestamp cannot be read, and no cursor says it")
    if alone.paging.total != first.paging.total:
        raise StillGrowing
    return stamps[0]


async def find_oldest(look: Look, first: Page, newest: int) -> int:
    """A millisecond at or below which (nearly) nothing lies: go back until nothing is there, then halve the gap to where something is."""
    empty, seen = OLDEST, [newest, *_known(first)][-1]
    if not first.paging.has_more:
        return seen - 1
    ask = max(newest - (newest - seen + 1) * (first.paging.total or 10 * len(first)) // len(first), EARLIEST)
    for _ in range(MOST_PROBES):
        if empty != OLDEST and seen - empty <= max(1, (newest - empty) * CLOSE_ENOUGH):
            break
        found = await look(Frontier(ask), 1)
        if found is None or not len(found):
            empty = ask
        else:
            seen = min(seen, ask, *_known(found))
        ask = (seen + empty) // 2 if empty != OLDEST else max(newest - 2 * (newest - seen), EARLIEST)
    return empty if empty != OLDEST else seen


def _known(page: Page) -> list[int]:
    """Timestamps of a page, as far as it says them."""
    return [int(ts) for ts in stretch.stated(page) if ts != UNKNOWN]
