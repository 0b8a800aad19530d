"""The source against the endpoint's rule alone: whatever the ties, every event is read once."""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.extract import probe
from penstock.extract.events import SCHEMA
from penstock.extract.keys import OLDEST, Frontier
from penstock.extract.probe import NothingToRead
from penstock.extract.source import EventSource
from penstock.model.coverage import Interval, Span
from penstock.ports.source import Partition, Plan, Progress, Scope

from .keyset import BASE, Keyset, Rule, Sort, Told, told
from .reading import all_raws, batches_of, expected, raws, read_all, read_on, strangers

SORTS: tuple[Sort, ...] = ("good", "Infinity", "no time", "no id", "neither")

moments = st.integers(0, 3) | st.integers(0, 40)
sorts = st.sampled_from((*SORTS[:1] * 4, *SORTS))


@st.composite
def doubles(draw: st.DrawFn) -> Keyset:
    """An API of any kind: events with heavy ties, either tie rule, cursors left out anywhere, either way to end."""
    drawn = draw(st.lists(st.tuples(moments, sorts), min_size=1, max_size=24))
    return Keyset(
        [Told(ts, number, sort) for number, (ts, sort) in enumerate(drawn)],
        rule=draw(st.sampled_from(["desc", "asc"])),
        cursorless=draw(st.frozensets(st.integers(0, len(drawn) - 1))),
        sees_ahead=draw(st.booleans()),
        teapot=draw(st.booleans()),
        states_total=draw(st.booleans()),
        since=draw(st.sampled_from(["unsent", "ignored", "inclusive", "exclusive"])),
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """How a run reads: how many partitions, how long its pages are, and how well it looks for the oldest event."""

    partitions: int
    page_limit: int
    first_limit: int = 1_000
    probes: int = 24

    def source_of(self, double: Keyset) -> EventSource:
        """A source that reads the double."""
        return EventSource(double.api, "epoch", self.partitions, self.page_limit)

    async def plan(self, double: Keyset) -> Plan:
        """The plan of a fresh run; an API that says of no event when it was is no example."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(probe, "FIRST_LIMIT", self.first_limit)
            patch.setattr(probe, "MOST_PROBES", self.probes)
            try:
                return await self.source_of(double).plan(Progress())
            except NothingToRead:
                hypothesis.reject()


shapes = st.builds(Shape, st.integers(1, 9), st.integers(1, 7) | st.just(5_000), st.integers(1, 9) | st.just(1_000), st.integers(0, 24))


@given(doubles(), shapes)
async def test_every_event_once(double: Keyset, shape: Shape) -> None:
    """Every event is in exactly one partition, the good ones in that of their time: none lost, none twice, wherever the seams lie."""
    plan = await shape.plan(double)

    read = {partition: await batches_of(shape.source_of(double), partition) for partition in plan.partitions}
    whole = Interval(plan.scope.span.start, plan.scope.span.end)
    read |= await read_on(shape.source_of(double), Progress(plan.scope, (whole,)))

    assert all_raws(read) == expected(double.told)
    assert strangers(read) == []
    assert len(plan.partitions) <= shape.partitions


@given(doubles(), shapes, shapes, st.data())
async def test_resumed_from_anywhere(double: Keyset, shape: Shape, again: Shape, data: st.DataObject) -> None:
    """A run that ended after any batch of any partition is completed by one with other partitions and pages: none lost, none twice."""
    plan = await shape.plan(double)
    stored, coverage = [], []
    for partition in plan.partitions:
        batches = await batches_of(shape.source_of(double), partition)
        kept = batches[: data.draw(st.integers(0, len(batches)))]
        coverage += [Interval(partition.start, kept[-1].upto)] if kept else []
        stored += kept

    rest = await again.source_of(double).plan(Progress(plan.scope, tuple(coverage)))
    stored += [batch for partition in rest.partitions for batch in await batches_of(again.source_of(double), partition)]
    whole = Interval(rest.scope.span.start, rest.scope.span.end)
    above = await read_on(again.source_of(double), Progress(rest.scope, (whole,)))

    assert raws(stored) + all_raws(above) == expected(double.told)
    assert rest.scope.span.contains(plan.scope.span)


@given(doubles(), shapes, shapes, st.data())
async def test_a_batch_alone(double: Keyset, shape: Shape, again: Shape, data: st.DataObject) -> None:
    """A batch that is asked for again by its bounds, also those inside a millisecond, with pages of any size, is the same records."""
    plan = await shape.plan(double)
    batches = [batch for partition in plan.partitions for batch in await batches_of(shape.source_of(double), partition)]
    batch = data.draw(st.sampled_from(batches))

    alone = await batches_of(again.source_of(double), Partition(0, batch.after, batch.upto))

    assert raws(alone) == raws([batch])


@pytest.mark.parametrize("sort", ["good", "neither"])
@pytest.mark.parametrize("rule", ["desc", "asc"])
async def test_a_batch_inside_a_millisecond(rule: Rule, sort: Sort) -> None:
    """Each batch of a burst is found again by its bounds when pages have become longer or shorter, readable or not."""
    double = Keyset([Told(60, 90), *told([50] * 10, sort), Told(40, 91)], rule=rule)
    batches = [batch for read in (await read_all(Shape(1, 3).source_of(double))).values() for batch in read]

    for limit in (1, 2, 4, 5_000):
        for number, batch in enumerate(batches):
            again = await batches_of(Shape(1, limit).source_of(double), Partition(number, batch.after, batch.upto))

            assert raws(again) == raws([batch])


around: st.SearchStrategy[list[tuple[int, Sort]]] = st.lists(
    st.tuples(st.sampled_from([49, 50, 50, 51, 51, 52]), st.sampled_from([*SORTS[:1], "no time", "neither"])), min_size=2, max_size=7
)


@given(around, st.sampled_from(["desc", "asc"]), st.lists(st.integers(1, 7), min_size=2, max_size=2), st.booleans())
async def test_a_seam_among_the_unreadable(drawn: list[tuple[int, Sort]], rule: Rule, limits: list[int], teapot: bool) -> None:  # noqa: FBT001
    """Events without a time right at a seam are read by exactly one of its sides, whatever the pages of each side hold of them."""
    double = Keyset([Told(ts, number, sort) for number, (ts, sort) in enumerate(drawn)], rule=rule, teapot=teapot)
    start, seam, end = (Frontier(ts).position("epoch") for ts in (BASE + 60, BASE + 50, OLDEST))
    halves = (Partition(0, start, seam), Partition(1, seam, end))

    read = {half: await batches_of(Shape(1, limit).source_of(double), half) for half, limit in zip(halves, limits, strict=True)}

    assert all_raws(read) == expected(double.told)
    assert {raw for raw, one in ((one.raw, one) for one in double.told) if one.ts > 50} == set(raws(read[halves[0]]))


async def test_where_seams_lie() -> None:
    """The range is cut into equal stretches of whole milliseconds, the last of which reaches down to the beginning of time."""
    source = EventSource(Keyset(told([*range(0, 101, 10), 101])).api, "epoch", 4)

    plan = await source.plan(Progress())

    ends = [Frontier.of(partition.end) for partition in plan.partitions]
    assert ends == [Frontier(BASE + 75), Frontier(BASE + 50), Frontier(BASE + 25), Frontier(OLDEST)]
    assert Frontier.of(plan.partitions[0].start) == Frontier(BASE + 100)
    assert [partition.number for partition in plan.partitions] == [0, 1, 2, 3]
    assert (plan.scope.rows, source.total) == (11, 12)
    assert source.schema is SCHEMA


async def test_a_frozen_scope() -> None:
    """A scope that was frozen is taken as it is while a part of it is missing: nothing is asked, and newer events are not read."""
    double = Keyset(told([30, 20, 20, 10]))
    start, end = Frontier(BASE + 20).position("epoch"), Frontier(OLDEST).position("epoch")
    scope = Scope(Span(start, end), 3, {"newest_ms": BASE + 20, "oldest_ms": BASE + 9, "total": 3})
    source = EventSource(double.api, "epoch", 1)

    plan = await source.plan(Progress(scope))

    assert (double.asked, plan.scope) == ([], scope)
    assert raws(await batches_of(source, plan.partitions[0])) == expected(double.told[1:])


@pytest.mark.parametrize("rule", ["desc", "asc"])
async def test_no_requests_beyond_the_pages(rule: Rule) -> None:
    """Where all timestamps can be read, events cost their pages, and one small request to see that the last page is the last."""
    double = Keyset(told(range(100)), rule=rule)
    source = EventSource(double.api, "epoch", 2, page_limit=10)
    plan = await source.plan(Progress())
    double.asked.clear()

    for partition in plan.partitions:
        await batches_of(source, partition)

    limits = [limit for _, limit in double.asked]
    assert (limits.count(10), limits.count(1)) == (10, 1)
    assert set(limits) == {10, 1}


@pytest.mark.parametrize("rule", ["desc", "asc"])
@pytest.mark.parametrize("sort", ["good", "no time", "neither"])
async def test_thousands_in_one_millisecond(rule: Rule, sort: Sort) -> None:
    """A millisecond with many times the events of a page, right above a seam or right below it, is read once."""
    burst = [Told(50, number, sort if number % 3 == 0 else "good") for number in range(10, 610)]
    edges = [Told(100, 0), Told(51, 1), Told(51, 2), Told(49, 3), Told(49, 4), Told(0, 5)]
    double = Keyset([*edges, *burst], rule=rule)

    read = {}
    for seam in (49, 50, 51):
        start, end = Frontier(BASE + 100).position("e"), Frontier(OLDEST).position("e")
        middle = Frontier(BASE + seam).position("e")
        source = EventSource(double.api, "e", page_limit=97)
        halves = (Partition(0, start, middle), Partition(1, middle, end))
        read[seam] = {half: await batches_of(source, half) for half in halves}

    for halves_read in read.values():
        assert all_raws(halves_read) == expected(double.told)
        assert strangers(halves_read) == []


async def test_refused_in_their_place() -> None:
    """A refused record says which number it has in its batch, why it was refused, and behind which place it came."""
    double = Keyset([Told(9, 0), Told(8, 1, "Infinity"), Told(7, 2), Told(6, 3, "no id"), Told(5, 4), Told(10, 5)])
    source = EventSource(double.api, "epoch", 1, page_limit=3)

    _, batches = reversed((await read_all(source)).values())

    assert [(refusal.row, refusal.raw) for refusal in batches[0].refused] == [(1, double.told[1].raw)]
    assert [(refusal.row, refusal.raw) for refusal in batches[1].refused] == [(0, double.told[3].raw)]
    assert batches[0].refused[0].origin == f"event 1 of the page after {BASE + 9}"
    assert batches[1].refused[0].origin == f"event 0 of the page after {BASE + 7} {double.told[2].id}"
    assert "does not decode" in batches[0].refused[0].reason
