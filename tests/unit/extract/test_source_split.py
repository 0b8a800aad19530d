"""Stealing from the API's partitions: whatever is cut at whatever moment, every event is read once, and nothing is asked for in vain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.extract.cursor import Cursor
from penstock.extract.events import Page
from penstock.extract.keys import Frontier
from penstock.extract.probe import NothingToRead
from penstock.extract.source import EventSource
from penstock.model.coverage import Interval
from penstock.ports.source import Progress
from penstock.testing.sources import Reader, taken

from .keyset import BASE, Keyset, Rule, told
from .reading import all_raws, batches_of, expected, raws, read_on
from .test_source import doubles


@dataclass(slots=True)
class Slow(Keyset):
    """An API whose answers take some rounds of the event loop, and which has room for so many workers."""

    rounds: int = 3
    room: int = 1_000
    rooms_asked: list[tuple[int, float]] = field(default_factory=list)

    async def page(self, cursor: Cursor | None, limit: int, since: int | None = None) -> Page | None:
        """After a while."""
        for _ in range(self.rounds):
            await asyncio.sleep(0)
        return await Keyset.page(self, cursor, limit, since)

    def has_room(self, workers: int, requests: float) -> bool:
        """For so many."""
        self.rooms_asked.append((workers, requests))
        return workers < self.room


def slow(double: Keyset, rounds: int) -> Slow:
    """The same, slower."""
    shape = double.told, double.rule, double.cursorless, double.sees_ahead, double.teapot, double.since
    return Slow(*shape, states_total=double.states_total, rounds=rounds)


@given(double=doubles(), partitions=st.integers(1, 4), page_limit=st.integers(1, 4), rounds=st.integers(0, 3), data=st.data())
async def test_every_event_is_read_once(double: Keyset, partitions: int, page_limit: int, rounds: int, data: st.DataObject) -> None:
    """Any number of cuts, also while pages are on their way, through ties and unreadable events: nothing is lost, nothing comes twice."""
    source = EventSource(slow(double, rounds).api, "epoch", partitions, page_limit)
    try:
        plan = await source.plan(Progress())
    except NothingToRead:
        hypothesis.reject()
    waiting, readers = list(plan.partitions), list[Reader]()

    while waiting or any(reader.runs for reader in readers):
        running = [reader for reader in readers if reader.runs]
        match data.draw(st.sampled_from(["begin", "ask", "read", "split"])):
            case "begin" if waiting:
                readers.append(Reader(source, waiting.pop(0)))
            case "ask" if running:
                await data.draw(st.sampled_from(running)).ask(data.draw(st.integers(0, 8)))
            case "split" if running:
                readers += taken(source, running)
            case _ if running:
                await data.draw(st.sampled_from(running)).read()
            case _:
                continue

    whole = Interval(plan.scope.span.start, plan.scope.span.end)
    above = await read_on(EventSource(double.api, "epoch"), Progress(plan.scope, (whole,)))
    assert raws(batch for reader in readers for batch in reader.batches) + all_raws(above) == expected(double.told)


async def begun(double: Keyset, *, partitions: int = 1, page_limit: int = 10, pages: int = 1) -> tuple[EventSource, list[Reader]]:
    """A source, all of whose partitions are being read, so many pages each."""
    source = EventSource(double.api, "epoch", partitions, page_limit)
    readers = [Reader(source, partition) for partition in (await source.plan(Progress())).partitions]
    for reader in readers:
        for _ in range(pages):
            await reader.read()
    return source, readers


async def test_the_thief_takes_the_larger_half_behind_the_page_on_its_way() -> None:
    """Of ninety events that are left, ten are on their way: the thief takes forty of the others."""
    source, readers = await begun(Keyset(told(range(100))))

    (thief,) = taken(source, readers)

    assert sum(batch.received for batch in await batches_of(source, thief.partition)) in (40, 41)


async def test_the_longest_partition_is_cut() -> None:
    """What counts is events, not time: the dense partition is cut, though the other one is as long."""
    source, (upper, lower) = await begun(Keyset(told([*range(0, 1_000, 50), *range(1_000, 2_000, 5)])), partitions=2)

    (thief,) = taken(source, [upper, lower])

    assert Frontier.of(thief.partition.start).ts > BASE + 1_000


@pytest.mark.parametrize(("events", "cut"), [(25, False), (35, True)])
async def test_less_than_two_pages_are_left_alone(events: int, cut: bool) -> None:  # noqa: FBT001 - what is expected
    """A cut costs half a page."""
    source, readers = await begun(Keyset(told(range(events))))

    assert bool(taken(source, readers)) == cut


async def test_a_millisecond_is_not_cut() -> None:
    """Where all that is left lies in one millisecond there is no clean place for a cut."""
    source, readers = await begun(Keyset(told([5] * 100)), pages=5)

    assert taken(source, readers) == []


async def test_nothing_is_cut_without_room() -> None:
    """Neither with as many workers as requests may be in flight, nor beyond; the limiter is told how many pages are left."""
    double = Slow(told(range(100)), room=1)
    source, readers = await begun(double)

    assert taken(source, readers) == []
    ((workers, requests),) = double.rooms_asked
    assert (workers, round(requests)) == (1, 10)


async def test_before_the_first_page_the_whole_tells_how_dense_it_is() -> None:
    """A partition whose first page is on its way is cut by the density of the whole, and ends at the cut."""
    source = EventSource(Slow(told(range(101)), rounds=5).api, "epoch", 1, 10)
    reader = Reader(source, (await source.plan(Progress())).partitions[0])
    await reader.ask(3)

    (thief,) = taken(source, [reader])
    await reader.read_all()
    await thief.read_all()

    assert sum(batch.received for batch in thief.batches) in (44, 45, 46)
    assert raws([*reader.batches, *thief.batches]) == expected(told(range(100)))


@pytest.mark.parametrize("rule", ["desc", "asc"])
async def test_a_page_read_past_an_end_begins_the_next_partition(rule: Rule) -> None:
    """Three partitions of 25 pages' worth cost 25 pages: what the one reads too much, the next one need not ask for."""
    double = Keyset(told(range(250)), rule=rule)
    source = EventSource(double.api, "epoch", 3, 10)
    plan = await source.plan(Progress())
    double.asked.clear()

    read = [batch for partition in plan.partitions for batch in await batches_of(source, partition)]

    assert raws(read) == expected(double.told[:249])
    assert sum(limit == 10 for _, limit in double.asked) == 25


async def test_a_page_for_a_partition_that_has_begun_is_not_kept() -> None:
    """Who has begun by itself has its own first page: nothing is kept for it, and nothing read twice."""
    double = Keyset(told(range(101)))
    _, readers = await begun(double, partitions=2)

    for reader in readers:
        await reader.read_all()

    assert raws(batch for reader in readers for batch in reader.batches) == expected(double.told[:100])


async def test_a_new_plan_forgets_pages_that_were_kept() -> None:
    """After a reconnect every page is asked for anew."""
    double = Keyset(told(range(100)))
    source = EventSource(double.api, "epoch", 2, 10)
    first, _ = (await source.plan(Progress())).partitions
    await batches_of(source, first)

    again = await source.plan(Progress((await source.plan(Progress())).scope))
    double.asked.clear()
    await batches_of(source, again.partitions[1])

    assert double.asked[0][1] == 10


async def test_stealing_can_be_switched_off() -> None:
    """A source that is not to be split says that it cannot."""
    source = EventSource(Keyset(told(range(3))).api, "epoch", stealing=False)

    assert source.splitting is None
