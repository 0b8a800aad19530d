"""A paginated API as a source: one strand of pages, each following from the one before.

An API has no order that could be cut or jumped into, so that what is covered is row numbers. Going on, the last page is asked for again and
has to hold what it held: only then do the numbers still mean the same rows.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from penstock.model.coverage import Position, Span, missing
from penstock.model.errors import Fatal, Misconfigured
from penstock.model.metrics import Counters
from penstock.ports.flow import Batch, Refusal
from penstock.ports.source import Partition, Plan, PositionLost, Progress, Scope
from penstock.stores.columns import named
from penstock.stores.http.api import Api, shown
from penstock.stores.http.paging import first
from penstock.stores.http.place import Place, bound, bound_of
from penstock.stores.http.pull import Pull, Turn
from penstock.stores.http.rows import sample, sort_out
from penstock.stores.http.settings import HttpSettings
from penstock.stores.http.window import written
from penstock.stores.jsonl.entries import frozen, thawed
from penstock.stores.jsonl.rows import RowDecoder, decoder_for

if TYPE_CHECKING:
    from penstock.ports.source import Splittable


class NoColumns(Misconfigured):
    """The first page has no rows to learn the columns from."""

    default_hint = "State them under [source.columns], or run the command again once there are rows."


class RowsMissing(Fatal):
    """The API gave fewer rows than it said it had."""

    default_hint = (
        "Rows that are deleted or moved while pages are read make others slip through; what was stored stays. Begin again with"
        " `penstock state reset FILE` and mode upsert or replace. If the API only guesses its total, leave `total` out of [source]."
    )


@dataclass(slots=True)
class HttpSource:
    """The rows of an API, made into columns by `decoder`. `now_ms` is when it was looked at, by its own clock.

    A run begins at most one pull. How many rows a pull will have is not stated: an API may get more of them while it is read.
    """

    api: Api
    decoder: RowDecoder
    now_ms: int
    _planned: bool = field(default=False, init=False)
    releasing = growing = None

    @property
    def schema(self) -> pa.Schema:
        """Columns as the first page had them when the scope was frozen."""
        return self.decoder.schema

    @property
    def splitting(self) -> Splittable | None:
        """None: pages only follow each other."""
        return None

    async def plan(self, done: Progress) -> Plan:
        """What is missing of the last pull; or, where nothing was missing when the run began, the next pull."""
        scope = done.scope or Scope(Span(bound(0), bound(max(1, self._up_to()))), facts=frozen(self.decoder))
        self.decoder = thawed(scope.facts)
        if not self._planned and not list(missing(done.coverage, scope.span)):
            scope = self._further(scope)
        self._planned = True
        spans = missing(done.coverage, scope.span)
        return Plan(scope, tuple(Partition(number, span.start, span.end) for number, span in enumerate(spans)))

    def _further(self, scope: Scope) -> Scope:
        """The scope with one more pull, where there is something new to ask for."""
        settings, low = self.api.settings, bound_of(scope.span.end)
        high = self._up_to() if settings.time else low + settings.again
        return scope if high <= low else replace(scope, span=Span(scope.span.start, bound(high)))

    def _up_to(self) -> int:
        """The bound of a pull that begins now."""
        time_filter = self.api.settings.time
        return 1 if time_filter is None else self.now_ms - int(time_filter.lag_s * 1000)

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """A batch for each page, after the last one that is stored was found to hold what it held."""
        at, end = partition.start, partition.end
        pull = Pull(self.api, bound_of(at), Place.of(end).high if end.resume else bound_of(end))
        last = await pull.back_to(Place.of(at)) if at.resume else None
        if last is not None and last.following is None:
            yield Batch(pa.RecordBatch.from_pylist([], schema=self.schema), (), at, _upto(last, end))
            return
        async with aclosing(pull.turns(last)) as turns:
            while at != end:
                turn = await anext(turns)
                upto = _upto(turn, end)
                yield self._batch(pull, turn, at, upto)
                at = upto

    def _batch(self, pull: Pull, turn: Turn, after: Position, upto: Position) -> Batch:
        raws = turn.page.rows
        found = sort_out(raws, frozenset(turn.before), pull.window, self.decoder)
        origin = f"the page at {shown(turn.place.ask)}"
        refused = tuple(Refusal(number, raws[number], why, f"row {number} of {origin}") for number, why in sorted(found.refused.items()))
        return Batch(found.rows, refused, after, upto, filtered=found.filtered, duplicate=found.duplicate)


def _upto(turn: Turn, end: Position) -> Position:
    """Where the batch of a page ends.

    Raises:
        PositionLost: the page at which reading should end did not come.
        RowsMissing: the last page came too early.
    """
    place = turn.place
    if place.reached(end):
        return end
    if end.resume and (turn.following is None or place.pages >= Place.of(end).pages):
        raise PositionLost(f"the page at {shown(place.ask)} and others no longer hold what they held")
    if turn.following is not None:
        return place.position
    if place.total is not None and place.rows < place.total:
        raise RowsMissing(f"{place.rows:,} of {place.total:,}")
    return end


@asynccontextmanager
async def opened(settings: HttpSettings, counters: Counters) -> AsyncIterator[HttpSource]:
    """The source, once its first page has told the columns.

    Raises:
        NoColumns: it has no rows, and no columns are stated.
    """
    stated = {name: named(name, kind) for name, kind in settings.columns.items()}
    time_filter = settings.time
    since = {time_filter.since: written(time_filter.start_ms, time_filter.format)} if time_filter and time_filter.start_ms else {}
    async with Api.connected(settings, counters) as api:
        page = await api.page(first(settings), since, lambda page: page, first=True)
        decoder = decoder_for(sample(page.rows), stated)
        if not decoder.schema.names:
            raise NoColumns(settings.identity)
        yield HttpSource(api, decoder, time.time_ns() // 1_000_000 if page.date_ms is None else page.date_ms)
