"""The guarantees of `Sink` and `Writer`, as tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from penstock.engine.ledger import check
from penstock.ports.checkpoints import Pipeline, Run
from penstock.ports.flow import Block, Receipt, Settled
from penstock.ports.sink import AtLeastOnce, Idempotent, Sink
from penstock.testing import records

if TYPE_CHECKING:
    import pyarrow as pa

RUN = Run(Pipeline("conformance", "the suite's records"), 1, records.here())

Written = Sequence[tuple[Block, Receipt]]
"""What a sink answered to each block."""


class SinkBench(Protocol):
    """The sink to be tested, and what only its author can do with it."""

    @property
    def sink(self) -> Sink:
        """The object to be tested; another one over the same store after `crash`."""
        ...

    async def stored(self) -> Sequence[int]:
        """The column `id` of all rows that a reader of the store finds at this moment, each as often as it stands there."""
        ...

    async def crash(self) -> None:
        """Kill process and store: drop what was not durable, then open the store anew."""
        ...


class Abandoned(Exception):
    """Why the suite leaves a writer."""


class SinkSuite:
    """A store that knows nothing of positions. It may refuse some of the suite's records, early or late."""

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def bench(self) -> SinkBench:
        """The bench of one test."""
        raise NotImplementedError

    def block(self, low: int, high: int, *, strand: int | None = None, refused: Collection[int] = ()) -> Block:
        """Records by their numbers, some refused by the source; for sinks that need other columns than an `id` and a `name`."""
        return records.block(low, high, strand=strand, refused=refused)

    async def test_it_says_what_it_wants(self, bench: SinkBench) -> None:
        """Limits leave room for a row, and for a partition to write it."""
        assert bench.sink.block.rows > 0
        assert bench.sink.in_flight > 0

    async def test_receipts_add_up(self, bench: SinkBench) -> None:
        """A receipt speaks of every row of its block, and of no other, also where a batch or the whole block has none."""
        blocks = [self.block(0, 7, refused=[3]), self.block(7, 9, strand=0, refused=[7, 8]), self.block(9, 10, strand=0)]

        written, _ = await carried(bench.sink, blocks)

        for block, receipt in written:
            check(block, receipt)

    async def test_settled_rows_are_durable(self, bench: SinkBench) -> None:
        """Every row that was settled, and neither refused at once nor by a late verdict, is there after a crash, and no refused one is."""
        expected = accepted(*await carried(bench.sink, [self.block(0, 7), self.block(7, 20, strand=0)]))
        await bench.crash()

        assert sorted(await bench.stored()) == expected

    async def test_late_verdicts_come_once(self, bench: SinkBench) -> None:
        """A verdict names a row of a block written before, a row has one verdict at most, and settling again brings no new ones."""
        blocks = [self.block(0, 7), self.block(7, 20, strand=0)]

        async with bench.sink.open(RUN, schema(blocks)) as writer:
            receipts = [(block, await writer.write(block)) for block in blocks]
            settled = [*await writer.settle(), *await writer.settle()]

        for block, receipt in receipts:
            late = tuple(verdict for one in settled if one.block == block.id for verdict in one.refused)
            check(block, replace(receipt, stored=receipt.stored - len(late), refused=receipt.refused + late))
        assert {one.block for one in settled} <= {block.id for block in blocks}

    async def test_settling_nothing_is_no_error(self, bench: SinkBench) -> None:
        """A writer that has nothing to settle has no verdicts."""
        async with bench.sink.open(RUN, schema([self.block(0, 7)])) as writer:
            settled = await writer.settle()

        assert list(settled) == []

    async def test_a_second_write_does_what_delivery_says(self, bench: SinkBench) -> None:
        """The same block once more, after a crash, is harmless where the sink is idempotent, else stored again at most once."""
        blocks = [self.block(0, 7)]
        expected = accepted(*await carried(bench.sink, blocks))
        await bench.crash()

        await carried(bench.sink, [replace(block, again=True) for block in blocks])

        assert_delivered(bench.sink, await bench.stored(), expected)

    async def test_rows_with_a_key_may_come_in_other_blocks(self, bench: SinkBench) -> None:
        """Where rows are told apart by a key, a second write within other bounds is harmless too."""
        if not (isinstance(bench.sink.delivery, Idempotent) and bench.sink.delivery.key):
            pytest.skip("its rows have no key")
        expected = accepted(*await carried(bench.sink, [self.block(0, 7)]))

        await carried(bench.sink, [self.block(0, 4), self.block(4, 7, strand=0)])

        assert sorted(await bench.stored()) == expected

    async def test_leaving_by_an_exception_finishes_nothing(self, bench: SinkBench) -> None:
        """Abandoning a writer makes no row visible, and the block written again is stored as `delivery` says."""
        block = self.block(0, 7)
        with pytest.raises(Abandoned):
            await abandoned(bench, block)
        await bench.crash()

        expected = accepted(*await carried(bench.sink, [replace(block, again=True)]))

        assert_delivered(bench.sink, await bench.stored(), expected)

    async def test_partitions_write_at_the_same_time(self, bench: SinkBench) -> None:
        """As many writes as `in_flight` says may be open at once, and all their rows are stored."""
        blocks = [self.block(10 * number, 10 * number + 7) for number in range(bench.sink.in_flight)]

        async with bench.sink.open(RUN, schema(blocks)) as writer:
            receipts = await asyncio.gather(*map(writer.write, blocks))
            settled = await writer.settle()

        assert sorted(await bench.stored()) == accepted(list(zip(blocks, receipts, strict=True)), settled)

    async def test_it_is_opened_again_and_again(self, bench: SinkBench) -> None:
        """A store that exists is written on, with nothing lost of what was there."""
        expected = accepted(*await carried(bench.sink, [self.block(0, 7)]))

        expected += accepted(*await carried(bench.sink, [self.block(7, 9, strand=0)]))

        assert sorted(await bench.stored()) == expected


