"""The API over HTTP: keys, cursors, limits, shapes, and data that changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from penstock.simulate.keys import NEWEST_MS
from penstock.simulate.settings import DataSyncSettings, RateLimit, TieRule

from .client import EVENTS, NEVER, Stopped, forged, talking_to

if TYPE_CHECKING:
    from penstock.simulate.dataset import Dataset

SMALL = DataSyncSettings(events=300, seed=2, ties=0.8, tie_burst=70)
LOW, HIGH = UUID(int=0), UUID(int=2**128 - 1)


def uuids(dataset: Dataset, inserted: int = 0) -> list[str]:
    """All ids as the wire has them, newest first."""
    return [str(UUID(bytes=identity.tobytes())) for identity in dataset.ids(inserted)]


@pytest.mark.parametrize("rule", ["desc", "asc"])
async def test_walk(rule: TieRule) -> None:
    """Following the cursors gives every event exactly once, in thick ties and under both rules."""
    async with talking_to(replace(SMALL, tie_rule=rule)) as client:
        ids = await client.walk(limit=11)

        assert ids == uuids(client.server.dataset)
        assert (client.server.audit.rows_served, client.server.audit.rows_seen, client.server.audit.served_twice) == (300, 300, 0)


async def test_nested_page() -> None:
    """A page says how many rows it was asked for, how many it holds, how many there are, and how to go on."""
    async with talking_to(SMALL) as client:
        first = await client.get(limit=200)
        last = await client.get(limit=200, cursor=first.next_cursor)

    page, end = first.json, last.json
    assert page["pagination"] == {"limit": 200, "hasMore": True, "nextCursor": first.next_cursor, "cursorExpiresIn": 116}
    assert page["meta"].items() >= {"total": 300, "returned": 200}.items()
    assert end["pagination"] == {"limit": 200, "hasMore": False, "nextCursor": None, "cursorExpiresIn": None}
    assert end["meta"].items() >= {"total": 300, "returned": 100}.items()
    assert page["meta"]["requestId"] != end["meta"]["requestId"]


async def test_flat_page() -> None:
    """A flat page carries the same facts without the objects around them."""
    async with talking_to(replace(SMALL, page_shape="flat")) as client:
        first = (await client.get(limit=299)).json
        last = (await client.get(cursor=first["nextCursor"])).json

    assert list(first) == ["data", "hasMore", "nextCursor", "total"]
    assert (first["hasMore"], first["total"], len(first["data"])) == (True, 300, 299)
    assert (last["hasMore"], last["nextCursor"], len(last["data"])) == (False, None, 1)


async def test_gzip_or_not() -> None:
    """A client that takes gzip gets it, another one the same rows as they are."""
    async with talking_to(SMALL) as client:
        gzipped = await client.get()
        plain = await client.get(headers={"Accept-Encoding": "identity"})

    assert gzipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzipped.json["data"] == plain.json["data"]


async def test_limit() -> None:
    """A page holds 100 rows unless told otherwise, and never more than 5,000."""
    async with talking_to(replace(SMALL, events=6_000)) as client:
        unasked = (await client.get()).json
        pages = [(await client.get(limit=limit)).json for limit in (1, 5_000, 10_000, 10**17)]

    assert [len(page["data"]) for page in (unasked, *pages)] == [100, 1, 5_000, 5_000, 5_000]
    assert [page["pagination"]["limit"] for page in (unasked, *pages)] == [100, 1, 5_000, 5_000, 5_000]


async def test_bad_limit() -> None:
    """A limit that is no positive whole number is a bad request."""
    async with talking_to(SMALL) as client:
        replies = [await client.get(limit=limit) for limit in ("0", "-1", "ten", "1.5", "", "²", "9" * 5_000)]

    assert {(reply.status, reply.json["code"]) for reply in replies} == {(400, "INVALID_LIMIT")}


async def test_key() -> None:
    """Only the right key, in the header or in the query, opens anything below /api."""
    async with talking_to(SMALL) as client:
        for path in ("/api/v1", EVENTS, f"{EVENTS}/{LOW}"):
            missing = await client.get(path, key=None)
            wrong = await client.get(path, key="wrong", api_key=client.server.api_key)
            by_query = await client.get(path, key=None, api_key=client.server.api_key)

            assert (missing.status, missing.json["code"]) == (401, "MISSING_API_KEY")
            assert (wrong.status, wrong.json["code"]) == (401, "INVALID_API_KEY")
            assert list(wrong.json) == ["error", "message", "code"]
            assert by_query.status != 401


async def test_other_endpoints() -> None:
    """The root lists what there is, an event is found by its id, health needs no key, and the rest is not there."""
    async with talking_to(SMALL) as client:
        root = await client.get("/api/v1")
        page = await client.get(limit=1)
        event = await client.get(f"{EVENTS}/{page.ids[0]}")
        nobody = [await client.get(f"{EVENTS}/{text}") for text in (LOW, "export")]
        health = await client.get("/health", key=None)
        nowhere = await client.get("/api/v2")
        async with client.session.post(client.server.url + EVENTS) as posted:
            method_not_allowed = posted.status

    assert list(root.json["endpoints"]) == ["events", "sessions", "metrics"]
    assert event.json["data"] == page.json["data"][0]
    assert [(reply.status, reply.json["code"]) for reply in nobody] == [(404, "EVENT_NOT_FOUND")] * 2
    assert (health.status, health.body) == (200, b"OK")
    assert nowhere.status == 404
    assert method_not_allowed == 405


async def test_cursor_expires() -> None:
    """A cursor is good for its life, read from itself, and then says for how many minutes it has been dead."""
    time = Stopped()
    async with talking_to(replace(SMALL, cursor_ttl_s=100), time.clock) as client:
        cursor = (await client.get()).next_cursor
        time.now_s += 99
        alive = await client.get(cursor=cursor)
        time.now_s += 2
        just_dead = await client.get(cursor=cursor)
        time.now_s += 35_392 * 60 + 30
        dead = await client.get(cursor=cursor)
        pushed_out = await client.get(cursor=forged(NEWEST_MS, LOW, exp=NEVER))

    assert alive.status == pushed_out.status == 200
    assert (dead.status, dead.json["code"]) == (400, "CURSOR_EXPIRED")
    assert just_dead.json["message"] == "Cursor expired 0 minute(s) ago"
    assert dead.json["message"] == "Cursor expired 35392 minute(s) ago"


async def test_cursor_garbage() -> None:
    """A cursor that is none is a bad request; an empty one is no cursor."""
    async with talking_to(SMALL) as client:
        garbage = await client.get(cursor="garbage")
        empty = await client.get(cursor="")

    assert (garbage.status, garbage.json["code"]) == (400, "INVALID_CURSOR")
    assert empty.status == 200


async def test_cursor_outside_the_data() -> None:
    """A cursor newer than everything gives the first page, one older than everything a teapot; at the very end there is nothing."""
    async with talking_to(SMALL) as client:
        oldest = client.server.dataset[299]
        first = await client.get()
        newer = await client.get(cursor=forged(NEWEST_MS + 1, LOW))
        older = await client.get(cursor=forged(oldest.ts - 1, HIGH))
        end = await client.get(cursor=forged(oldest.ts, UUID(bytes=oldest.id)))

    assert newer.ids == first.ids
    assert older.status == 418
    assert (end.status, end.ids, end.json["pagination"]["hasMore"]) == (200, [], False)


@pytest.mark.parametrize(("rule", "whole", "skips"), [("desc", HIGH, LOW), ("asc", LOW, HIGH)])
async def test_cursor_within_a_millisecond(rule: TieRule, whole: UUID, skips: UUID) -> None:
    """At a tie, the one extreme id begins before the whole millisecond, the other silently behind it."""
    async with talking_to(replace(SMALL, tie_rule=rule)) as client:
        ages = client.server.dataset.keys.ages
        low, high = next((row, row + int((ages == ages[row]).sum())) for row in range(300) if (ages == ages[row]).sum() >= 70)
        ts = client.server.dataset[low].ts
        every = uuids(client.server.dataset)
        from_whole = await client.get(limit=300, cursor=forged(ts, whole))
        from_skips = await client.get(limit=300, cursor=forged(ts, skips))

    assert from_whole.ids == every[low:]
    assert from_skips.ids == every[high:]


async def test_omitted_cursors() -> None:
    """A share of the pages says there is more without saying how to go on: null, or no such field."""
    async with talking_to(replace(SMALL, omit_cursor=1.0)) as client:
        pages = [(await client.get(limit=limit)).json["pagination"] for limit in range(1, 40)]

    assert all(page["hasMore"] and page.get("nextCursor") is None for page in pages)
    assert {"nextCursor" in page for page in pages} == {True, False}


async def test_rate_limit() -> None:
    """Requests beyond the limit get 429 until the window ends; the headers count down on every answer, errors included."""
    time = Stopped()
    async with talking_to(replace(SMALL, rate_limit=RateLimit(requests=3, window_s=60)), time.clock) as client:
        replies = [await client.get(limit=limit) for limit in (1, "bad", 2, 3)]
        time.now_s += 60
        later = await client.get(limit=4)

    assert [reply.status for reply in replies] == [200, 400, 200, 429]
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
    assert {reply.headers["X-RateLimit-Reset"] for reply in replies} == {"60"}
    assert replies[3].headers["Retry-After"] == "60"
    assert (later.status, later.headers["X-RateLimit-Remaining"]) == (200, "2")


async def test_rate_limit_pools() -> None:
    """Keys in the query share the header's pool, unless they have one of their own."""
    statuses = []
    for limit in (RateLimit(requests=1), RateLimit(requests=1, query_requests=1)):
        async with talking_to(replace(SMALL, rate_limit=limit)) as client:
            by_header = await client.get(limit=1)
            by_query = await client.get(key=None, api_key=client.server.api_key, limit=2)
            statuses.append((by_header.status, by_query.status))

    assert statuses == [(200, 429), (200, 200)]


