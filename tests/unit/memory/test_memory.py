"""What the in-memory ends do beyond the contracts of their ports."""

from __future__ import annotations

from contextlib import aclosing

import pyarrow as pa
import pytest

from penstock.model.coverage import Interval
from penstock.ports.checkpoints import AnotherSource, LeaseHeld, LeaseLost, Outcome, Pipeline, PositionMoved
from penstock.ports.flow import Batch, Receipt
from penstock.ports.sink import Idempotent
from penstock.ports.source import Partition, Progress
from penstock.stores.memory import MemoryCheckpoints, MemorySink, MemorySource
from penstock.testing import records

PIPELINE = Pipeline("p", "s")


async def read(source: MemorySource, partition: Partition) -> list[Batch]:
    """All its batches."""
    async with aclosing(source.read(partition)) as batches:
        return [batch async for batch in batches]


async def test_a_source_is_cut_at_multiples() -> None:
    """Seams lie where they lay before, whatever was stored in between."""
    source = records.source(25, partition_rows=10)
    scope = (await source.plan(Progress())).scope

    plan = await source.plan(Progress(scope, (Interval(source.at(4), source.at(13)),)))

    assert [(records.number(part.start), records.number(part.end)) for part in plan.partitions] == [(0, 4), (13, 20), (20, 25)]


async def test_batches_hold_what_is_good() -> None:
    """Refused rows are no rows, also where nothing else is left of a batch."""
    source = records.source(7, batch_rows=3, refused=[1, 3, 4, 5])

    batches = await read(source, (await source.plan(Progress())).partitions[0])

    assert [batch.rows.column("id").to_pylist() for batch in batches] == [[0, 2], [], [6]]
    assert [[refusal.row for refusal in batch.refused] for batch in batches] == [[1], [0, 1, 2], []]


async def test_an_empty_table_is_read_to_its_end() -> None:
    """No rows are one empty batch, so that there is something to store the position with."""
    source = MemorySource(records.SCHEMA.empty_table())

    batches = await read(source, (await source.plan(Progress())).partitions[0])

    assert [batch.received for batch in batches] == [0]


async def test_a_row_has_one_place_in_the_table() -> None:
    """A key that is there already keeps its row, and is counted as a duplicate."""
    sink = MemorySink("id")
    run = await MemoryCheckpoints().begin(PIPELINE, records.here())

    async with sink.open(run, records.SCHEMA) as writer:
        receipts = [await writer.write(records.block(0, 4)), await writer.write(records.block(2, 6))]
        settled = await writer.settle()

    assert receipts == [Receipt(4), Receipt(2, duplicate=2)]
    assert list(sink.rows) == [0, 1, 2, 3, 4, 5]
    assert sink.delivery == Idempotent(("id",), float("inf"))
    assert list(settled) == []


async def test_checkpoints_tell_time_by_their_clock() -> None:
    """A holder out of sight is replaced when the clock says that it was silent too long, and not before."""
    now = 0.0
    checkpoints = MemoryCheckpoints(clock=lambda: now)
    first = await checkpoints.begin(PIPELINE, records.elsewhere())

    now = checkpoints.settings.ttl_s - 0.001
    with pytest.raises(LeaseHeld):
        await checkpoints.begin(PIPELINE, records.here())
    now = checkpoints.settings.ttl_s
    second = await checkpoints.begin(PIPELINE, records.here())

    assert (first.fence, second.fence) == (1, 2)
    with pytest.raises(LeaseLost):
        await checkpoints.beat(first)


async def test_checkpoints_keep_all_of_a_pipeline() -> None:
    """Scope, positions, intents, dead letters and history, each once."""
    checkpoints = MemoryCheckpoints()
    run = await checkpoints.begin(PIPELINE, records.here())
    block = records.block(0, 4, refused=[1])
    await checkpoints.freeze(run, records.scope(9))
    await checkpoints.beat(run)
    again = [await checkpoints.intend(run, block.id), await checkpoints.intend(run, block.id)]
    await checkpoints.save(run, block, Receipt(3))
    await checkpoints.end(run, Outcome("completed", "well"))

    record = checkpoints.records["p"]

    assert again == [0, 1]
    assert (record.scope, record.intended, record.holder) == (records.scope(9), {}, None)
    assert records.covered(Progress(None, tuple(record.coverage.values()))) == [(0, 4)]
    assert [refusal.raw for refusal in record.dead] == [b"record 1"]
    assert record.history == {1: Outcome("completed", "well")}


async def test_checkpoints_turn_away_what_does_not_fit() -> None:
    """Another source, another scope, a block out of place, and the end of a run that was replaced."""
    checkpoints = MemoryCheckpoints()
    first = await checkpoints.begin(PIPELINE, records.gone())
    run = await checkpoints.begin(PIPELINE, records.here())
    await checkpoints.freeze(run, records.scope(9))

    with pytest.raises(AnotherSource):
        await checkpoints.begin(Pipeline("p", "another"), records.here())
    with pytest.raises(PositionMoved):
        await checkpoints.freeze(run, records.scope(8))
    with pytest.raises(PositionMoved):
        await checkpoints.save(run, records.block(4, 6, strand=0), Receipt(2))
    await checkpoints.end(first, Outcome("failed", "replaced"))

    assert checkpoints.records["p"].holder == records.here()
    assert await checkpoints.progress(run) == Progress(records.scope(9))


def test_a_source_knows_its_columns() -> None:
    """They are the table's."""
    assert MemorySource(pa.table({"a": [1]})).schema == pa.schema([("a", pa.int64())])
