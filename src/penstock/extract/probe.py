"""Find out what there is to read: the newest event, the total, and how far back the events reach, in a dozen small requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from penstock.extract import stretch
from penstock.extract.events import Page
from penstock.extract.keys import OLDEST, Frontier
from penstock.extract.timestamps import EARLIEST, UNKNOWN
from penstock.model.errors import Fatal

FIRST_LIMIT = 1_000
MOST_PROBES = 24
CLOSE_ENOUGH = 0.005
"""Share of the whole range within which the lower end has to be known: it is only where cuts are made, nothing is left out below it."""

Look = Callable[[Frontier | None, int], Awaitable[Page | None]]
"""Asks for the page after a place, or the newest one, of so many events; see `EventSource.look`."""


class NothingToRead(Fatal):
    """The API has no events, or says of none when it was."""


@dataclass(frozen=True, slots=True)
class Range:
    """Newest millisecond with an event, a millisecond at or below which (nearly) nothing lies, and the total the API stated with it.

    `newest_rows` good events of the newest millisecond are in that total, None where that could not be counted: later ones may join them.
    """

    newest: int
    oldest: int
    total: int | None
    newest_rows: int | None = None


async def find_range(look: Look) -> Range:
    """Freeze the newest event and its total by the first page, then look for the oldest.

    Raises:
        NothingToRead: where the first page is empty, or nothing says of when its first event is.
    """
    first = await look(None, FIRST_LIMIT)
    stamps = [] if first is None else _known(first)
    if first is None or not stamps:
        raise NothingToRead
    newest = await _newest(look, first)
    if not first.paging.has_more:
        return replace(newest, oldest=stamps[-1] - 1)
    guess = newest.newest - (newest.newest - stamps[-1] + 1) * (newest.total or 10 * len(first)) // len(first)
    return replace(newest, oldest=await _oldest(look, newest.newest, stamps[-1], guess))


async def _newest(look: Look, first: Page) -> Range:
    """The newest event and the total with it; if its timestamp cannot be read, the cursor of a page of it alone says when it was."""
    if first.ts[0] != UNKNOWN:
        newest = int(first.ts[0])
        counted = _known(first)[-1] < newest or not first.paging.has_more
        return Range(newest, newest, first.paging.total, int((first.ts[first.places] == newest).sum()) if counted else None)
    alone = await look(None, 1)
    if alone is None or not (stamps := _known(alone)):
        raise NothingToRead("the newest event's timestamp cannot be read, and no cursor says it")
    return Range(stamps[0], stamps[0], alone.paging.total)


async def _oldest(look: Look, newest: int, seen: int, guess: int) -> int:
    """Go back from `guess` until nothing is there, then halve the gap between nothing and something."""
    empty = OLDEST
    ask = max(guess, EARLIEST)
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
