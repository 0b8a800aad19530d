"""A paginated API, read to its end whatever it does on the way. No test waits: its loop is in a hurry."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from penstock.model.coverage import Position, missing
from penstock.model.metrics import Counters
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, PositionLost, Progress
from penstock.simulate.faults import PROFILES
from penstock.simulate.listing import Clock
from penstock.simulate.shop.serve import running
from penstock.simulate.shop.settings import ShopSettings
from penstock.stores.http.api import PageRefused
from penstock.stores.http.client import UnusableAnswers
from penstock.stores.http.paging import Ask
from penstock.stores.http.place import Place
from penstock.stores.http.pull import GoesInCircles, NothingButEmptyPages
from penstock.stores.http.settings import Auth, CursorPaging, OffsetPaging, PagePaging, TimeFilter
from penstock.stores.http.source import NoColumns, RowsMissing, opened
from tests.unit.extract.answering import Answer

from .reading import SCHEMES, SINCE, answering, batches, ids, of, once, read, told, up_to

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


@every_scheme
async def test_every_order_once(scheme: str) -> None:
    """However pages follow each other, every order is read once, also from an API that caps the size of its pages."""
    async with running(ShopSettings(orders=1_203)) as server:
        _, found = await read(of(server, scheme, 1_000))

    assert ids(found) == once(1_203)
    assert len(found) in (3, 4)


@every_scheme
async def test_troubles(scheme: str, seed: int) -> None:
    """Through errors, cut bodies, pages that are none, come twice, are empty or in disorder, every order is read once."""
    settings = ShopSettings(orders=120, seed=seed, faults=PROFILES["hostile"], empty_pages=0.2, undecodable=0.1)
    async with running(settings) as server:
        _, found = await read(of(server, scheme))
        troubles = server.shop.troubles

    refused = sum(len(batch.refused) for batch in found)
    assert sum(batch.received for batch in found) == 120
    assert max(ids(found).values()) == 1
    assert refused == 120 - len(ids(found))
    assert troubles


@pytest.mark.parametrize("scheme", ["page", "offset", "link"])
@pytest.mark.parametrize("live", [6, 1_000])
async def test_orders_that_come_in_at_the_front(scheme: str, live: int) -> None:
    """Rows that are pushed on to the next page are known by their key, and counted as duplicates instead of stored twice.

    A list that grows as fast as it is read comes to an end all the same.
    """
    async with running(ShopSettings(orders=40, first="newest", live=live)) as server:
        _, found = await read(of(server, scheme, key=("id",)))

    assert set(ids(found)) >= set(range(1, 41))
    assert max(ids(found).values()) == 1
    assert sum(batch.duplicate for batch in found) >= 5


@pytest.mark.parametrize("scheme", ["cursor", "next"])
async def test_cursors_know_their_place(scheme: str) -> None:
    """With cursors nothing is pushed on: there are no duplicates, whatever comes in."""
    async with running(ShopSettings(orders=40, first="newest", live=6)) as server:
        _, found = await read(of(server, scheme, key=("id",)))

    assert max(ids(found).values()) == 1
    assert sum(batch.duplicate for batch in found) == 0


async def test_stated_limits_are_kept() -> None:
    """Where the API states its limit, no request is refused."""
    loop = asyncio.get_running_loop()
    async with running(ShopSettings(orders=60, budget=(4, 30.0)), clock=Clock(now=loop.time)) as server:
        settings, counters = of(server, "page"), Counters.zero()
        async with opened(settings, counters) as source:
            (partition,) = (await source.plan(Progress())).partitions
            found = await batches(source, partition)

    assert ids(found) == once(60)
    assert counters["responses_throttled_total"] == 0


async def test_silent_limits_are_outlived() -> None:
    """Where it states nothing, refused requests are sent again later."""
    loop = asyncio.get_running_loop()
    async with running(ShopSettings(orders=60, budget=(4, 30.0), silent=True), clock=Clock(now=loop.time)) as server:
        _, found = await read(of(server, "page"))

    assert ids(found) == once(60)


@every_scheme
async def test_going_on(scheme: str) -> None:
    """A run that goes on behind any page reads exactly the rest, after one request that makes sure of its place."""
    async with running(ShopSettings(orders=23)) as server:
        settings = of(server, scheme, key=("id",))
        async with opened(settings, Counters.zero()) as source:
            plan = await source.plan(Progress())
            found = await batches(source, plan.partitions[0])
        for number, batch in enumerate(found[:-1], 1):
            _, rest = await read(settings, up_to(plan, batch))

            assert ids(found[:number]) + ids(rest) == once(23)


@pytest.mark.parametrize("scheme", ["page", "offset", "link"])
async def test_a_place_that_moved(scheme: str) -> None:
    """Where the last page does not hold what it held, the run stops instead of leaving rows out or storing them twice."""
    async with running(ShopSettings(orders=40, first="newest")) as server:
        settings = of(server, scheme)
        async with opened(settings, Counters.zero()) as source:
            plan = await source.plan(Progress())
            found = await batches(source, plan.partitions[0])
        server.shop.came_in = 2

        with pytest.raises(PositionLost, match="no longer holds") as caught:
            await read(settings, up_to(plan, found[3]))

    assert "state reset" in caught.value.hint


async def test_a_block_that_was_begun() -> None:
    """A block is read again within its old bounds, or not at all."""
    async with running(ShopSettings(orders=40, first="newest")) as server:
        settings = of(server, "page")
        async with opened(settings, Counters.zero()) as source:
            plan = await source.plan(Progress())
            found = await batches(source, plan.partitions[0])
        begun = Partition(0, found[1].after, found[3].upto)
        async with opened(settings, Counters.zero()) as source:
            again = await batches(source, begun)
            server.shop.came_in = 2
            with pytest.raises(PositionLost):
                await batches(source, replace(begun, start=plan.scope.span.start))

    assert ids(again) == ids(found[1:4])
    assert again[-1].upto == found[3].upto


async def test_an_expired_cursor() -> None:
    """A cursor that the API does not take is sent once more, then its place is lost."""
    loop = asyncio.get_running_loop()
    async with running(ShopSettings(orders=40, cursor_ttl_s=5), clock=Clock(now=loop.time)) as server:
        async with opened(of(server, "cursor"), Counters.zero()) as source:
            plan = await source.plan(Progress())
            reading = source.read(plan.partitions[0])
            await anext(reading)
            await asyncio.sleep(10)
            asked = server.shop.requests

            with pytest.raises(PageRefused, match=r"HTTP 410 .*CURSOR_EXPIRED") as caught:
                await anext(reading)

        assert server.shop.requests == asked + 2
        assert "expired" in caught.value.hint


async def test_fewer_rows_than_stated() -> None:
    """An API that gives fewer rows than its first page said is not believed to be read to its end."""
    async with running(ShopSettings(orders=20, total_off=3)) as server:
        with pytest.raises(RowsMissing, match="20 of 23"):
            await read(of(server, "cursor", total="meta.total"))


@pytest.mark.parametrize("total_off", [0, -3])
async def test_as_many_rows_as_stated_or_more(total_off: int) -> None:
    """Others may come in while pages are read."""
    async with running(ShopSettings(orders=20, total_off=total_off)) as server:
        _, found = await read(of(server, "cursor", total="meta.total"))

    assert ids(found) == once(20)


async def test_pages_that_never_change() -> None:
    """An API that does not know the parameter gives its first page for ever: that is told instead of stored."""
    async with answering([told(1, 2)], page=PagePaging("pagina")) as (server, settings):
        with pytest.raises(UnusableAnswers, match=r"the same rows as the page before.*for the page at pagina=2"):
            await read(settings)

    assert len(server.requests) == 7


async def test_pages_that_lead_back() -> None:
    """Cursors that lead back to an earlier page end the run."""
    pages = [told(1, next="b"), told(1, next="b"), *(told(number % 3, next="abc"[number % 3]) for number in range(2, 20))]
    async with answering(pages, cursor=CursorPaging("next", "cursor")) as (_, settings):
        with pytest.raises(GoesInCircles):
            await read(settings)


async def test_empty_pages_for_ever() -> None:
    """Some empty pages may lead on, a hundred in a row are too many."""
    pages = [told(1), *(told(next=str(number)) for number in range(200))]
    async with answering(pages, cursor=CursorPaging("next", "cursor")) as (_, settings):
        with pytest.raises(NothingButEmptyPages, match="101 in a row"):
            await read(settings)


async def test_rows_that_are_none() -> None:
    """A row that is no object, or has a value that is none of its column, is a dead letter with its bytes, its neighbours are rows."""
    body = b'{"data": [{"id":1}, 7, {"id" : "no\\nne"},\n {\n"id":4}, null]}'
    async with answering([Answer(body=body)]) as (_, settings):
        _, found = await read(replace(settings, columns={"id": "int64", "at": "timestamp"}))
        _, stated = await read(replace(settings, columns={"id": "date"}))

    assert found[0].received == 5
    assert [refusal.raw for refusal in found[0].refused] == [b"7", b"null"]
    assert [(refusal.row, refusal.origin) for refusal in found[0].refused] == [
        (1, "row 1 of the page at the beginning"),
        (4, "row 4 of the page at the beginning"),
    ]
    assert len(stated[0].refused) == 5 - stated[0].rows.num_rows


async def test_no_columns() -> None:
    """Where nobody says which columns there are, nothing begins."""
    async with answering([told()], columns={}) as (_, settings):
        with pytest.raises(NoColumns):
            await read(settings)


async def test_columns_are_recalled() -> None:
    """A run that goes on has the columns that were frozen, whatever the first page shows by then."""
    first, last = Answer(body=b'{"data": [{"id": 1, "note": "x", "void": null}], "next": 2}'), told(3)
    async with answering([first, first, told(2, next=3), last], columns={}, cursor=CursorPaging("next", "c")) as (server, settings):
        async with opened(settings, Counters.zero()) as source:
            plan = await source.plan(Progress())
            found = await batches(source, plan.partitions[0])
        server.answers = [told(1), told(2, next=3), last]
        async with opened(settings, Counters.zero()) as source:
            await source.plan(up_to(plan, found[1]))

            assert source.schema.names == ["id", "note"]


async def test_increments() -> None:
    """Each run asks for what is new since the last one began; every order is read once, the newest ones by the next run."""
    async with running(ShopSettings(orders=30, first="newest", live=500)) as server:
        done, found, runs = Progress(), list[Batch](), list[int]()
        for _ in range(4):
            done, more = await read(of(server, "page", time=SINCE, key=("id",)), done)
            found += more
            runs.append(len(ids(more)))
        orders = server.shop.orders

    assert max(ids(found).values()) == 1
    assert set(ids(found)) == set(range(1, sum(runs) + 1))
    assert sum(runs) > orders - 15
    assert runs[0] >= 30 > max(runs[1:])


@pytest.mark.parametrize("format_", ["iso8601", "epoch_s", "epoch_ms"])
async def test_notations_of_time(format_: str) -> None:
    """However the API wants its moments, a window holds exactly its orders."""
    time = TimeFilter("updated_at", "updated_since", "", format_, "2024-01-01T00:00:30Z", lag_s=20)  # type: ignore[arg-type]
    async with running(ShopSettings(orders=20)) as server:
        _, found = await read(of(server, "offset", time=time))

    assert sorted(ids(found)) == list(range(4, 19))
    assert sum(batch.filtered for batch in found) >= 2


async def test_nothing_new() -> None:
    """A run that comes before there is anything new to ask for does nothing."""
    async with running(ShopSettings(orders=20)) as server:
        done, _ = await read(of(server, "page", time=SINCE))
        asked = server.shop.requests
        again, found = await read(of(server, "page", time=SINCE), done)

        assert (again, found, server.shop.requests) == (done, [], asked + 1)


async def test_everything_again() -> None:
    """With `again` each run reads everything, as a stretch of its own."""
    async with running(ShopSettings(orders=12)) as server:
        done, first = await read(of(server, "link", again=True))
        further, second = await read(of(server, "link", again=True), done)
        once_only, _ = await read(of(server, "link"), done)

    assert ids(first) == ids(second) == once(12)
    assert done.scope is not None
    assert further.scope is not None
    assert further.scope.span.contains(done.scope.span)
    assert once_only == done


async def test_rows_without_a_time() -> None:
    """A row whose time cannot be read is refused: nobody could say to which run it belongs."""
    time = TimeFilter("at", "since")
    body = b'{"data": [{"id": 1, "at": "2020-01-01"}, {"id": 2}, {"id": 3, "at": "soon"}, 4]}'
    async with answering([Answer(body=body)], time=time) as (_, settings):
        _, found = await read(settings)

    assert ids(found) == {1: 1}
    assert [(refusal.row, refusal.reason.partition(":")[0]) for refusal in found[0].refused] == [
        (1, "at"),
        (2, "at"),
        (3, "it is no JSON object"),
    ]


async def test_no_key_in_positions() -> None:
    """A key that is a parameter goes with every request, and is kept nowhere, also where the API writes it into its addresses."""
    pages = [told(1), told(1, next="/rows?p=2&key=hush-hush"), told(2, next="/rows?p=3&key=hush-hush"), told(3)]
    auth = Auth(query="key", value="hush-hush")
    async with answering(pages, cursor=CursorPaging("next"), auth=auth) as (server, settings), opened(settings, Counters.zero()) as source:
        plan = await source.plan(Progress())
        found = await batches(source, plan.partitions[0])

    assert [request.query.getall("key") for request in server.requests] == [["hush-hush"]] * 4
    assert server.requests[-1].query["p"] == "3"
    assert b"p=2" in found[1].upto.resume
    assert b"hush" not in b"".join(batch.upto.resume for batch in found)


def test_a_place_is_itself() -> None:
    """A place is found again in its position, with any cursor, and is no other one."""
    place = Place(0, 9, 5, 1, Ask(query={"cursor": "ä"}), "digest", 7)

    assert Place.of(place.position) == place
    assert place.reached(replace(place, ask=Ask("/2")).position)
    assert not place.reached(replace(place, pages=2).position)
    assert not place.reached(Position("pulls", place.position.order))


async def test_an_offset_without_rows() -> None:
    """An offset that cannot go on, while the API says that there is more, is no end."""
    async with answering([told(1, more=True), told(more=True)], offset=OffsetPaging(), more="more") as (_, settings):
        with pytest.raises(UnusableAnswers, match="does not say where"):
            await read(settings)


async def test_an_end_that_came_meanwhile() -> None:
    """Where the last page holds what it held, and is the last one of all by now, nothing more is read."""
    pages = [told(1), told(1, next="b"), told(2, next="c"), told(3)]
    async with answering(pages, cursor=CursorPaging("next", "cursor")) as (server, settings):
        async with opened(settings, Counters.zero()) as source:
            plan = await source.plan(Progress())
            found = await batches(source, plan.partitions[0])
        server.answers = [told(1), told(2)]
        done, rest = await read(settings, up_to(plan, found[1]))

    assert [batch.received for batch in rest] == [0]
    assert not list(missing(done.coverage, plan.scope.span))
