"""Find out what there is to read: the newest event, the total, and how far back the events reach, in a dozen small requests."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.extract.api import EventsApi
from penstock.extract.cursor import Cursor
from penstock.extract.keys import OLDEST
from penstock.extract.timestamps import UNKNOWN
from penstock.model.errors import Fatal

FIRST_LIMIT = 1_000
MOST_PROBES = 24
CLOSE_ENOUGH = 0.005
"""Share of the whole range within which the lower end has to be known: it is only where cuts are made, nothing is left out below it."""


class NothingToRead(Fatal):
    """The API has no events, or none with a readable timestamp."""


@dataclass(frozen=True, slots=True)
class Range:
    """Newest millisecond with an event, a millisecond at or below which (nearly) nothing lies, and the total the API stated with it."""

    newest: int
    oldest: int
    total: int | None


async def find_range(api: EventsApi) -> Range:
    """Freeze the newest event and its total by the first page, then look for the oldest.

    Raises:
        NothingToRead: where the first page is empty.
    """
    first = await api.page(None, FIRST_LIMIT)
    stamps = [] if first is None else [int(ts) for ts in first.ts if ts != UNKNOWN]
    if first is None or not stamps:
        raise NothingToRead(str(api.address.events))
    newest, seen = stamps[0], stamps[-1]
    if not first.paging.has_more:
        return Range(newest, seen - 1, first.paging.total)
    guess = newest - (newest - seen + 1) * (first.paging.total or 10 * len(first)) // len(first)
    return Range(newest, await _oldest(api, newest, seen, guess), first.paging.total)


async def _oldest(api: EventsApi, newest: int, seen: int, guess: int) -> int:
    """Go back from `guess` until nothing is there, then halve the gap between nothing and something."""
    empty = OLDEST
    ask = guess
    for _ in range(MOST_PROBES):
        if empty != OLDEST and seen - empty <= max(1, (newest - empty) * CLOSE_ENOUGH):
            break
        found = await api.page(Cursor.above(ask), 1)
        if found is None or not len(found):
            empty = ask
        else:
            seen = min(seen, ask, *(int(ts) for ts in found.ts if ts != UNKNOWN))
        ask = (seen + empty) // 2 if empty != OLDEST else newest - 2 * (newest - seen)
    return empty if empty != OLDEST else seen
