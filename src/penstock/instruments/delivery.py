"""Where samples go: into an ingestion queue, with what was refused of them, or as they came into the log of a pipeline."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import TypeAlias

import msgspec

from penstock.instruments.account import Account
from penstock.instruments.refusals import RefusedRun, Runs
from penstock.instruments.timing import Timing
from penstock.model.errors import PenstockError
from penstock.model.gaps import SHED, UNREADABLE, Gap
from penstock.ports.live import Append
from penstock.queue.ingestion import IngestionQueue, QueueFull, QueuePriority
from penstock.queue.log import AppendTooLarge


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of a channel, written down as it is to be kept, and when it was read (monotonic seconds).

    `provider` is whose channel it is, where more than one behind a source may have it.
    """

    channel: str
    read_at: float
    data: bytes
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A sample that is not to be kept, why, and its time and value where it has them."""

    channel: str
    reason: str
    timestamp_ms: int | None
    value: object
    provider: str = ""


def known_as(channel: str, provider: str) -> str:
    """The name of a channel among those of all providers."""
    return f"{provider}: {channel}" if provider else channel


MOST_AT_ONCE = 1_000
"""Samples that are enqueued together; a queue that holds fewer gets as many as it holds."""

TOO_LARGE = "it is larger than the log of the queue"

Item: TypeAlias = Sample | Refusal | Gap

Delivery: TypeAlias = Callable[[Sequence[Item]], None]
"""Makes items durable, in order; called with none now and then, for what waits for its time."""


@dataclass(frozen=True, slots=True)
class Appending:
    """Into the log of a pipeline. What was refused is a gap at its place."""

    append: Append
    account: Account
    timing: Timing

    def __call__(self, items: Sequence[Item]) -> None:
        """See `Delivery`."""
        entries = [self._entry(one) for one in items]
        for kind, group in groupby(zip(items, entries, strict=True), lambda pair: type(pair[1])):
            found = list(group)
            if kind is bytes:
                self.append([entry for _, entry in found if isinstance(entry, bytes)])
                self.account.processed([one.read_at for one, _ in found if isinstance(one, Sample)])
            else:
                for gap in _joined(entry for _, entry in found if isinstance(entry, Gap)):
                    self.append.gap(gap)

    def _entry(self, item: Item) -> bytes | Gap:
        if isinstance(item, Gap):
            return item
        if isinstance(item, Sample):
            return item.data
        now_us = self.timing.clock_us()
        return Gap(UNREADABLE, 1, now_us, now_us)


def _joined(gaps: Iterable[Gap]) -> Iterator[Gap]:
    """Gaps that follow each other, those of one cause as one."""
    for _, those in groupby(gaps, lambda gap: gap.cause):
        yield reduce(Gap.joined, those)


class Queueing:
    """Into an ingestion queue.

    What the queue does not take is dropped, counted, and left as a gap; a sample that is larger than its log is refused. Refused samples
    of one channel of one provider (the source, where they name none), for one reason and without a good one between them, are one dead
    letter; it is written when the run is over, or `flush_interval_sec` of the queue after it began.
    """

    def __init__(self, queue: IngestionQueue, source: str, priority: QueuePriority, account: Account, timing: Timing) -> None:
        self._queue = queue
        self._source = source
        self._priority = priority
        self._account = account
        self._timing = timing
        self._runs = Runs()
        self._letters_due = 0.0
        self._refused = 0
        self._letters = deque[RefusedRun]()
        self._owed = dict[str, Gap]()

    def __call__(self, items: Sequence[Item]) -> None:
        """See `Delivery`."""
        samples = [one for one in items if isinstance(one, Sample)]
        most = min(MOST_AT_ONCE, self._queue.settings.max_size)
        large = {id(one) for start in range(0, len(samples), most) for one in self._enqueue(samples[start : start + most])}
        for one in items:
            if isinstance(one, Gap):
                self._owe(one)
            elif isinstance(one, Refusal):
                self._refuse(one)
            elif id(one) in large:
                self._account.refused(known_as(one.channel, one.provider), TOO_LARGE)
                self._refuse(Refusal(one.channel, TOO_LARGE, None, msgspec.msgpack.decode(one.data), one.provider))
            else:
                self._runs.keep(one.provider or self._source, one.channel)
        self._write_down(now=False)

    def flush(self) -> None:
        """Write down what waits for its time; what cannot be waits for the next one."""
        self._write_down(now=True)

    def _enqueue(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Those that are larger than the log; the others are in the queue, or dropped."""
        try:
            self._queue.enqueue_batch([(self._source, msgspec.Raw(sample.data)) for sample in samples], self._priority)
        except AppendTooLarge:
            middle = len(samples) // 2
            return [*self._enqueue(samples[:middle]), *self._enqueue(samples[middle:])] if middle else samples
        except PenstockError as error:
            self._drop(len(samples), error)
        else:
            self._account.processed([sample.read_at for sample in samples])
        return ()

    def _drop(self, number: int, error: PenstockError) -> None:
        counted = isinstance(error, QueueFull) and self._queue.settings.when_full == "shed_lowest"
        self._account.dropped(number, error, counted=counted)
        if not counted:
            now_us = self._timing.clock_us()
            self._owe(Gap(SHED, number, now_us, now_us))

    def _owe(self, gap: Gap) -> None:
        """Gaps of one cause become one while they cannot be written down."""
        known = self._owed.get(gap.cause)
        self._owed[gap.cause] = gap if known is None else known.joined(gap)

    def _refuse(self, refusal: Refusal) -> None:
        if not self._refused:
            self._letters_due = self._timing.clock() + self._queue.settings.flush_interval_sec
        self._refused += 1
        ends = refusal.timestamp_ms, refusal.value
        self._runs.refuse(self._refused, refusal.provider or self._source, refusal.channel, refusal.reason, ends)

    def _write_down(self, *, now: bool) -> None:
        """Gaps at once, letters when they are due; what cannot be written down now waits for the next time."""
        if self._refused and (now or self._timing.clock() >= self._letters_due):
            self._letters += self._runs.take()
            self._refused = 0
        try:
            while self._letters or self._owed:
                while self._owed:
                    self._queue.record_gap(next(iter(self._owed.values())))
                    del self._owed[next(iter(self._owed))]
                if self._letters:
                    self._write(self._letters[0])
                    self._letters.popleft()
        except PenstockError as error:
            self._account.held_up("gaps or dead letters wait to be written down", error)
        else:
            self._account.goes_on()

    def _write(self, letter: RefusedRun) -> None:
        """A letter that is larger than the log becomes a gap."""
        try:
            self._queue.add_dead_letter(self._source, letter.data, letter.reason, self._priority)
        except AppendTooLarge as error:
            self._account.held_up("a dead letter was let go", error)
            now_us = self._timing.clock_us()
            self._owe(Gap(UNREADABLE, len(letter.numbers), now_us, now_us))
