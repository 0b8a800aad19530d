"""What a database knows of its pipelines, and forgetting one."""

from __future__ import annotations

import pytest

from penstock.ports.bookkeeping import Choice, NoSuchPipeline
from penstock.ports.bookkeeping import pipeline as known
from penstock.ports.checkpoints import LeaseHeld, Outcome, Pipeline
from penstock.ports.flow import Receipt
from penstock.stores.postgres.bookkeeping import PostgresBookkeeping
from penstock.stores.postgres.census import Census
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.table import Table
from penstock.testing import records
from tests.contract.benches import PostgresBench, PostgresDestinationBench


async def ended(bench: PostgresDestinationBench, pipeline: Pipeline) -> PostgresBookkeeping:
    """The books of a database in which a run of this pipeline has stored half of its scope, and ended."""
    run = await bench.runs.begin(pipeline, bench.checkpoints.next_holder())
    await bench.runs.freeze(run, records.scope(12))
    async with bench.runs.open(run, records.SCHEMA) as writer:
        await writer.write(records.block(0, 6, refused=[2]))
    await bench.runs.end(run, Outcome("failed", "stopped"))
    return bench.checkpoints.books


async def test_what_is_stored_and_what_is_missing(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """Source, table, counts, gaps, dead letters and the last runs of a pipeline, alone and among all."""
    books = await ended(records_bench, pipeline)

    state = await known(books, pipeline.name)

    assert (state.source, state.table) == (pipeline.source, str(records_bench.table.name))
    assert (state.sums.stored, state.sums.refused, state.gaps, state.dead_letters, state.cleared) == (5, 1, 1, 1, 0)
    assert [(run.state, run.message) for run in state.runs] == [("failed", "stopped")]
    assert (state.lease, state.holder) == ("free", None)
    assert state.name in {one.name for one in await books.pipelines()}


@pytest.mark.parametrize("drop_table", [True, False])
async def test_a_pipeline_that_was_forgotten(
    records_bench: PostgresDestinationBench,
    pipeline: Pipeline,
    drop_table: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Nothing of it is left but, unless it is to go too, the table; a pipeline of the same name begins from nothing."""
    books = await ended(records_bench, pipeline)
    await books.clear(Choice(pipeline.name))

    dropped = await books.reset(await known(books, pipeline.name), drop_table=drop_table)

    left = await records_bench.checkpoints.ask("select to_regclass($1) as oid", records_bench.table.name.sql)
    assert (dropped, left[0]["oid"] is None) == (drop_table, drop_table)
    assert await records_bench.history(pipeline) == {}
    assert await Census(books.connections, "", "", "").dead_letters(pipeline.name) == 0
    with pytest.raises(NoSuchPipeline):
        await known(books, pipeline.name)


async def test_a_pipeline_at_work_is_not_forgotten(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """While a run shows that it is alive, nothing is forgotten and no table dropped: the answer names its holder."""
    books = await ended(records_bench, pipeline)
    await records_bench.runs.begin(pipeline, records.elsewhere())
    state = await known(books, pipeline.name)

    with pytest.raises(LeaseHeld, match="elsewhere"):
        await books.reset(state, drop_table=True)

    assert (await known(books, pipeline.name)).sums == state.sums
    assert len(await records_bench.stored()) == 5


async def test_a_table_of_somebody_else_is_not_dropped(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """A table that the pipeline found and wrote into stays."""
    records_bench.table = Table(TableName(f"found by {pipeline.name}"[:60]), ("id",), adopts=True)
    await records_bench.checkpoints.ask(f"create table {records_bench.table.name.sql} (id bigint primary key, name text)")
    books = await ended(records_bench, pipeline)

    dropped = await books.reset(await known(books, pipeline.name), drop_table=True)

    assert not dropped
    assert len(await records_bench.stored()) == 5


async def test_letters_that_are_cleared_still_count(bench: PostgresBench, pipeline: Pipeline) -> None:
    """Those that are meant are deleted and nothing else; the census goes on counting them, and knows their bytes."""
    run = await bench.runs.begin(pipeline, bench.next_holder())
    await bench.runs.save(run, records.block(0, 6, refused=[1, 4]), Receipt(4))
    letters, census = bench.books, Census(bench.runs.connections, "", "", "")
    (last,) = await letters.latest(Choice(), 1)

    cleared = await letters.clear(Choice(pipeline.name, numbers=[last.id]))

    assert (cleared, await bench.dead_letters(pipeline)) == (1, [b"record 1"])
    assert await census.dead_letters(pipeline.name) == 2
    assert [await census.is_dead_letter(pipeline.name, b"record %d" % number) for number in (1, 4, 5)] == [True, True, False]
