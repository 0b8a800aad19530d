"""What a queue holds, to look at: nothing is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.model.gaps import Gap
from penstock.queue.ingestion.found import item
from penstock.queue.ingestion.item import QueueItem
from penstock.queue.ingestion.lane import Lane
from penstock.queue.ingestion.reading import Reader
from penstock.queue.log import Entries, ReadableLog

CHUNK = 256
"""Entries that are looked at together."""


def waiting(log: ReadableLog, lanes: Iterable[Lane], limit: int) -> list[QueueItem]:
    """The first items of these lanes that nobody has taken, lane by lane."""
    found = list[QueueItem]()
    for lane in lanes:
        reader = Reader(log, lane.number)
        for stretch in lane.oldest(limit - len(found)):
            for entries in reader.read(stretch.start, stretch.end):
                found += [item(entries, at, body, tried=_tried(lane, at)) for at, body in enumerate(entries.bodies, entries.first.offset)]
    return found


def _tried(lane: Lane, offset: int) -> int:
    return lane.tried[offset].attempts if offset in lane.tried else 0


def letters(log: ReadableLog, lane: Lane) -> Iterator[QueueItem]:
    """The dead letters, newest first."""
    for entries, offset in _backwards(log, lane):
        if entries.gap is None:
            yield item(entries, offset, entries.bodies[offset - entries.first.offset])


def gaps(log: ReadableLog, lane: Lane) -> Iterator[Gap]:
    """The records of what was lost, newest first."""
    return (entries.gap for entries, _ in _backwards(log, lane) if entries.gap is not None)


def _backwards(log: ReadableLog, lane: Lane) -> Iterator[tuple[Entries, int]]:
    """The entries of a lane that nobody has taken, from its end to its beginning."""
    reader = Reader(log, lane.number)
    for start, end in reversed(list(lane.taken.missing(0, lane.end))):
        for upto in range(end, start, -CHUNK):
            found = list(reader.read(max(start, upto - CHUNK), upto))
            for entries in reversed(found):
                for offset in reversed(range(entries.first.offset, entries.first.offset + entries.count)):
                    yield entries, offset
