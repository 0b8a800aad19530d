"""Which events of a page lie in a stretch of time, also when the timestamps of some cannot be read.

An event without a readable timestamp lies between its neighbours, because pages run newest first. Where those two stand on different sides
of a seam only the API knows on which the event lies, and says it by what it serves from that seam on: see `seam`. Nothing is guessed, so
that both sides come to the same answer wherever their pages begin and end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from penstock.extract.alike import alike
from penstock.extract.events import Page
from penstock.extract.keys import OLDEST, Frontier
from penstock.extract.timestamps import UNKNOWN
from penstock.model.errors import Fatal

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING_OLDER = OLDEST - 1


class OutOfStep(Fatal):
    """A page does not follow the one before it."""

    default_hint = "What was stored stays; once the API is mended, run the same command again."


@dataclass(frozen=True, slots=True)
class Share:
    """Of a page: which events are `mine`, and whether the stretch has `ended` with this page.

    In doubt among them are those that may lie above the stretch (`early`) or below it (`late`).
    """

    mine: NDArray[np.bool_]
    early: NDArray[np.bool_]
    late: NDArray[np.bool_]
    ended: bool


def share(page: Page, place: Frontier, high: int, end: Frontier) -> Share:
    """What of a page, read on from `place`, lies at or below `high` and above `end`; all of the millisecond in which an `end` lies."""
    low = end.ts - 1 if end.id else end.ts
    ts = stated(page)
    known = ts != UNKNOWN
    newer, older = _neighbours(ts, known, first=place.cursor().ts)
    mine = (older <= high) & (newer > low)
    ended = bool((known & (ts <= low)).any()) or not page.paging.has_more
    return Share(mine, mine & (newer > high), mine & (older <= low) & (low > OLDEST), ended)


def seam(page: Page, served: Sequence[Page | None]) -> int:
    """Number of the first event below a seam that runs through a page.

    `served` are pages of the API from there on: each starts with that event or with a newer one, or has nothing where nothing is below.
    """
    return max(_begins(page, one) for one in served)


def _begins(page: Page, served: Page | None) -> int:
    """Number of the event that a page of the API starts with; 0 also where that comes before the first."""
    if served is None or not len(served):
        return len(page)
    return number_of_first(page, served) or 0


def number_of_first(page: Page, other: Page) -> int | None:
    """Where the first event of another page stands on this one; without a readable id it is known by its text."""
    key, raw = other.ids[0], bytes(other.raws[0])
    exact = (number for number, one in enumerate(page.raws) if bytes(one) == raw or (key and page.ids[number] == key))
    # The other page may be the first one since the run had to change to another endpoint, which writes times differently.
    similar = (number for number, one in enumerate(page.raws) if not key and alike(bytes(one), raw))
    return next(exact, next(similar, None))


def check(page: Page, place: Frontier) -> None:
    """Hold a page against the place it was asked for.

    Raises:
        OutOfStep: it does not run newest first, starts before its place, repeats what was read, or says there is more and holds nothing.
    """
    ts = stated(page)
    ts = ts[ts != UNKNOWN]
    cursor = page.paging.cursor
    if not len(page) and page.paging.has_more:
        raise OutOfStep("it says there is more, and is empty")
    if cursor is not None and len(page):
        _agree(page, Frontier(cursor.ts, cursor.id))
    if (np.diff(ts) > 0).any():
        raise OutOfStep("its events are not in order")
    if len(ts) and ts[0] > place.cursor().ts:
        raise OutOfStep(f"it starts at {ts[0]}, newer than it was asked for")
    if place.id and (place.id in page.ids or (cursor is not None and place == Frontier(cursor.ts, cursor.id))):
        raise OutOfStep(f"it holds the event {place.id} that it should start after")


def _agree(page: Page, cursor: Frontier) -> None:
    """A cursor has to name the last event of its page."""
    if page.ts[-1] not in (UNKNOWN, cursor.ts):
        raise OutOfStep(f"its last event is of {page.ts[-1]}, its cursor says {cursor.ts}")
    if readable(page) == len(page) and page.ids[-1].lower() != cursor.id.lower():
        raise OutOfStep(f"its last event is {page.ids[-1]}, its cursor says {cursor.id}")


def readable(page: Page) -> int:
    """How many events there are up to the last good one, after which reading may go on without a cursor."""
    return int(page.places[-1]) + 1 if len(page.places) else 0


def following(page: Page) -> Frontier:
    """Where to read on after a page: the server's own last key, or where it gives no cursor the key of the page's last event.

    Raises:
        OutOfStep: where neither can be read.
    """
    if page.paging.cursor is not None:
        return Frontier(page.paging.cursor.ts, page.paging.cursor.id)
    if readable(page) < len(page):
        raise OutOfStep("it has no cursor, and its last event cannot be read")
    return Frontier(int(page.ts[-1]), page.ids[-1])


def reaches(page: Page, ts: int) -> bool:
    """Whether a page holds an event at or below `ts`: all that is newer stands before it."""
    known = stated(page)
    return bool(((known != UNKNOWN) & (known <= ts)).any())


def stated(page: Page) -> NDArray[np.int64]:
    """Timestamps of all events, the last one's from the server's cursor where only that says it."""
    if page.paging.cursor is None or not len(page) or page.ts[-1] != UNKNOWN:
        return page.ts
    ts = page.ts.copy()
    ts[-1] = page.paging.cursor.ts
    return ts


def _neighbours(ts: NDArray[np.int64], known: NDArray[np.bool_], first: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each event the nearest known timestamp at or before it (`first` where there is none), and at or after it, on the page."""
    if known.all():
        return ts, ts
    places = np.arange(len(ts))
    before = np.maximum.accumulate(np.where(known, places, -1))
    after = np.minimum.accumulate(np.where(known, places, len(ts))[::-1])[::-1]
    return np.append(ts, first)[before], np.append(ts, NOTHING_OLDER)[after]
