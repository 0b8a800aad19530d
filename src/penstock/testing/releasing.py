"""The guarantees of `Releasing` and of `Growing`, as tests."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.coverage import Interval
from penstock.ports.source import Growing, Partition, Plan, Progress, Releasing, Source
from penstock.testing.sources import SourceSuite, contents, drawn, read, read_all


class ReleasingSuite(SourceSuite):
    """A source that keeps its records until they are stored elsewhere."""

    @drawn
    @given(st.data())
    async def test_what_is_not_covered_stays(self, data: st.DataObject) -> None:
        """Whatever was let go of, all that coverage lacks is read as before."""
        source = self.make()
        plan = await source.plan(Progress())
        partition = plan.partitions[0]
        batches = await read(source, partition)
        done = data.draw(st.integers(0, len(batches) - 1), label="batches stored")
        covered = () if done == 0 else (Interval(partition.start, batches[done - 1].upto),)

        await releasing(source).release(Progress(plan.scope, covered))

        plan = await source.plan(Progress(plan.scope, covered))
        assert contents(await read_all(source, plan)) == contents(batches[done:])

    async def test_nothing_is_let_go_of_before_it_is_stored(self) -> None:
        """What was planned and read stays, and so does everything behind a stretch that is missing."""
        source = self.make()
        plan = await source.plan(Progress())
        batches = await read(source, plan.partitions[0])
        behind = Interval(batches[-1].after, plan.scope.span.end)

        for done in (Progress(), Progress(plan.scope), Progress(plan.scope, (behind,))):
            await releasing(source).release(done)

        assert contents(await read(source, plan.partitions[0])) == contents(batches)

    async def test_less_than_before_changes_nothing(self) -> None:
        """Releasing the same again, or less, as after a store was put back to an older state, brings nothing back and is no error."""
        source = self.make()
        plan = await source.plan(Progress())
        start, ends = plan.partitions[0].start, [batch.upto for batch in await read(source, plan.partitions[0])]
        middle = len(ends) // 2
        rest = Partition(0, ends[middle], plan.partitions[0].end)
        before = contents(await read(source, rest))

        for end in (ends[middle], ends[middle], ends[0]):
            await releasing(source).release(Progress(plan.scope, (Interval(start, end),)))

        assert contents(await read(source, rest)) == before


class GrowingSuite:
    """A source that gets more while it is read; `make` gives one that has nothing yet."""

    pytestmark = pytest.mark.asyncio

    def make(self) -> Source:
        """The source to be tested."""
        raise NotImplementedError

    async def grow(self, source: Source) -> None:
        """Let it get another record."""
        raise NotImplementedError

    def end(self, source: Source) -> None:
        """Let nothing more come."""
        raise NotImplementedError

    async def test_it_waits_for_what_is_new(self) -> None:
        """Asked while all is covered it waits, and a record that comes then is planned; until it is covered there is no waiting."""
        source, done = self.make(), Progress()
        for number in range(3):
            waits = asyncio.ensure_future(growing(source).grown(done))
            await asyncio.sleep(0.01)
            assert not waits.done(), f"record {number}"

            await self.grow(source)
            await waits
            await growing(source).grown(done)

            plan = await source.plan(done)
            assert len(contents(await read_all(source, plan)).rows) == 1
            done = covered(plan)

    async def test_it_comes_to_an_end(self) -> None:
        """Once nothing more will come nobody waits, what is there is planned, and then nothing is left."""
        source = self.make()
        await self.grow(source)
        waits = asyncio.ensure_future(growing(source).grown(Progress()))

        self.end(source)

        await waits
        plan = await source.plan(Progress())
        assert len(contents(await read_all(source, plan)).rows) == 1
        await growing(source).grown(covered(plan))
        assert (await source.plan(covered(plan))).partitions == ()

    async def test_it_says_how_many_wait(self) -> None:
        """What is there and not covered is counted."""
        source = self.make()
        await self.grow(source)
        await self.grow(source)
        await growing(source).grown(Progress())
        assert growing(source).waiting == 2

        self.end(source)
        await growing(source).grown(covered(await source.plan(Progress())))

        assert growing(source).waiting == 0


def releasing(source: Source) -> Releasing:
    """The ability, which is there."""
    assert source.releasing is not None
    return source.releasing


def growing(source: Source) -> Growing:
    """The ability, which is there."""
    assert source.growing is not None
    return source.growing


def covered(plan: Plan) -> Progress:
    """All of a plan, stored."""
    return Progress(plan.scope, (Interval(plan.scope.span.start, plan.scope.span.end),))
