"""Blocks some of whose keys are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

import pyarrow as pa

from penstock.ports.checkpoints import Outcome, Pipeline
from penstock.ports.flow import RAW_COLUMN, Batch, Block, BlockId, Receipt, Verdict
from penstock.stores.postgres.destination import PostgresDestination
from penstock.stores.postgres.loading import CONFLICT
from penstock.testing import records
from tests.contract.benches import PostgresDestinationBench

Row = tuple[int, str | None]


def block(rows: Sequence[Row], at: int, cuts: Sequence[int] = (), schema: pa.Schema = records.SCHEMA) -> Block:
    """Rows as the `at`-th record on, in batches that end at the cuts."""
    ends = [0, *sorted(cuts), len(rows)]
    batches = [
        Batch(
            pa.RecordBatch.from_pylist([{"id": key, "name": name} for key, name in rows[low:high]], schema=schema),
            (),
            records.place(at + low),
            records.place(at + high),
        )
        for low, high in pairwise(ends)
    ]
    return Block(BlockId(records.place(0), records.place(at), records.place(at + len(rows))), tuple(batches))


@dataclass
class Copied:
    """What came of blocks: the receipts, and the table."""

    receipts: list[Receipt]
    table: dict[int, str | None]


async def write(
    bench: PostgresDestinationBench,
    pipeline: Pipeline,
    *blocks: Sequence[Row],
    cuts: Sequence[int] = (),
    schema: pa.Schema = records.SCHEMA,
) -> Copied:
    """Write blocks one after another."""
    destination: PostgresDestination = bench.runs
    run, at, receipts = await destination.begin(pipeline, records.here()), 0, []
    async with destination.open(run, schema) as writer:
        for rows in blocks:
            receipts.append(await writer.write(block(rows, at, cuts, schema)))
            at += len(rows)
    await destination.end(run, Outcome("completed", ""))
    found = await bench.checkpoints.ask(f"select id, name from {bench.table.name.sql}")
    return Copied(receipts, {row["id"]: row["name"] for row in found})


async def test_the_same_row_again_is_a_duplicate(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """Rows that are there as they come are counted, not stored; nulls are equal to nulls."""
    rows = [(1, "a"), (2, None), (3, "")]

    copied = await write(records_bench, pipeline, rows, [*rows, (4, "new")])

    assert copied.receipts == [Receipt(3), Receipt(1, duplicate=3)]
    assert copied.table == {1: "a", 2: None, 3: "", 4: "new"}


async def test_another_row_with_a_known_key_is_refused(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """What is stored stays, and the other row is turned away with its number in the block; null and empty are not the same."""
    copied = await write(records_bench, pipeline, [(1, "a"), (2, None)], [(3, "c"), (2, ""), (1, "A"), (1, "a")], cuts=[1])

    assert copied.receipts[1] == Receipt(1, duplicate=1, refused=(Verdict(1, CONFLICT), Verdict(2, CONFLICT)))
    assert copied.table == {1: "a", 2: None, 3: "c"}


NOTES = records.SCHEMA.with_metadata({RAW_COLUMN: b"name"})


async def test_the_same_record_written_differently(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """Where the record as received differs and nothing else does, it is for the source to say whether it is the same."""
    bench = replace(records_bench, table=replace(records_bench.table, alike=lambda one, other: one.lower() == other.lower()))

    copied = await write(bench, pipeline, [(1, "a"), (2, "b")], [(1, "A"), (2, "c"), (2, "B")], schema=NOTES)

    assert copied.receipts[1] == Receipt(0, duplicate=2, refused=(Verdict(1, CONFLICT),))
    assert copied.table == {1: "a", 2: "b"}


async def test_of_equal_keys_in_one_block_the_first_is_stored(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """The same row twice is a duplicate, another one is refused, whichever batch of the block they are in."""
    copied = await write(records_bench, pipeline, [(1, "a"), (1, "a"), (2, "b"), (1, "other"), (2, "b")], cuts=[2, 2, 4])

    assert copied.receipts == [Receipt(2, duplicate=2, refused=(Verdict(3, CONFLICT),))]
    assert copied.table == {1: "a", 2: "b"}


async def test_turned_away_rows_are_dead_letters(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """Rows, position, counts and dead letters of a merged block are one transaction, like those of any other."""
    await write(records_bench, pipeline, [(1, "a"), (2, "b")], [(1, "other"), (2, "b"), (3, "c")])

    letters = await records_bench.checkpoints.ask(
        "select reason, origin, raw from penstock.dead_letters where pipeline = $1", pipeline.name
    )
    counts = await records_bench.checkpoints.ask(
        "select received, stored, duplicate, refused from penstock.coverage where pipeline = $1", pipeline.name
    )

    assert [tuple(letter) for letter in letters] == [(CONFLICT, "store", b'{"id": 1, "name": "other"}')]
    assert [tuple(row) for row in counts] == [(5, 3, 1, 1)]


async def test_any_rows_end_as_the_first_of_each_key(
    records_bench: PostgresDestinationBench, pipeline: Pipeline, seed: int, scale: int
) -> None:
    """Drawn rows with few keys: the table is what a dictionary makes of them, and receipts say of each row what became of it."""
    random = Random(f"merge {seed}")
    blocks = [[(random.randint(0, 30), random.choice(["a", "b", None])) for _ in range(random.randint(1, 12))] for _ in range(25 * scale)]
    table: dict[int, str | None] = {}
    expected = []
    for rows in blocks:
        fresh = [key not in table and table.setdefault(key, name) == name for key, name in rows]
        other = [table[key] != name for key, name in rows]
        verdicts = tuple(Verdict(number, CONFLICT) for number, refused in enumerate(other) if refused)
        expected.append(Receipt(sum(fresh), len(rows) - sum(fresh) - len(verdicts), verdicts))

    copied = await write(records_bench, pipeline, *blocks)

    assert copied.receipts == expected, f"seed {seed}"
    assert copied.table == table, f"seed {seed}"


async def test_a_unique_column_of_somebody_else_refuses(records_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """An index that was added later is not what rows are told apart by: what it turns away is refused, and the others are stored."""
    await write(records_bench, pipeline, [(1, "a")])
    await records_bench.checkpoints.ask(f"alter table {records_bench.table.name.sql} add unique (name)")
    run = await records_bench.runs.begin(pipeline, records.elsewhere())

    async with records_bench.runs.open(run, records.SCHEMA) as writer:
        receipt = await writer.write(block([(2, "a"), (3, "c"), (1, "a")], 1))

    assert (receipt.stored, receipt.duplicate, [verdict.row for verdict in receipt.refused]) == (1, 1, [0])
    assert sorted(await records_bench.stored()) == [1, 3]
