"""Pages of a list that changes while it is read, with interruptions at any moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

from penstock.ports.source import PositionLost
from penstock.stores.http.body import UnusableBody
from penstock.stores.http.client import BODY_ATTEMPTS, UnusableAnswers
from penstock.stores.http.page import Page
from penstock.stores.http.paging import Ask, first
from penstock.stores.http.pull import Pull, Turn
from penstock.stores.http.settings import CursorPaging, HttpSettings, OffsetPaging, PagePaging

T = TypeVar("T")

SCHEMES: list[dict[str, object]] = [
    {"cursor": CursorPaging("next", "after")},
    {"page": PagePaging(start=0)},
    {"page": PagePaging(start=0, pages="pages")},
    {"offset": OffsetPaging()},
    {"offset": OffsetPaging(), "more": "more"},
]


@dataclass
class Live:
    """A list, newest first or last, that gets so many `arrivals` before each request; cursors are ids."""

    settings: HttpSettings
    ids: list[int]
    cap: int
    arrivals: list[int]
    newest_first: bool
    asked: int = 0

    async def page(self, ask: Ask, parameters: Mapping[str, str], read: Callable[[Page], T], *, first: bool) -> T:
        """As `Api.page`."""
        del parameters, first
        for _ in range(BODY_ATTEMPTS):
            with suppress(UnusableBody):
                return read(self._page(ask))
        raise UnusableAnswers

    def kept(self, ask: Ask) -> Ask:
        """As `Api.kept`."""
        return ask

    def _page(self, ask: Ask) -> Page:
        self.asked += 1
        for _ in range(self.arrivals.pop() if self.arrivals else 0):
            self.ids.insert(0 if self.newest_first else len(self.ids), max(self.ids, default=0) + 1)
        start = self._start(ask.query)
        ids, end = self.ids[start : start + self.cap], start + self.cap
        members = {"more": end < len(self.ids), "pages": -(-len(self.ids) // self.cap)}
        if members["more"]:
            members["next"] = ids[-1]
        return Page(tuple(msgspec.json.encode({"id": one}) for one in ids), msgspec.json.encode(members), None, None)

    def _start(self, query: Mapping[str, str]) -> int:
        if "after" in query:
            return self.ids.index(int(query["after"])) + 1
        return int(query["offset"]) if "offset" in query else int(query.get("page", "0")) * self.cap


async def carried(live: Live, interruptions: list[int]) -> Counter[int]:
    """The ids that are stored, when reading is interrupted after so many pages each time."""
    stored: Counter[int] = Counter()
    pull, last = Pull(live, 0, 1), None  # type: ignore[arg-type]
    while True:
        pages = interruptions.pop() if interruptions else None
        ended, last = await _read_on(pull, last, pages, stored)
        if ended:
            return stored
        assert last is not None
        last = await pull.back_to(last.place)


async def _read_on(pull: Pull, last: Turn | None, pages: int | None, stored: Counter[int]) -> tuple[bool, Turn | None]:
    async for turn in pull.turns(last):
        stored.update(msgspec.json.decode(raw)["id"] for raw in turn.page.rows if raw not in turn.before)
        last, pages = turn, None if pages is None else pages - 1
        if pages == 0 and turn.following is not None:
            return False, last
    return True, last


@given(st.data())
def test_every_row_that_was_there_is_stored_once(data: st.DataObject) -> None:
    """What was in a list of more than a page is stored once, whatever comes in, in any order; or the place is found to be lost.

    It is lost only where reading was interrupted and rows were pushed on by new ones in front.
    """
    cap = data.draw(st.integers(2, 6), label="rows on a page")
    settings = HttpSettings(url="http://api.example", key=("id",), **data.draw(st.sampled_from(SCHEMES)))  # type: ignore[arg-type]
    arrivals = data.draw(st.lists(st.integers(0, cap - 1), max_size=30), label="arrivals before each request")
    rows = data.draw(st.integers(cap, 25), label="rows")
    newest_first = data.draw(st.booleans(), label="newest first")
    begun = list(range(1, rows + 1))
    live = Live(settings, begun[::-1] if newest_first else begun.copy(), cap, arrivals, newest_first)
    interruptions = data.draw(st.lists(st.integers(1, 4), max_size=3), label="pages between interruptions")
    interrupted = bool(interruptions)

    try:
        stored = asyncio.run(carried(live, interruptions))
    except PositionLost:
        event("the place was lost")
        assert interrupted
        assert len(live.ids) > rows
        return

    assert set(begun) <= set(stored)
    assert max(stored.values(), default=1) == 1


def test_the_first_page_is_asked_for_first() -> None:
    """Reading begins where the settings say."""
    live = Live(HttpSettings(url="http://api.example", offset=OffsetPaging()), [1, 2, 3], 2, [], newest_first=False)

    assert first(live.settings) == Ask(query={"offset": "0"})
    assert asyncio.run(carried(live, [])) == {1: 1, 2: 1, 3: 1}
    assert live.asked == 3
