"""A pull: the pages of an API one after the other, from its first one to the one that says it is the last."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace

from penstock.model.errors import Fatal
from penstock.ports.source import PositionLost
from penstock.stores.http.api import Api, shown
from penstock.stores.http.body import UnusableBody
from penstock.stores.http.page import Page
from penstock.stores.http.paging import Ask, Round, first, following, pages_by_count
from penstock.stores.http.place import Place, digest
from penstock.stores.http.rows import identities
from penstock.stores.http.window import Window

MOST_EMPTY_PAGES = 100
"""So many pages in a row may be empty and lead on, as those of an API do that filters after it has cut its pages."""


class GoesInCircles(Fatal):
    """The API's pages lead back to one that was read before."""

    default_hint = "What was stored stays. Check the paging in [source]: the parameter may not be the one that the API knows."


class NothingButEmptyPages(Fatal):
    """The API leads from one empty page to the next."""

    default_hint = "What was stored stays; look at the API, then run the same command again."


@dataclass(frozen=True, slots=True)
class Turn:
    """A page, the place behind it, and what comes next. `held` is the digest of the last page that had rows.

    `before` are the rows before it, as many as a page may have, and `recent` the same at its end; empty without a key to know them by.
    """

    page: Page
    place: Place
    following: Ask | None
    before: tuple[bytes, ...] = ()
    recent: tuple[bytes, ...] = ()
    held: str = ""


@dataclass(frozen=True, slots=True)
class Pull:
    """The rows of an API from the bound `low` up to the bound `high`."""

    api: Api
    low: int
    high: int

    @property
    def window(self) -> Window | None:
        """The time that its rows have, where the API filters by time."""
        time = self.api.settings.time
        if time is None:
            return None
        return Window(time, self.low or time.start_ms, self.high)

    async def turns(self, last: Turn | None) -> AsyncGenerator[Turn, None]:
        """The pages after `last`, or all of them.

        Raises:
            GoesInCircles, NothingButEmptyPages: they would never end.
        """
        seen, empty = Round(), 0
        ask = last.following if last else first(self.api.settings)
        while ask is not None:
            if seen.closed_by(ask):
                raise GoesInCircles(shown(ask))
            last = await self._turn(last, ask)
            empty = 0 if last.page.rows else empty + 1
            if empty > MOST_EMPTY_PAGES:
                raise NothingButEmptyPages(f"{empty} in a row, the last at {shown(ask)}")
            yield last
            ask = last.following

    async def back_to(self, place: Place) -> Turn:
        """The page before `place` once more, and what comes after it now.

        Raises:
            PositionLost: twice it did not hold what it held before.
        """
        before = replace(place, rows=0, pages=place.pages - 1, digest="")
        for _ in range(2):
            turn = await self._turn(Turn(Page((), b"", None, None), before, None), place.ask)
            if turn.place.digest == place.digest:
                return replace(turn, place=place)
        raise PositionLost(f"the page at {shown(place.ask)} no longer holds what it held")

    async def _turn(self, last: Turn | None, ask: Ask) -> Turn:
        """The page that `ask` gives, asked for again where it cannot follow the last one."""
        first_page = last is None or not last.place.pages
        return await self.api.page(ask, self._parameters, lambda page: self._made(last, ask, page), first=first_page)

    def _made(self, last: Turn | None, ask: Ask, page: Page) -> Turn:
        """What a page makes of the turn before it.

        A short one at the end, of rows that were all on the page before, is their push by new ones in front, and is behind everything: to
        go on would be to run after the end of a list for as long as it grows.

        Raises:
            UnusableBody: it is the last page once more, or contradicts itself.
        """
        settings, last = self.api.settings, last or Turn(page, Place(self.low, self.high, 0, 0, ask, ""), None)
        place, held = last.place, digest(identities(page.rows, settings.key))
        known = frozenset(page.rows) <= frozenset(last.recent)
        pushed_on = known and pages_by_count(settings) and 0 < len(page.rows) < place.longest
        if page.rows and held == last.held and not pushed_on:
            raise UnusableBody("it holds the same rows as the page before")
        after = None if pushed_on else following(settings, ask, page)
        total = page.number(settings.total) if settings.total and not place.pages else place.total
        rows, longest = place.rows + len(page.rows), max(place.longest, len(page.rows))
        here = Place(self.low, self.high, rows, place.pages + 1, self.api.kept(ask), held, total, longest)
        recent = (*last.recent, *page.rows)[-longest:] if settings.key and longest else ()
        return Turn(page, here, after and self.api.kept(after), last.recent, recent, held if page.rows else last.held)

    @property
    def _parameters(self) -> Mapping[str, str]:
        return self.window.query if self.window else {}