async def carried(sink: Sink, blocks: Sequence[Block]) -> tuple[Written, Sequence[Settled]]:
    """Blocks written, each when the sink lets it, and settled: what was answered."""
    async with sink.open(RUN, schema(blocks)) as writer:
        written = [(block, await writer.write(block)) for block in blocks]
        return written, await writer.settle()


async def abandoned(bench: SinkBench, block: Block) -> None:
    """Write a block and leave by an exception.

    Raises:
        Abandoned: always.
    """
    before: Counter[int] = Counter()
    try:
        async with bench.sink.open(RUN, schema([block])) as writer:
            await writer.write(block)
            before.update(await bench.stored())
            raise Abandoned
    finally:
        assert Counter(await bench.stored()) <= before


def schema(blocks: Sequence[Block]) -> pa.Schema:
    """The columns of blocks."""
    return blocks[0].batches[0].rows.schema


def accepted(written: Written, late: Sequence[Settled]) -> list[int]:
    """The ids that are stored by what a sink answered, lowest first."""
    turned_away = {(one.block, verdict.row) for one in late for verdict in one.refused}
    turned_away |= {(block.id, verdict.row) for block, receipt in written for verdict in receipt.refused}
    ids = {(block.id, row): number for block, _ in written for row, number in enumerate(numbers(block))}
    return sorted(number for place, number in ids.items() if place not in turned_away)


def numbers(block: Block) -> list[int]:
    """The column `id` of a block."""
    return [number for batch in block.batches for number in batch.rows.column("id").to_pylist()]


def assert_delivered(sink: Sink, stored: Sequence[int], expected: Sequence[int]) -> None:
    """The rows are there as they may be after two writes."""
    most = 2 if isinstance(sink.delivery, AtLeastOnce) else 1

    assert sorted(set(stored)) == list(expected)
    assert all(copies <= most for copies in Counter(stored).values())
