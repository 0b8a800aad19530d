"""The list endpoint's own rule, in memory: newest first, strictly behind the cursor, ids within a millisecond in either order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast
from uuid import UUID

from penstock.extract.address import Address
from penstock.extract.api import EventsApi
from penstock.extract.cursor import Cursor
from penstock.extract.events import Page, page
from penstock.model.metrics import Counters

from .bodies import event, nested

BASE = 1_769_541_248_000

Sort = Literal["good", "Infinity", "no time", "no id", "neither"]
Rule = Literal["desc", "asc"]
Bounded = Literal["unsent", "ignored", "inclusive", "exclusive"]


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the server knows it, `ts` counted from `BASE`; its `sort` says how much of its text can be read."""

    ts: int
    number: int
    sort: Sort = "good"

    @property
    def id(self) -> UUID:
        """What the server orders by within a millisecond: an order that has nothing to do with that of the numbers."""
        return UUID(int=self.number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)

    @property
    def raw(self) -> bytes:
        """As it goes over the wire; no two are equal."""
        identity: object = 12 if self.sort in {"no id", "neither"} else str(self.id)
        stamp: object = {} if self.sort in {"no time", "neither"} else BASE + self.ts
        return event(identity, stamp, name=f"number {self.number}", x=float("inf") if self.sort == "Infinity" else 0)


@dataclass(slots=True)
class Keyset:
    """A double of `EventsApi` over `told`.

    Pages that end with one of the numbers in `cursorless` and hold a good event give no cursor. `sees_ahead` says whether `hasMore` tells
    the truth at the very end or only that the page is full; `teapot` whether nothing is answered with 418 or with an empty page;
    `since` whether that bound is sent and honoured, and how.
    """

    told: Sequence[Told]
    rule: Rule = "desc"
    cursorless: frozenset[int] = frozenset()
    sees_ahead: bool = True
    teapot: bool = False
    since: Bounded = "unsent"
    total: int | None = None
    states_total: bool = True
    counters: Counters = field(default_factory=Counters.zero)
    address: Address = field(default_factory=lambda: Address("http://double", "key"))
    asked: list[tuple[Cursor | None, int]] = field(default_factory=list)

    @property
    def api(self) -> EventsApi:
        """As what it stands in for."""
        return cast("EventsApi", self)

    def has_room(self, workers: int, requests: float) -> bool:
        """Always."""
        del workers, requests
        return True

    @property
    def bounded(self) -> bool:
        """Whether `since` is sent."""
        return self.since != "unsent"

    async def page(self, cursor: Cursor | None, limit: int, since: int | None = None) -> Page | None:
        """Everything strictly behind the cursor, newest first, up to `limit`."""
        self.asked.append((cursor, limit))
        behind = [one for one in self.behind(cursor) if self._is_asked_for(one, since)]
        rows = behind[:limit]
        if self.teapot and not rows:
            return None
        more = len(behind) > limit if self.sees_ahead else len(rows) == limit
        silent = more and rows[-1].number in self.cursorless and any(one.sort == "good" for one in rows)
        last = Cursor(str(rows[-1].id), BASE + rows[-1].ts) if more and not silent else None
        stated = (len(self.told) if self.total is None else self.total) if self.states_total else None
        return page(nested([one.raw for one in rows], last, has_more=more, total=stated))

    def _is_asked_for(self, one: Told, since: int | None) -> bool:
        if since is None or self.since not in {"inclusive", "exclusive"}:
            return True
        return one.ts >= since - BASE if self.since == "inclusive" else one.ts > since - BASE

    def behind(self, cursor: Cursor | None) -> list[Told]:
        """Whose (ts, id) comes after the cursor's in the server's order."""
        ordered = sorted(self.told, key=lambda one: (-one.ts, -one.id.int if self.rule == "desc" else one.id.int))
        if cursor is None:
            return ordered
        place, identity = cursor.ts - BASE, UUID(cursor.id)
        if self.rule == "desc":
            return [one for one in ordered if (one.ts, one.id) < (place, identity)]
        return [one for one in ordered if one.ts < place or (one.ts == place and one.id > identity)]


def told(moments: Iterable[int], sort: Sort = "good") -> list[Told]:
    """Events at these moments, numbered."""
    return [Told(ts, number, sort) for number, ts in enumerate(moments)]
