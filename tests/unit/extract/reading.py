"""Reading a source to its end, and what was read, record by record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from penstock.extract.keys import Frontier
from penstock.extract.source import EventSource
from penstock.model.coverage import Interval
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Progress

from .keyset import Told


async def batches_of(source: EventSource, partition: Partition) -> list[Batch]:
    """All of a partition, which must be without a gap from its start to its end."""
    batches = [batch async for batch in source.read(partition)]
    assert [batch.after for batch in batches] == [partition.start, *(batch.upto for batch in batches[:-1])]
    assert all(batch.after.rank <= batch.upto.rank for batch in batches)
    assert batches[-1].upto == partition.end
    return batches


async def read_all(source: EventSource) -> dict[Partition, list[Batch]]:
    """Everything, by partition."""
    return await read_on(source, Progress())


async def read_on(source: EventSource, done: Progress) -> dict[Partition, list[Batch]]:
    """All that is planned, by partition, until nothing more is."""
    plan, read = await source.plan(done), dict[Partition, list[Batch]]()
    while plan.partitions:
        read |= {partition: await batches_of(source, partition) for partition in plan.partitions}
        whole = Interval(plan.scope.span.start, plan.scope.span.end)
        plan = await source.plan(Progress(plan.scope, (whole,)))
    return read


def raws(batches: Iterable[Batch]) -> Counter[bytes]:
    """Every record that was read, as received, and how often."""
    found: Counter[bytes] = Counter()
    for batch in batches:
        numbers = [refusal.row for refusal in batch.refused]
        assert numbers == sorted(set(numbers) & set(range(batch.received)))
        found.update(text.encode() for text in batch.rows.column("event").to_pylist())
        found.update(refusal.raw for refusal in batch.refused)
    return found


def all_raws(read: dict[Partition, list[Batch]]) -> Counter[bytes]:
    """The same of several partitions."""
    return raws(batch for batches in read.values() for batch in batches)


def expected(events: Iterable[Told]) -> Counter[bytes]:
    """Every event once."""
    return Counter(event.raw for event in events)


def strangers(read: dict[Partition, list[Batch]]) -> list[object]:
    """Rows in another partition than that of their time."""
    found: list[object] = []
    for partition, batches in read.items():
        low, high = Frontier.of(partition.end).ts, Frontier.of(partition.start).ts
        for batch in batches:
            times = batch.rows.column("occurred_at").cast("int64").to_pylist()
            found += [ts for ts in times if not low < ts <= high]
    return found
