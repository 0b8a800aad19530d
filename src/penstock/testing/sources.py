"""The guarantees of `Source`, as tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.model.coverage import Interval, Position, in_order
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Plan, Progress, Source

PASSES = 5
"""So often a source may be asked after all was covered, until it has nothing more to read: it does not grow in a test."""

drawn = settings(
    suppress_health_check=[HealthCheck.differing_executors],  # the classes that inherit a test are what it is run for
    deadline=None,
)


@dataclass(frozen=True, slots=True)
class Contents:
    """Records of some batches: the rows, and the refused ones, each in reading order."""

    rows: tuple[object, ...]
    refused: tuple[tuple[bytes, str], ...]


class SourceSuite:
    """A source that can be read again from a position.

    `make` is called many times; what it returns must hold the same records each time, in more than one batch, better in several partitions.
    Where it can be split, a partition holds enough for that.
    """

    pytestmark = pytest.mark.asyncio

    def make(self) -> Source:
        """The source to be tested."""
        raise NotImplementedError

    async def test_the_first_plan_tiles_its_scope(self) -> None:
        """Nothing being stored, the partitions cover the whole scope, once."""
        plan = await self.make().plan(Progress())

        assert_tiled(plan, ())

    async def test_a_frozen_scope_stays(self) -> None:
        """A scope that was frozen is planned again as it is."""
        scope = (await self.make().plan(Progress())).scope

        again = await self.make().plan(Progress(scope))

        assert again.scope == scope

    async def test_nothing_is_left_to_plan_when_all_is_covered(self) -> None:
        """Where coverage is whole there are no partitions but those of a wider scope, and nothing is left once that is covered too."""
        source = self.make()
        plan = await source.plan(Progress())

        for _ in range(PASSES):
            before, whole = plan.scope, Interval(plan.scope.span.start, plan.scope.span.end)
            plan = await source.plan(Progress(before, (whole,)))
            assert plan.scope.span.contains(before.span)
            assert_tiled(plan, (whole,))

        assert plan.partitions == ()

    @drawn
    @given(st.data())
    async def test_plans_tile_what_is_missing(self, data: st.DataObject) -> None:
        """Whatever batches are stored, the partitions cover exactly the rest, however often a run begins again."""
        source = self.make()
        plan, covered = await source.plan(Progress()), list[Interval]()

        for _ in range(2):
            for partition in plan.partitions:
                ends = [batch.upto for batch in await read(source, partition)]
                if stored := data.draw(st.integers(0, len(ends)), label=f"batches stored of partition {partition.number}"):
                    covered.append(Interval(partition.start, ends[stored - 1]))
            plan = await source.plan(Progress(plan.scope, tuple(joined(covered))))

        assert_tiled(plan, covered)

    async def test_batches_follow_each_other(self) -> None:
        """The first batch starts where its partition does, each further one where the last ended, and the last ends with the partition."""
        source = self.make()

        for partition in (await source.plan(Progress())).partitions:
            batches = await read(source, partition)

            assert [partition.start, *(batch.upto for batch in batches)] == [*(batch.after for batch in batches), partition.end]

    async def test_positions_grow_within_one_epoch(self) -> None:
        """No position ranks below the one before it, and all are of the epoch of the scope."""
        source = self.make()
        plan = await source.plan(Progress())

        batches = await read_all(source, plan)

        assert all(batch.after.rank <= batch.upto.rank for batch in batches)
        assert {position.epoch for batch in batches for position in (batch.after, batch.upto)} == {plan.scope.span.start.epoch}

    async def test_new_stretches_begin_at_clean_boundaries(self) -> None:
        """A partition of which nothing is stored, and the scope, begin and end between two orders."""
        plan = await self.make().plan(Progress())

        seams = [plan.scope.span.start, plan.scope.span.end]
        seams += [seam for partition in plan.partitions for seam in (partition.start, partition.end)]

        assert {seam.resume for seam in seams} == {b""}

    async def test_batches_have_the_stated_schema(self) -> None:
        """Every batch has the columns that the source states, metadata included."""
        source = self.make()

        for batch in await read_all(source, await source.plan(Progress())):
            assert batch.rows.schema.equals(source.schema, check_metadata=True)

    async def test_refused_records_have_numbers_of_their_batch(self) -> None:
        """The numbers of refused records rise and are places among the records of their batch."""
        source = self.make()

        for batch in await read_all(source, await source.plan(Progress())):
            first, numbers = [refusal.row for refusal in batch.refused], batch.refused_rows

            assert first == sorted(first)
            assert len(set(numbers)) == len(numbers)
            assert set(numbers) <= set(range(batch.received))

    async def test_reading_twice_gives_the_same(self) -> None:
        """Reading a partition again gives the same records."""
        source = self.make()

        for partition in (await source.plan(Progress())).partitions:
            assert contents(await read(self.make(), partition)) == contents(await read(source, partition))

    async def test_the_scope_holds_what_was_stated(self) -> None:
        """As many records are read as the scope says there are, where it says so."""
        source = self.make()
        plan = await source.plan(Progress())

        received = sum(batch.received for batch in await read_all(source, plan))

        assert plan.scope.rows in (None, received)

    @drawn
    @given(st.data())
    async def test_reading_goes_on_behind_any_batch(self, data: st.DataObject) -> None:
        """Reading on from the end of any batch, also from inside an order, gives exactly the records behind it."""
        source = self.make()
        partition = data.draw(st.sampled_from((await source.plan(Progress())).partitions))
        batches = await read(source, partition)
        done = data.draw(st.integers(1, len(batches)), label="batches read before")
        start = batches[done - 1].upto

        rest = [] if start == partition.end else await read(self.make(), Partition(0, start, partition.end))

        assert contents([*batches[:done], *rest]) == contents(batches)

    @drawn
    @given(st.data())
    async def test_a_partition_ends_where_a_batch_ended(self, data: st.DataObject) -> None:
        """A stretch between the ends of any two batches, also inside an order, holds the records between them and ends exactly there."""
        source = self.make()
        batches = await read(source, data.draw(st.sampled_from((await source.plan(Progress())).partitions)))
        first = data.draw(st.integers(0, len(batches) - 1), label="first batch")
        last = data.draw(st.integers(first, len(batches) - 1), label="last batch")
        stretch = batches[first : last + 1]

        again = await read(self.make(), Partition(0, stretch[0].after, stretch[-1].upto))

        assert again[-1].upto == stretch[-1].upto
        assert contents(again) == contents(stretch)

    async def test_closing_midway_is_no_error(self) -> None:
        """A reader may be closed before its first batch and after any other, and reading again is whole."""
        source = self.make()
        partition = (await source.plan(Progress())).partitions[0]
        whole = await read(source, partition)

        for read_before in range(len(whole)):
            async with aclosing(source.read(partition)) as batches:
                for _ in range(read_before):
                    await anext(batches)

        assert contents(await read(source, partition)) == contents(whole)

    @drawn
    @given(st.data())
    async def test_what_is_split_is_read_once(self, data: st.DataObject) -> None:
        """Whenever partitions are split, also with a batch on its way, their readers together yield exactly the partition's records."""
        source = _splittable(self.make())
        plan = await source.plan(Progress())
        partition = data.draw(st.sampled_from(plan.partitions))

        async with AsyncExitStack() as open_readers:
            readers = [await open_readers.enter_async_context(Reader(source, partition))]
            for _ in range(data.draw(st.integers(1, 12), label="moves")):
                running = [reader for reader in readers if reader.runs]
                if not running:
                    break
                match data.draw(st.sampled_from(["ask", "read", "split"])):
                    case "ask":
                        await data.draw(st.sampled_from(running)).ask(data.draw(st.integers(0, 5), label="rounds of the loop"))
                    case "read":
                        await data.draw(st.sampled_from(running)).read()
                    case _:
                        readers += [await open_readers.enter_async_context(reader) for reader in taken(source, running)]
            for reader in readers:
                await reader.read_all()

        in_turn = sorted(readers, key=lambda reader: reader.partition.start.rank)
        assert contents([batch for reader in in_turn for batch in reader.batches]) == contents(await read(self.make(), partition))

    async def test_an_idle_worker_gets_a_piece(self) -> None:
        """A source that can be split is, at some moment of being read."""
        source = _splittable(self.make())

        pieces: list[Reader] = []
        for partition in (await source.plan(Progress())).partitions:
            reader = Reader(source, partition)
            while reader.runs:
                await reader.read()
                pieces += taken(source, [one for one in (reader,) if one.runs])

        assert pieces


