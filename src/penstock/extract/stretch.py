"""Which events of a page lie in a stretch of time, also when the timestamps of some cannot be read.

An event without a readable timestamp lies between its neighbours, because pages run newest first. Only where those two stand on different
sides of a seam does it take a look at what the API itself serves from that seam on: see `Share.doubtful`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from penstock.extract.events import Page
from penstock.extract.keys import OLDEST, Frontier
from penstock.extract.timestamps import UNKNOWN
from penstock.model.errors import PenstockError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING_OLDER = OLDEST - 1


class OutOfStep(PenstockError):
    """A page does not follow the one before it."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of a page: which events are `mine`, which of those are `doubtful`, and whether the stretch has `ended` with this page."""

    mine: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]
    ended: bool


def share(page: Page, place: Frontier, high: int, end: Frontier) -> Share:
    """What of a page, read on from `place`, lies at or below `high` and above `end`."""
    low = end.ts if not end.id else end.ts - 1
    ts = _stated(page)
    known = ts != UNKNOWN
    newer, older = _neighbours(ts, known, first=min(place.ts, high))
    mine = (newer <= high) & (older <= high) & (newer > low)
    doubtful = mine & ~known & (older <= low) & (low > OLDEST)
    ended = bool((known & (ts <= low)).any()) or not page.paging.has_more
    if end.id and end.id in page.ids:
        mine[page.ids.index(end.id) + 1 :] = False
        ended = True
    return Share(mine, doubtful, ended)


def leading(page: Page, low: int) -> frozenset[bytes]:
    """Of a page read from just above `low`: its first events, as received, if no timestamp tells that they are newer than that."""
    known = np.flatnonzero(page.ts != UNKNOWN)
    count = int(known[0]) if len(known) else len(page)
    if len(known) and page.ts[known[0]] > low:
        return frozenset()
    return frozenset(bytes(raw) for raw in page.raws[:count])


def check(page: Page, place: Frontier) -> None:
    """Hold a page against the place it was asked for.

    Raises:
        OutOfStep: it does not run newest first, starts before its place, repeats what was read, or says there is more and holds nothing.
    """
    ts = page.ts[page.ts != UNKNOWN]
    if not len(page) and page.paging.has_more:
        raise OutOfStep("it says there is more, and is empty")
    if (np.diff(ts) > 0).any():
        raise OutOfStep("its events are not in order")
    if len(ts) and ts[0] > place.cursor().ts:
        raise OutOfStep(f"it starts at {ts[0]}, newer than it was asked for")
    if place.id and place.id in page.ids:
        raise OutOfStep(f"it holds the event {place.id} that it should start after")
    cursor = page.paging.cursor
    if cursor is not None and len(page) and page.ts[-1] not in (UNKNOWN, cursor.ts):
        raise OutOfStep(f"its last event is of {page.ts[-1]}, its cursor says {cursor.ts}")
    if page.paging.has_more:
        following(page)


def following(page: Page) -> Frontier:
    """Where to read on after a page: the server's own last key, or where it gives no cursor the key of the page's last event.

    Raises:
        OutOfStep: where neither can be read.
    """
    if page.paging.cursor is not None:
        return Frontier(page.paging.cursor.ts, page.paging.cursor.id)
    if page.ts[-1] == UNKNOWN or not page.ids[-1]:
        raise OutOfStep("it has no cursor, and the key of its last event cannot be read")
    return Frontier(int(page.ts[-1]), page.ids[-1])


def _stated(page: Page) -> NDArray[np.int64]:
    """Timestamps of all events, the last one's from the server's cursor where only that says it."""
    if page.paging.cursor is None or not len(page) or page.ts[-1] != UNKNOWN:
        return page.ts
    ts = page.ts.copy()
    ts[-1] = page.paging.cursor.ts
    return ts


def _neighbours(ts: NDArray[np.int64], known: NDArray[np.bool_], first: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each event the nearest known timestamp at or before it, and at or after it, on the page."""
    if known.all():
        return ts, ts
    places = np.arange(len(ts))
    before = np.maximum.accumulate(np.where(known, places, -1))
    after = np.minimum.accumulate(np.where(known, places, len(ts))[::-1])[::-1]
    return np.append(ts, first)[before], np.append(ts, NOTHING_OLDER)[after]
