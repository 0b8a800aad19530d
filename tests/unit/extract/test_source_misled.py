"""The source and an API that misbehaves: what is asked for again, what ends the run, and what only the proof can notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from penstock.extract.cursor import Cursor
from penstock.extract.events import Page, page
from penstock.extract.keys import OLDEST, Frontier
from penstock.extract.source import EventSource, PageOutOfStep, TotalShrank
from penstock.extract.stretch import OutOfStep
from penstock.ports.source import Partition, Progress

from .bodies import nested
from .keyset import BASE, Keyset, Told
from .reading import all_raws, batches_of, expected, raws, read_all

SLOPE = [Told(90 - 10 * number, number) for number in range(10)]
"""Ten events, a page of three at a time: the second page holds numbers 3 to 5."""
NEWEST = Told(100, 99)
"""The newest event, which no scope takes in at first."""
BURST = [Told(50, number) for number in range(10)]
"""Ten events of one millisecond, in an order of their own."""
HIDDEN = [Told(50, number, "neither") for number in range(10)]
"""The same, of which nothing can be read."""

Lie = Callable[["Lying", Cursor | None, int], "Page | None"]


@dataclass(slots=True)
class Lying(Keyset):
    """A double that answers requests of certain numbers (0 is the first) with a lie."""

    lie: Lie = field(default=lambda *_: None)
    when: Callable[[int], bool] = field(default=lambda _: False)

    async def page(self, cursor: Cursor | None, limit: int, since: int | None = None) -> Page | None:
        """The truth, or the lie."""
        number = len(self.asked)
        if not self.when(number):
            return await Keyset.page(self, cursor, limit, since)
        self.asked.append((cursor, limit))
        return self.lie(self, cursor, limit)

    def of(self, rows: list[Told], *, after: list[Told] | None = None, cursor: Cursor | None = None, more: bool = True) -> Page:
        """A page of these rows, with a cursor after the last of them or after another one."""
        last = (rows if after is None else after)[-1:]
        told_cursor = cursor or (Cursor(str(last[0].id), BASE + last[0].ts) if last else None)
        return page(nested([one.raw for one in rows], told_cursor, has_more=more, total=len(self.told)))


def previous(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """The page before, once more."""
    before = double.behind(None)[: -len(double.behind(cursor))] or double.behind(None)
    return double.of(before[-limit:])


def disordered(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """Two events change places."""
    rows = double.behind(cursor)[:limit]
    return double.of([rows[1], rows[0], *rows[2:]], after=rows)


def from_the_top(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """As if no cursor had come."""
    del cursor
    return double.of(double.behind(None)[:limit])


def previous_without_a_cursor(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """The page before, once more, and no cursor."""
    before = double.behind(None)[: -len(double.behind(cursor))]
    return page(nested([one.raw for one in before[-limit:]], has_more=True))


def empty(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """More, and nothing."""
    del cursor, limit
    return double.of([])


def another_time(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """The cursor is of another time than the last event."""
    rows = double.behind(cursor)[:limit]
    return double.of(rows, cursor=Cursor(str(rows[-1].id), BASE + rows[-1].ts - 1))


def another_id(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """The cursor is of another event of the same time."""
    rows = double.behind(cursor)[:limit]
    return double.of(rows, cursor=Cursor(str(Told(0, 99).id), BASE + rows[-1].ts))


def newer_cursor(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """The last event cannot be read, and the cursor is of a time before those before it."""
    rows = double.behind(cursor)[:limit]
    hidden = [*rows[:-1], replace(rows[-1], sort="neither")]
    return double.of(hidden, cursor=Cursor(str(rows[-1].id), BASE + rows[0].ts + 1))


def nothing_to_read(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """No cursor, and no event that can be read."""
    return page(nested([replace(one, sort="neither").raw for one in double.behind(cursor)[:limit]], None, has_more=True))


def without_its_second(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """One event of the page is gone."""
    first, _, *rest = double.behind(cursor)[:limit]
    return double.of([first, *rest])


def shrunken(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """One event less than before."""
    return page(nested([one.raw for one in double.behind(cursor)[:limit]], total=len(double.told) - 1))


def early_end(double: Lying, cursor: Cursor | None, limit: int) -> Page:
    """No more, though there is."""
    return double.of(double.behind(cursor)[:limit], more=False)


def teapot(*_: object) -> None:
    """Nothing that old, though there is."""


LIES: dict[str, Lie] = {
    "the same page": previous,
    "out of order": disordered,
    "from the top": from_the_top,
    "empty with more": empty,
    "cursor of another time": another_time,
    "cursor of another event": another_id,
    "cursor newer than its page": newer_cursor,
}


def lying(lie: Lie, *numbers: int, events: list[Told] | None = None) -> Lying:
    """It lies in these requests; request 0 freezes the scope, request 2 is for the second page. Without numbers from there on."""
    when: Callable[[int], bool] = (lambda number: number in numbers) if numbers else (lambda number: number >= 2)
    return Lying([NEWEST, *(SLOPE if events is None else events)], lie=lie, when=when)


def source_of(double: Keyset, *, partitions: int = 1) -> EventSource:
    """Pages of three."""
    return EventSource(double.api, "epoch", partitions, page_limit=3)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_misled_once(lie: Lie) -> None:
    """A page that does not follow is asked for a second time; nothing of the first is kept."""
    double = lying(lie, 2)

    read = await read_all(source_of(double))

    assert all_raws(read) == expected(double.told)
    assert double.counters["requests_retried_total"] == 1
    assert double.asked[2] == double.asked[3]


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_misled_twice(lie: Lie) -> None:
    """A page that does not follow the second time either ends the run; its message names the place."""
    double = lying(lie, 2, 3)
    source = source_of(double)
    (partition,) = (await source.plan(Progress())).partitions

    with pytest.raises(PageOutOfStep, match=f"the page after {BASE + 70} {SLOPE[2].id}: ") as caught:
        await batches_of(source, partition)

    assert (caught.value.exit_code, bool(caught.value.hint)) == (1, True)
    assert len(double.asked) == 4


@pytest.mark.parametrize(
    ("events", "lie"),
    [(BURST, previous), (HIDDEN, previous), (BURST, previous_without_a_cursor)],
    ids=["readable", "unreadable", "without a cursor"],
)
async def test_the_same_page_inside_a_millisecond(events: list[Told], lie: Lie) -> None:
    """The same page again is noticed also where all its events are of one time, and even where none of them can be read."""
    double = lying(lie, 3, events=[Told(60, 10), *events, Told(40, 11)])

    read = await read_all(source_of(double))

    assert all_raws(read) == expected(double.told)
    assert double.counters["requests_retried_total"] == 1


async def test_from_the_top_at_a_seam() -> None:
    """A partition whose first page comes from the top of everything asks for it again, instead of reading all down to its start."""
    double = lying(from_the_top, 3)

    read = await read_all(source_of(double, partitions=2))

    assert all_raws(read) == expected(double.told)
    assert double.counters["requests_retried_total"] == 1
    assert double.asked[3] == double.asked[4]


@pytest.mark.parametrize("lie", [disordered, from_the_top, previous], ids=["out of order", "from the top", "the same page"])
async def test_misled_while_the_scope_is_frozen(lie: Lie) -> None:
    """The first page is held against the order too: the scope starts at the newest event, whatever came first."""
    double = lying(lie, 0)

    read = await read_all(source_of(double))

    assert all_raws(read) == expected(double.told)


async def test_out_of_order_while_the_scope_is_frozen() -> None:
    """A first page that stays out of order ends the run before anything is frozen."""
    double = lying(disordered, 0, 1)

    with pytest.raises(PageOutOfStep, match="the newest page: its events are not in order"):
        await source_of(double).plan(Progress())


async def test_no_cursor_and_nothing_to_read() -> None:
    """A page without a cursor, of which no event can be read, cannot be gone on from: that ends the run rather than guess."""
    source = source_of(lying(nothing_to_read))
    (partition,) = (await source.plan(Progress())).partitions

    with pytest.raises(OutOfStep, match="no cursor") as caught:
        await batches_of(source, partition)

    assert bool(caught.value.hint)


async def test_more_without_a_cursor() -> None:
    """Such a page is gone on from by its last key, and counted; where that cannot be read the page is asked for up to one that can."""
    events = [replace(one, sort="neither") if one.number in {4, 5} else one for one in SLOPE]
    double = Keyset([NEWEST, *events], cursorless=frozenset(range(10)))

    read = await read_all(source_of(double))

    assert all_raws(read) == expected(double.told)
    assert double.asked[2:4] == [(double.asked[2][0], 3), (double.asked[2][0], 1)]
    assert double.counters["cursors_missing_total"] == 4
    assert double.counters["requests_retried_total"] == 0


async def test_a_last_page_that_is_not() -> None:
    """A page that says that it is the last one is believed only when nothing follows its last event."""
    double = lying(early_end, 2)

    read = await read_all(source_of(double))

    assert all_raws(read) == expected(double.told)


async def test_a_last_page_that_is_not_twice() -> None:
    """A page that says so twice, while others follow it, ends the run."""
    source = source_of(lying(early_end, 2, 4))
    (partition,) = (await source.plan(Progress())).partitions

    with pytest.raises(PageOutOfStep, match="it says that it is the last one, and others follow it"):
        await batches_of(source, partition)


async def test_nothing_left_all_too_early() -> None:
    """Where the API says that nothing is left, a partition is at its end; the others are read; the counts tell that some are missing."""
    double = lying(teapot, 1)

    read = await read_all(source_of(double, partitions=2))

    first, second, _ = ({raw for batch in batches for raw in raws([batch])} for batches in read.values())
    assert len(first) < 5
    assert second == {one.raw for one in SLOPE[5:]}


async def test_the_total_grows() -> None:
    """More events than with the scope are newer ones: they are noted, and not read."""
    double = Keyset(SLOPE)
    source = source_of(double)
    (partition,) = (await source.plan(Progress())).partitions
    double.told = [NEWEST, *SLOPE]

    batches = await batches_of(source, partition)

    assert raws(batches) == expected(SLOPE[1:])
    assert (source.total, source.latest_total) == (10, 11)


async def test_the_total_shrinks() -> None:
    """Fewer events than with the scope make a proof impossible: the run ends as soon as it is seen."""
    double = lying(shrunken, 2)
    source = source_of(double)
    (partition,) = (await source.plan(Progress())).partitions

    with pytest.raises(TotalShrank, match="10 where it had 11") as caught:
        await batches_of(source, partition)

    assert caught.value.exit_code == 1


async def test_no_total() -> None:
    """An API that states no total is read all the same."""
    double = Keyset(SLOPE, states_total=False)
    source = source_of(double)

    read = await read_all(source)

    assert all_raws(read) == expected(SLOPE)
    assert (source.total, source.latest_total) == (None, None)


async def test_a_stretch_below_everything() -> None:
    """A partition in which nothing lies is read to its end, whether that is told by 418 or by an empty page."""
    start, end = Frontier(BASE - 100).position("epoch"), Frontier(OLDEST).position("epoch")

    read = [await batches_of(source_of(Keyset(SLOPE, teapot=pot)), Partition(0, start, end)) for pot in (True, False)]

    assert [[(batch.received, batch.upto) for batch in batches] for batches in read] == [[(0, end)], [(0, end)]]


async def test_an_end_that_is_gone() -> None:
    """A stretch that ends inside a millisecond, behind which comes an event that its pages do not hold, is not read past its end."""
    start, end = Frontier(BASE + 90).position("epoch"), Frontier(BASE + 90, str(SLOPE[0].id)).position("epoch")
    double = lying(without_its_second, 1)

    with pytest.raises(PageOutOfStep, match="does not hold what comes after"):
        await batches_of(source_of(double), Partition(0, start, end))