async def test_cache_hits_are_free() -> None:
    """The same request again within 30 seconds is a hit, which costs nothing of the limit."""
    time = Stopped()
    async with talking_to(replace(SMALL, rate_limit=RateLimit(requests=2)), time.clock) as client:
        replies = [await client.get(limit=limit) for limit in (7, 7, 8)]
        time.now_s += 31
        replies.append(await client.get(limit=7))

    assert [reply.headers["X-Cache"] for reply in replies] == ["MISS", "HIT", "MISS", "MISS"]
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["1", "1", "0", "0"]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]


async def test_latency() -> None:
    """A page takes its fixed time, and more for every request in flight with it."""
    waits: list[float] = []
    gate = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            gate.set()
        await gate.wait()

    settings = replace(SMALL, latency_s=5.0, latency_per_inflight_s=0.5)
    async with talking_to(settings, replace(Stopped().clock, sleep=sleep)) as client:
        await asyncio.gather(*(client.get(limit=limit) for limit in (1, 2, 3)))

    assert waits == [5.5, 6.0, 6.5]


async def test_live_inserts() -> None:
    """New events appear in front, one by one, and are counted; cursors from before go on where they were."""
    time = Stopped()
    async with talking_to(replace(SMALL, live_per_s=2.0, live_limit=5), time.clock) as client:
        before = await client.get(limit=10)
        time.now_s += 1.5
        during = await client.get(limit=10)
        newer = await client.get(limit=10, cursor=forged(NEWEST_MS + 10_000, LOW))
        inserted = client.server.inserted
        following = await client.get(limit=10, cursor=before.next_cursor)
        time.now_s += 60
        end = await client.get(limit=10)
        every = uuids(client.server.dataset, inserted=5)

    assert inserted == 3
    assert newer.ids == during.ids
    assert [page.json["meta"]["total"] for page in (before, during, following, end)] == [300, 303, 303, 305]
    assert [before.ids, during.ids, following.ids, end.ids] == [every[5:15], every[2:12], every[15:25], every[0:10]]


async def test_shrinking() -> None:
    """After so many list requests the oldest events are gone: from the total, from pages and by id."""
    async with talking_to(replace(SMALL, shrink_after_requests=2, shrink_by=4)) as client:
        pages = [await client.get(limit=300) for _ in range(3)]
        gone = await client.get(f"{EVENTS}/{pages[0].ids[-1]}")

    assert [page.json["meta"]["total"] for page in pages] == [300, 300, 296]
    assert pages[2].ids == pages[0].ids[:296]
    assert gone.status == 404


async def test_audit() -> None:
    """The audit counts answers by status, and rows that left twice."""
    async with talking_to(SMALL) as client:
        await client.get(limit=30)
        await client.get(limit=20)
        await client.get(limit="bad")
        audit = await client.get("/_audit", key=None)

    assert audit.json == {
        "requests": 3,
        "rows_served": 50,
        "rows_seen": 30,
        "served_twice": 20,
        "paths": {"/api/v1/events": 3},
        "statuses": {"200": 2, "400": 1},
        "faults": {},
        "stream_tokens": 0,
        "submissions": 0,
    }
