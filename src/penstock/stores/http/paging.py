"""How pages follow each other: given one, what the next is asked for with, or that there is none. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.stores.http.body import UnusableBody
from penstock.stores.http.page import Page
from penstock.stores.http.settings import HttpSettings


@dataclass(frozen=True, slots=True)
class Ask:
    """What one page is asked for with: an address of its own, or parameters that join those of the settings' `url`."""

    url: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


def first(settings: HttpSettings) -> Ask:
    """The first page."""
    if settings.page:
        return Ask(query={settings.page.parameter: str(settings.page.start)})
    if settings.offset:
        return Ask(query={settings.offset.parameter: str(settings.offset.start)})
    return Ask()


def following(settings: HttpSettings, ask: Ask, page: Page) -> Ask | None:
    """What comes after the page that `ask` gave; None where it is the last one.

    A short page is not taken for the last one, and a stated total ends nothing: many APIs give fewer rows than were asked for, and many
    totals are wrong.

    Raises:
        UnusableBody: what the page says of others contradicts itself, or is missing.
    """
    more = _says(settings, page)
    if more is False:
        return None
    after = _after(settings, ask, page, more=bool(more))
    if after is None and more:
        raise UnusableBody(f"it says that there is more (`{settings.more or settings.done}`), and does not say where")
    return after


def pages_by_count(settings: HttpSettings) -> bool:
    """Whether pages are found by counting, and nothing but an empty one says where they end."""
    counted = bool(settings.offset or (settings.page and not settings.page.pages))
    return counted and not (settings.more or settings.done)


def _says(settings: HttpSettings, page: Page) -> bool | None:
    """Whether the page says that others follow; None where it is not asked."""
    if settings.more:
        return page.flag(settings.more)
    if settings.done:
        return not page.flag(settings.done)
    return None


def _after(settings: HttpSettings, ask: Ask, page: Page, *, more: bool) -> Ask | None:
    if settings.cursor:
        cursor = page.cursor(settings.cursor.next)
        parameter = settings.cursor.parameter
        return None if cursor is None else Ask(query={parameter: cursor}) if parameter else Ask(url=cursor)
    if settings.link:
        return None if page.link is None else Ask(url=page.link)
    if settings.page:
        number, pages = int(ask.query[settings.page.parameter]), settings.page.pages
        ended = number - settings.page.start + 1 >= page.number(pages) if pages else not (page.rows or more)
        return None if ended else Ask(query={settings.page.parameter: str(number + 1)})
    if settings.offset and page.rows:
        # By the rows that came: an API that caps the size of its pages gives fewer than were asked for.
        return Ask(query={settings.offset.parameter: str(int(ask.query[settings.offset.parameter]) + len(page.rows))})
    return None


class Round:
    """Notices that pages lead back to one that was asked for before, whatever the length of the round.

    Only one earlier page is remembered, a later one after 1, 2, 4, 8 ... pages: Brent's cycle detection, BIT 20 (1980) 176-184.
    """

    def __init__(self) -> None:
        self._kept: Ask | None = None
        self._since = 0
        self._until = 1

    def closed_by(self, ask: Ask) -> bool:
        """Take the next page; whether it is the one that is remembered."""
        if ask == self._kept:
            return True
        self._since += 1
        if self._since == self._until:
            self._kept, self._since, self._until = ask, 0, self._until * 2
        return False
