"""The log as a source: what waits in it is read from where the last run ended, and let go of once it is stored elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from penstock.model.coverage import Position, Span, missing
from penstock.model.gaps import Gap
from penstock.ports.flow import Batch, Refusal
from penstock.ports.live import NoRow
from penstock.ports.source import Growing, Partition, Plan, Progress, Releasing, Scope
from penstock.queue.arrivals import Arrivals
from penstock.queue.log import Entries, Log
from penstock.queue.stretches import BEGINNING, Stretches, place_of, position, stored

if TYPE_CHECKING:
    import pyarrow as pa

REPLACED = "the log was replaced or put back"
"""Cause of a gap where more was stored than this log ever had: what another one, or its later state, had kept is not known."""


@dataclass(frozen=True, slots=True)
class Portions:
    """How much is read in one go: for a batch, and, of a log to which more is appended, before what was stored is let go of."""

    batch_bytes: int = 1 << 20
    pass_bytes: int = 64 << 20


class EntriesDecoder(Protocol):
    """Makes rows of entries: a `Decoder`, or one that looks at their places too."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the rows."""
        ...

    @property
    def facts(self) -> Mapping[str, int | str]:
        """See `Decoder`."""
        ...

    def decode(self, arrivals: Sequence[Entries]) -> tuple[pa.RecordBatch, Sequence[NoRow]]:
        """See `Decoder`."""
        ...


def attach(log: Log, consumer: str, read_bytes: int = 1 << 20) -> Stretches:
    """Register a consumer; what of the log is there for it. It may wait for the disk."""
    return Stretches(log, log.register(consumer), read_bytes)


def reconcile(stretches: Stretches, done: Progress) -> None:
    """Hold the log against what is stored of it. Where that is of another log, leave a gap in this one, and go on behind it.

    It is best done before anything is appended in this process: where the log was begun anew and the clock runs behind, entries that came
    before are taken for stored, and the gap is all that tells of them. It may wait for the disk.
    """
    if done.scope is not None and _is_another(stretches, done.scope.span.end, stored(done)):
        stretches.log.renew(place_of(done.scope.span.end).epoch)
        stretches.log.append_gap(0, Gap(REPLACED)).result()


def _is_another(stretches: Stretches, end: Position, upto: Position) -> bool:
    """Whether the log never reached `end`, or has something else where `upto` is: in one log, offsets never begin anew."""
    following = () if upto == BEGINNING else stretches.log.read(place_of(upto), 1)
    return end.order > stretches.end.order or any(stretch.first.offset < place_of(upto).offset for stretch in following)


@dataclass(slots=True)
class LogSource:
    """The entries of a log as rows, for one consumer, which is attached; `recall` makes the decoder of the frozen scope again.

    One to which more is appended has `arrivals`, and one lane; any other one is at rest.
    """

    stretches: Stretches
    consumer: str
    decoder: EntriesDecoder
    recall: Callable[[Mapping[str, int | str]], EntriesDecoder]
    arrivals: Arrivals | None = None
    portions: Portions = field(default_factory=Portions)
    splitting: None = None
    _seen: Position = field(default=BEGINNING, init=False)

    @property
    def schema(self) -> pa.Schema:
        """Columns as they were when the scope was frozen."""
        return self.decoder.schema

    @property
    def releasing(self) -> Releasing:
        """Itself."""
        return self

    @property
    def growing(self) -> Growing | None:
        """Itself, where more is appended."""
        return None if self.arrivals is None else self

    @property
    def waiting(self) -> int:
        """See `Growing`."""
        return self.stretches.waiting(self._seen)

    async def grown(self, done: Progress) -> None:
        """Return once an entry has waited for the flush interval, or no more will come; see `Growing`."""
        self._seen = stored(done)
        if done.scope is not None and self._seen != done.scope.span.end:
            return
        assert self.arrivals is not None
        await self.arrivals.beyond(self._seen)

    async def plan(self, done: Progress) -> Plan:
        """One partition: what is there now and not stored yet, or so much of it that room can be made before the rest."""
        scope = done.scope or Scope(Span(BEGINNING, self._upto(BEGINNING)), facts=self.decoder.facts)
        self.decoder = self.recall(scope.facts)
        if not any(missing(done.coverage, scope.span)):
            scope = replace(scope, span=Span(scope.span.start, self._upto(scope.span.end)))
        spans = enumerate(missing(done.coverage, scope.span))
        return Plan(scope, tuple(Partition(number, span.start, span.end) for number, span in spans))

    def _upto(self, start: Position) -> Position:
        """Where a pass ends: at the end of what there is, or, of a live log, after about `pass_bytes`."""
        end = self.stretches.end
        if end.order <= start.order:
            return start
        kept = self.stretches.log.kept()[0]
        at = max(kept.first.offset, self.stretches.place(0, start).offset)
        entries = kept.end.offset - kept.first.offset
        portion = max(1, self.portions.pass_bytes * entries // max(1, kept.size_bytes))
        if self.arrivals is None or kept.end.offset - at <= portion:
            return end
        return position(self.stretches.log.at(0, at + portion))

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """Batches of about `batch_bytes`; what is missing in the log comes as gaps."""
        stretches, at = self.stretches.between(partition.start, partition.end), partition.start
        while at != partition.end:
            batch = await asyncio.to_thread(self._batch, stretches, at, partition.end)
            yield batch
            at = batch.upto

    def _batch(self, stretches: Iterator[Entries], at: Position, end: Position) -> Batch:
        found, size_bytes = list[Entries](), 0
        for stretch in stretches:
            found.append(stretch)
            size_bytes += sum(map(len, stretch.bodies))
            if size_bytes >= self.portions.batch_bytes:
                return self._decoded(found, at, position(found[-1].end))
        return self._decoded(found, at, end)

    def _decoded(self, found: Sequence[Entries], at: Position, upto: Position) -> Batch:
        rows, no_rows = self.decoder.decode(found)
        gaps = tuple(stretch.gap for stretch in found if stretch.gap is not None)
        return Batch(rows, tuple(_refusals(found, no_rows)), at, upto, gaps=gaps)

    async def release(self, done: Progress) -> None:
        """See `Releasing`."""
        self._seen = stored(done)
        if self._seen != BEGINNING:
            await asyncio.to_thread(self.stretches.log.release, self.consumer, list(self.stretches.before(self._seen)))


def _refusals(found: Sequence[Entries], no_rows: Sequence[NoRow]) -> Iterator[Refusal]:
    if not no_rows:
        return
    entries = [(body, one.first.lane, offset) for one in found for offset, body in enumerate(one.bodies, one.first.offset)]
    for bad in no_rows:
        body, lane, offset = entries[bad.number]
        yield Refusal(bad.number, body, bad.reason, f"entry {offset:,} of lane {lane} of the log")
