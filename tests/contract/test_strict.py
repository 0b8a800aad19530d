"""The strict sink notices what an engine must not do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pyarrow as pa
import pytest

from penstock.model.errors import Transient
from penstock.ports.checkpoints import LeaseLost
from penstock.ports.flow import Block, BlockId
from penstock.ports.sink import Writer
from penstock.testing import records
from penstock.testing.hostile import BlockwiseStore, TardyStore
from penstock.testing.sinks import RUN
from penstock.testing.strict import Breach, StrictSink

FIRST, SECOND = records.block(0, 6), records.block(6, 9, strand=0)


@pytest.fixture
def sink() -> StrictSink:
    """In front of a store that knows nothing of keys."""
    return StrictSink(BlockwiseStore(), in_flight=2)


@asynccontextmanager
async def writer(sink: StrictSink, fence: int = 1) -> AsyncIterator[Writer]:
    """A writer of a run."""
    async with sink.open(replace(RUN, fence=fence), records.SCHEMA) as opened:
        yield opened


async def test_a_good_engine_meets_no_resistance(sink: StrictSink) -> None:
    """Blocks in order, two partitions at once, settled, opened again, and an unanswered block once more as it was."""
    async with writer(sink) as opened:
        await asyncio.gather(opened.write(FIRST), opened.write(records.block(20, 25)))
        await opened.write(SECOND)
        await opened.settle()
    async with writer(sink, fence=2) as opened:
        await opened.write(replace(SECOND, again=True))

    assert len(sink.store.stored) == 14


async def test_a_closed_writer_is_closed(sink: StrictSink) -> None:
    """Neither written nor settled after it was left."""
    async with writer(sink) as opened:
        pass

    with pytest.raises(Breach, match="closed"):
        await opened.write(FIRST)
    with pytest.raises(Breach, match="closed"):
        await opened.settle()


async def test_a_run_has_one_writer_at_a_time(sink: StrictSink) -> None:
    """Opening twice is a breach; a successor may open, and its predecessor may not write any more."""
    async with writer(sink) as opened, writer(sink, fence=2):
        with pytest.raises(Breach, match="second time"):
            await sink.open(replace(RUN, fence=2), records.SCHEMA).__aenter__()
        with pytest.raises(LeaseLost):
            await opened.write(FIRST)


async def test_a_partition_writes_one_block_after_another(sink: StrictSink) -> None:
    """Not two at once, and none is left out."""
    async with writer(sink) as opened:
        with pytest.raises(Breach, match="two writes open"):
            await asyncio.gather(opened.write(FIRST), opened.write(SECOND))
    async with writer(sink, fence=2) as opened:
        await opened.write(replace(FIRST, again=True))
        with pytest.raises(Breach, match="does not follow"):
            await opened.write(records.block(7, 9, strand=0))


async def test_only_so_many_write_at_once(sink: StrictSink) -> None:
    """A third partition has to wait."""
    async with writer(sink) as opened:
        with pytest.raises(Breach, match="more writes"):
            await asyncio.gather(*(opened.write(records.block(low, low + 4)) for low in (0, 10, 20)))


@pytest.mark.parametrize(
    ("bad", "breach"),
    [
        (replace(FIRST, batches=FIRST.batches[1:]), "do not follow"),
        (replace(FIRST, batches=FIRST.batches[:-1]), "do not follow"),
        (
            replace(FIRST, batches=(replace(FIRST.batches[0], rows=pa.RecordBatch.from_pydict({"other": [1]})), *FIRST.batches[1:])),
            "columns",
        ),
    ],
)
async def test_a_block_is_what_it_says(sink: StrictSink, bad: Block, breach: str) -> None:
    """Its batches are the stretch between its bounds, and have the columns that the sink was opened for."""
    async with writer(sink) as opened:
        with pytest.raises(Breach, match=breach):
            await opened.write(bad)


@pytest.mark.parametrize(
    ("second", "breach"),
    [
        (FIRST, "does not say so"),
        (records.block(0, 8, again=True), "was begun before"),
        (records.block(3, 8), "overlaps"),
        (records.block(3, 5), "overlaps"),
        (replace(FIRST, id=BlockId(records.place(9), FIRST.id.after, FIRST.id.upto), again=True), "was begun before"),
    ],
    ids=["not marked", "longer", "reaching out", "within", "of another stretch"],
)
async def test_a_second_write_is_the_same_block(sink: StrictSink, second: Block, breach: str) -> None:
    """Where rows have no key, what was begun comes again in its old bounds, marked, or not at all."""
    async with writer(sink) as opened:
        await opened.write(FIRST)

    async with writer(sink, fence=2) as opened:
        with pytest.raises(Breach, match=breach):
            await opened.write(second)


async def test_rows_with_a_key_may_come_as_they_like() -> None:
    """Where they have one, bounds are free."""
    sink = StrictSink(TardyStore())
    async with writer(sink) as opened:
        await opened.write(FIRST)
    async with writer(sink, fence=2) as opened:
        await opened.write(records.block(0, 3))
        await opened.settle()

    assert len(sink.store.stored) == 6


async def test_a_restart_is_noticed_by_who_is_connected(sink: StrictSink) -> None:
    """What was sent before a crash of the store gets no answer."""
    async with writer(sink) as opened:
        sink.restart()
        with pytest.raises(Transient, match="restarted"):
            await opened.settle()
