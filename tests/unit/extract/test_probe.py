"""Finding the range: few requests, the exact newest end, and a lower end that is only for cuts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from penstock.extract import head, probe
from penstock.extract.keys import OLDEST, Frontier
from penstock.extract.probe import NothingToRead, StillGrowing, find_newest
from penstock.extract.source import EventSource
from penstock.extract.timestamps import EARLIEST
from penstock.simulate.keys import NEWEST_MS
from penstock.simulate.settings import DataSyncSettings

from .keyset import BASE, Keyset, Told, told
from .reading import all_raws, expected, read_all
from .simulated import simulated

MANY = DataSyncSettings(events=60_000, seed=4)


@dataclass(frozen=True, slots=True)
class Range:
    """What a scope says of where there are events, and how many the newest millisecond has."""

    newest: int
    oldest: int
    total: int | None
    newest_rows: int | None


async def find_range(source: EventSource) -> Range:
    """What the first scope of this source says; its bound is the millisecond below the newest one."""
    scope = await head.frozen(source)
    newest, oldest, total = int(scope.facts["newest_ms"]), int(scope.facts["oldest_ms"]), scope.facts.get("total")
    assert scope.span.start == Frontier(newest - 1).position("epoch")
    if total is None or scope.rows is None:
        assert total is scope.rows is None
        return Range(newest, oldest, None, None)
    return Range(newest, oldest, int(total), int(total) - scope.rows)


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        (MANY, 10),
        (replace(MANY, skew=1.0), 14),
        (replace(MANY, skew=2.5), 16),
        (replace(MANY, tie_burst=20_000), 14),
        (replace(MANY, events=1_001), 14),
        (replace(MANY, tie_rule="asc", ties=0.9, timestamps="all"), 14),
        (replace(MANY, days=3_000.0), 14),
        (replace(MANY, undecodable=0.3), 14),
    ],
    ids=["uniform", "skewed", "heavily skewed", "a burst", "just more than a page", "ties", "years", "undecodable"],
)
async def test_a_dozen_requests(settings: DataSyncSettings, most: int) -> None:
    """The newest event is found exactly, the oldest within half a percent of the range, in about a dozen small requests."""
    async with simulated(settings) as (server, api):
        found = await find_range(EventSource(api, "epoch"))

    oldest = server.dataset[len(server.dataset) - 1].ts
    assert (found.newest, found.total) == (NEWEST_MS, settings.events)
    assert found.oldest < oldest
    assert oldest - found.oldest <= max(2, (found.newest - found.oldest) * 0.01)
    assert server.audit.requests <= most


@pytest.mark.parametrize(
    ("moments", "oldest"),
    [([5], 4), ([5, 5, 5], 4), ([5, 4, 3], 2), (range(1_000), -1)],
    ids=["one", "one millisecond", "three", "a page full"],
)
async def test_all_on_the_first_page(moments: range | list[int], oldest: int) -> None:
    """Where the first page holds everything it is the only request."""
    double = Keyset(told(moments))

    found = await find_range(EventSource(double.api, "epoch"))

    assert found == Range(BASE + max(moments), BASE + oldest, len(double.told), list(moments).count(max(moments)))
    assert len(double.asked) == 1


@pytest.mark.parametrize("sees_ahead", [True, False])
@pytest.mark.parametrize("teapot", [True, False])
async def test_without_a_total(sees_ahead: bool, teapot: bool) -> None:  # noqa: FBT001 - parameters of a test
    """An API that states no total is probed all the same, however it says that nothing is there."""
    double = Keyset(told(range(0, 40_000, 20)), states_total=False, sees_ahead=sees_ahead, teapot=teapot)

    found = await find_range(EventSource(double.api, "epoch"))

    assert (found.newest, found.total) == (BASE + 39_980, None)
    assert -400 < found.oldest - BASE < 0
    assert len(double.asked) <= 16


async def test_more_than_a_page_in_one_millisecond() -> None:
    """A newest millisecond that fills the first page is counted, and says nothing about the pace: going back doubles until it is left."""
    double = Keyset(told([9_000] * 1_500 + list(range(0, 9_000, 1_000))))

    found = await find_range(EventSource(double.api, "epoch"))

    assert (found.newest, found.newest_rows) == (BASE + 9_000, 1_500)
    assert -100 < found.oldest - BASE < 0
    assert len(double.asked) <= 19


async def test_a_total_that_lies() -> None:
    """A total smaller than the first page leads nowhere, and is given up after a bounded number of requests."""
    double = Keyset(told([5] * 1_200), total=1)

    found = await find_range(EventSource(double.api, "epoch"))

    assert found.newest == BASE + 5
    assert found.oldest <= BASE + 5
    assert len(double.asked) <= 4 + probe.MOST_PROBES


async def test_before_the_year_one_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess that goes further back than time can say ends at the first moment that can be stored."""
    monkeypatch.setattr(probe, "FIRST_LIMIT", 2)
    double = Keyset([Told(0, 0), Told(-(10**12), 1), Told(-2 * 10**12, 2)], total=10**6)

    await find_range(EventSource(double.api, "epoch"))

    assert min(cursor.ts for cursor, _ in double.asked if cursor is not None) >= EARLIEST


