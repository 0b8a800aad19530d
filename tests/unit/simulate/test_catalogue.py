"""The smaller endpoints: what the API lists of itself, sessions, metrics, statistics and health."""

from __future__ import annotations

from collections import Counter

from penstock.simulate.settings import DataSyncSettings

from .client import talking_to

SETTINGS = DataSyncSettings(events=500, seed=3)


async def test_root() -> None:
    """The root names the endpoints, to clients with a key."""
    async with talking_to(SETTINGS) as client:
        known, unknown = await client.get("/api/v1"), await client.get("/api/v1", key="wrong")

    assert set(known.json["endpoints"]) == {"events", "sessions", "metrics"}
    assert unknown.status == 401


async def test_sessions() -> None:
    """Sessions count their events, in the list and each alone, and have a limit of their own."""
    async with talking_to(SETTINGS) as client:
        listed, some = await client.get("/api/v1/sessions"), await client.get("/api/v1/sessions", limit=3)
        events = (await client.get(limit=500)).json["data"]
        name = listed.json["data"][0]["id"]
        one, none = await client.get(f"/api/v1/sessions/{name}"), await client.get("/api/v1/sessions/none")
        further = [(await client.get("/api/v1/sessions", limit=1)).status for _ in range(37)]

    counted = Counter(event["sessionId"] for event in events)
    assert {session["id"]: session["eventCount"] for session in listed.json["data"]} == counted
    assert (listed.json["meta"]["total"], len(some.json["data"]), some.json["pagination"]["hasMore"]) == (10, 3, True)
    assert (one.json["data"]["_count"]["events"], none.status) == (counted[name], 404)
    assert {event["session"]["browser"] for event in events if event["sessionId"] == name} == {one.json["data"]["browser"]}
    assert listed.headers["X-RateLimit-Limit"] == "40"
    assert further[-2:] == [200, 429]


async def test_statistics() -> None:
    """The statistics count everything, events by type and by device."""
    async with talking_to(SETTINGS) as client:
        stats, metrics = await client.get("/internal/stats"), await client.get("/api/v1/metrics")
        events = (await client.get(limit=500)).json["data"]

    assert stats.json["counts"]["events"] == 500
    assert {name: n for name, n in stats.json["eventTypes"].items() if n} == Counter(event["type"] for event in events)
    assert stats.json["deviceTypes"].items() >= Counter(event["session"]["deviceType"] for event in events).items()
    assert (metrics.json["data"], metrics.headers["X-RateLimit-Limit"]) == ([], "30")


async def test_health() -> None:
    """Health takes no key."""
    async with talking_to(SETTINGS) as client:
        replies = [await client.get(path, key=None) for path in ("/health", "/internal/health")]

    assert [reply.status for reply in replies] == [200, 200]
