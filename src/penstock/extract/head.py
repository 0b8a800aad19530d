"""Up to where a scope may reach: no further than to a millisecond that no event can join any more.

Events come in the order of their time, several to a millisecond, so the newest millisecond may not be complete when it is seen. A scope
therefore ends below it, and takes it in once the source is seen again and has not changed. Where it has changed the source is live, and
what was the newest millisecond lies below a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.extract import probe
from penstock.extract.keys import BOTTOM, NEWEST, Frontier
from penstock.extract.stretch import following
from penstock.model.coverage import Span
from penstock.ports.source import Scope

if TYPE_CHECKING:
    from penstock.extract.events import Page
    from penstock.extract.source import EventSource


HEAD_LIMIT = 100
"""Events of the newest page that are looked at to see whether anything is new: more than one millisecond hardly ever holds."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest millisecond with an event, how many events it holds, and the total that the API stated with them."""

    newest: int
    rows: int
    total: int | None

    def scope(self, epoch: str, bound: int, oldest: int) -> Scope:
        """All events at or below `bound`; a bound below the newest millisecond leaves out that one and nothing else.

        `oldest_ms` among the facts is where what is new of this scope ends, to be cut between there and the bound.
        """
        rows = None if self.total is None else self.total - (self.rows if bound < self.newest else 0)
        facts = {"newest_ms": self.newest, "oldest_ms": oldest} | ({} if self.total is None else {"total": self.total})
        return Scope(Span(Frontier(bound).position(epoch), BOTTOM.position(epoch)), rows, facts)

    def was_there(self, scope: Scope) -> bool:
        """Whether the source is as it was when a scope was frozen."""
        return (scope.facts["newest_ms"], scope.facts.get("total")) == (self.newest, self.total)


async def frozen(source: EventSource) -> Scope:
    """The first scope of a pipeline.

    Raises:
        NothingToRead: there is no event.
        StillGrowing: the newest millisecond cannot be counted, for the events that come in.
    """
    first, head = await _head(source, probe.FIRST_LIMIT)
    return head.scope(source.epoch, head.newest - 1, await probe.find_oldest(source.look, first, head.newest))


async def widened(source: EventSource, scope: Scope) -> Scope:
    """The scope in place of one of which everything is stored: as far as the source has come by now, never less far.

    Raises:
        NothingToRead, StillGrowing: as `frozen`.
    """
    _, head = await _head(source, HEAD_LIMIT)
    before = Frontier.of(scope.span.start).ts
    if head.was_there(scope) and head.newest <= before:
        return scope
    settled = head.newest if head.was_there(scope) else head.newest - 1
    return head.scope(source.epoch, max(settled, before), before)


async def _head(source: EventSource, limit: int) -> tuple[Page, Head]:
    """The newest page of so many events, and what it says; where one millisecond fills it, all of that one is counted."""
    first = await source.look(None, limit)
    newest = await probe.find_newest(source.look, first)
    assert first is not None
    above, reached = await _above(source, first, None, newest - 1)
    rows = above if reached else await _burst(source, newest - 1, first.paging.total)
    return first, Head(newest, rows, first.paging.total)


async def _burst(source: EventSource, bound: int, total: int | None) -> int:
    """How many events lie above a bound, page after page from the newest one on."""
    rows, reached, place = 0, False, None
    while not reached:
        page = await source.page_after(place, source.page_limit)
        if page is None:
            break
        above, reached = await _above(source, page, place, bound)
        rows += above
        place = place if reached else following(page)
    again = await source.look(None, 1)
    if again is None or again.paging.total != total:
        raise probe.StillGrowing
    return rows


async def _above(source: EventSource, page: Page, place: Frontier | None, bound: int) -> tuple[int, bool]:
    """How many events of a page lie above a bound, and whether none on the next pages does."""
    part = await source.share(page, place or NEWEST, bound, BOTTOM, None)
    return len(page) - int(part.mine.sum()), bool(part.mine.any()) or not page.paging.has_more
