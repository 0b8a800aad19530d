"""What waits in the folder of a log, for a pipeline that reads it while nobody else does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice

from penstock.model.errors import Misconfigured
from penstock.ports.ends import Surroundings
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.durable.documents import IDENTITY
from penstock.queue.log import Log
from penstock.queue.source import EntriesDecoder, LogSource, attach
from penstock.stores.jsonl.entries import learned, recalled
from penstock.stores.queue.raw import RawEntries
from penstock.stores.queue.settings import QueueSource

SAMPLE_ENTRIES = 10_000
SAMPLE_BYTES = 2 << 20


class NoSuchQueue(Misconfigured):
    """There is no queue in this folder."""

    default_hint = "Name the folder that a queue was given as its path; a pipeline's own is in `queues` of the state folder."


class NoColumns(Misconfigured):
    """Nothing waits in the queue that tells the columns."""

    default_hint = "State them under [source.columns], or run the command again once there is something."


@contextmanager
def opened(settings: QueueSource, surroundings: Surroundings) -> Iterator[LogSource]:
    """What this pipeline has not stored of the log.

    Raises:
        NoSuchQueue: there is no log.
        NoColumns: there is no entry to infer columns from, and none are stated.
        LogLocked: somebody else has it open.
    """
    folder, consumer = surroundings.folder / settings.path, f"run/{surroundings.pipeline}"
    if not (folder / IDENTITY).exists():
        raise NoSuchQueue(str(folder))
    with closing(DiskLog(folder)) as log:
        decoder = RawEntries() if settings.format == "raw" else learned(list(islice(_sample(log), SAMPLE_ENTRIES)), settings.columns)
        if decoder is None:
            raise NoColumns(str(folder))
        yield LogSource(attach(log, consumer), consumer, decoder, lambda facts: _recalled(settings, facts))


def _recalled(settings: QueueSource, facts: Mapping[str, int | str]) -> EntriesDecoder:
    return RawEntries() if settings.format == "raw" else recalled(facts)


def _sample(log: Log) -> Iterator[bytes]:
    """The first entries of each lane, be they stored or not."""
    for kept in log.kept():
        yield from (body for stretch in log.read(kept.first, SAMPLE_BYTES) for body in stretch.bodies)