@pytest.mark.parametrize("sort", ["no time", "neither"])
async def test_a_newest_event_that_cannot_be_read(sort: str) -> None:
    """Its cursor says when it was: the scope begins with it, so that it is refused and not left out."""
    double = Keyset([Told(9, 0, "no time" if sort == "no time" else "neither"), Told(5, 1), Told(1, 2)])

    found = await find_range(EventSource(double.api, "epoch"))
    read = await read_all(EventSource(double.api, "epoch", 2))

    assert found == Range(BASE + 9, BASE, 3, 1)
    assert all_raws(read) == expected(double.told)


async def test_nothing_to_read() -> None:
    """No events, or one that says nothing of when it was: there is no scope to freeze."""
    for double in (Keyset([]), Keyset([], teapot=True), Keyset([Told(5, 0, "no time")])):
        with pytest.raises(NothingToRead) as caught:
            await find_range(EventSource(double.api, "epoch"))

        assert caught.value.exit_code == 1


async def test_a_newest_event_of_which_nothing_is_said() -> None:
    """Where neither the event nor a cursor says when it was, no scope is frozen rather than one that leaves it out."""
    double = Keyset([Told(9, 0, "no time"), Told(5, 1)], sees_ahead=True)
    double.told = [double.told[0]]
    shrunken = Keyset([Told(9, 0, "no time"), Told(5, 1)])
    pages = iter([await shrunken.page(None, 1_000), await double.page(None, 1)])

    async def look(*_: object) -> object:
        return next(pages)

    first = await look()
    with pytest.raises(NothingToRead, match="timestamp cannot be read"):
        await find_newest(look, first)  # type: ignore[arg-type]


async def test_a_newest_event_that_is_another_by_then() -> None:
    """Where an event comes in between the page whose first event cannot be read and the one that says its time, it is begun again."""
    double = Keyset([Told(9, 0, "no time"), Told(5, 1)])
    source = EventSource(double.api, "epoch")
    first = await source.look(None, 1_000)
    double.told = [Told(12, 2), *double.told]

    with pytest.raises(StillGrowing):
        await find_newest(source.look, first)


@pytest.mark.parametrize("probes", [0, 1, 2])
async def test_the_lower_end_is_only_for_cuts(monkeypatch: pytest.MonkeyPatch, probes: int) -> None:
    """However wrong the lower end is, the last partition reaches down to the beginning of time: nothing is lost."""
    monkeypatch.setattr(probe, "FIRST_LIMIT", 3)
    monkeypatch.setattr(probe, "MOST_PROBES", probes)
    double = Keyset(told([100, 99, 98, 50, 3, 2, 1]))

    read = await read_all(EventSource(double.api, "epoch", 3))

    assert all_raws(read) == expected(double.told)
    assert OLDEST < EARLIEST