def _splittable(source: Source) -> Source:
    if source.splitting is None:
        pytest.skip("it cannot be split")
    return source


@dataclass
class Reader:
    """One worker at a partition, which ends earlier when it is split."""

    source: Source
    partition: Partition
    batches: list[Batch] = field(default_factory=list)
    runs: bool = True

    def __post_init__(self) -> None:
        self._generator: AsyncGenerator[Batch, None] = self.source.read(self.partition)
        self._on_its_way: asyncio.Task[Batch | None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Close what is open, also where a draw came to its end in the middle."""
        if self._on_its_way is not None:
            self._on_its_way.cancel()
            await asyncio.wait([self._on_its_way])
        await self._generator.aclose()

    @property
    def at(self) -> Position:
        """Where the last batch ended."""
        return self.batches[-1].upto if self.batches else self.partition.start

    async def ask(self, rounds: int) -> None:
        """Ask for a batch, and leave it on its way for so many rounds of the event loop."""
        self._on_its_way = self._on_its_way or asyncio.create_task(_next(self._generator))
        for _ in range(rounds):
            await asyncio.sleep(0)

    async def read(self) -> None:
        """Wait for the next batch, which follows the last one; when there is none, the partition has ended."""
        await self.ask(0)
        assert self._on_its_way is not None
        batch, self._on_its_way = await self._on_its_way, None
        if batch is not None:
            assert batch.after == self.at
            self.batches.append(batch)
            return
        self.runs = False
        assert self.at == self.partition.end

    async def read_all(self) -> None:
        """Wait for everything that is left."""
        while self.runs:
            await self.read()


def taken(source: Source, running: Sequence[Reader]) -> list[Reader]:
    """A reader of the piece that an idle worker gets now; its victim ends where it starts, behind what it has yielded."""
    splitting = source.splitting
    piece = None if splitting is None else splitting.split([reader.partition for reader in running])
    if piece is None:
        return []
    victim = next(reader for reader in running if reader.partition.end == piece.end)
    assert piece.start.resume == b""
    assert victim.at.rank <= piece.start.rank < piece.end.rank
    assert victim.partition.start.rank < piece.start.rank
    victim.partition = Partition(victim.partition.number, victim.partition.start, piece.start)
    return [Reader(source, piece)]


async def _next(batches: AsyncGenerator[Batch, None]) -> Batch | None:
    return await anext(batches, None)


async def read(source: Source, partition: Partition) -> list[Batch]:
    """All batches of a partition."""
    async with aclosing(source.read(partition)) as batches:
        return [batch async for batch in batches]


async def read_all(source: Source, plan: Plan) -> list[Batch]:
    """All batches of all partitions."""
    return [batch for partition in plan.partitions for batch in await read(source, partition)]


def contents(batches: Sequence[Batch]) -> Contents:
    """What batches hold, however it is cut."""
    return Contents(
        tuple(row for batch in batches for row in batch.rows.to_pylist()),
        tuple((refusal.raw, refusal.reason) for batch in batches for refusal in batch.refused),
    )


def joined(covered: Sequence[Interval]) -> list[Interval]:
    """Intervals as checkpoints keep them: what was read on from the end of another makes that one longer."""
    kept: dict[Position, Interval] = {}
    for interval in covered:
        before = next((other for other in kept.values() if other.upto == interval.start), interval)
        kept[before.start] = Interval(before.start, interval.upto)
    return list(kept.values())


def assert_tiled(plan: Plan, covered: Sequence[Interval]) -> None:
    """Partitions and coverage together are the scope, with no gap and no overlap."""
    stretches = in_order([*covered, *(Interval(partition.start, partition.end) for partition in plan.partitions)])
    ends = [plan.scope.span.start, *(stretch.upto for stretch in stretches)]

    assert ends == [*(stretch.start for stretch in stretches), plan.scope.span.end]
