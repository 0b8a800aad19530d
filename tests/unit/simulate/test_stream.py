"""The stream endpoint over HTTP: tokens for the dashboard, budgets that nothing tells, times in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from penstock.simulate.keys import NEWEST_MS
from penstock.simulate.settings import DataSyncSettings, RateLimit, Stream
from penstock.simulate.stream import ACCESS, FEED

from .client import EVENTS, Client, Reply, Stopped, talking_to

SMALL = DataSyncSettings(events=300, seed=2, timestamps="all")
BROWSER = {"User-Agent": "Mozilla/5.0"}


def dashboard(client: Client) -> dict[str, str]:
    """What the dashboard sends."""
    return {**BROWSER, "Cookie": f"dashboard_api_key={client.server.api_key}"}


async def token(client: Client) -> str:
    """A fresh one."""
    reply = await client.ask("POST", ACCESS, headers=dashboard(client))
    text: str = reply.json["streamAccess"]["token"]
    return text


async def feed(client: Client, with_token: str, **query: int | str) -> Reply:
    """One request to the stream."""
    return await client.ask("GET", FEED, headers={"X-Stream-Token": with_token}, query=query)


async def test_access() -> None:
    """The dashboard gets 64 hexadecimal digits, where to use them, in which header and for how long."""
    async with talking_to(SMALL) as client:
        reply = await client.ask("POST", ACCESS, headers=dashboard(client))
        by_cookie_alone = await client.ask("POST", ACCESS, key=None, headers=dashboard(client))

    access = reply.json["streamAccess"]
    assert (reply.status, by_cookie_alone.status) == (200, 200)
    assert (access["endpoint"], access["expiresIn"], access["tokenHeader"]) == (FEED, 300, "X-Stream-Token")
    assert (len(access["token"]), int(access["token"], 16) > 0) == (64, True)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        BROWSER,
        {**BROWSER, "Origin": "http://elsewhere"},
        {**BROWSER, "Cookie": "dashboard_api_key=wrong"},
        {"User-Agent": "curl/8", "Cookie": "dashboard_api_key=KEY"},
    ],
    ids=["nothing", "browser", "another origin", "another cookie", "no browser"],
)
async def test_no_dashboard(headers: Mapping[str, str]) -> None:
    """Whoever does not look like the dashboard in a browser is turned away, the key notwithstanding."""
    async with talking_to(SMALL) as client:
        sent = {name: value.replace("KEY", client.server.api_key) for name, value in headers.items()}
        reply = await client.ask("POST", ACCESS, headers={"User-Agent": "none", **sent})
        keyless = await client.ask("POST", ACCESS, key=None, headers=BROWSER)

    assert (reply.status, reply.json["code"]) == (403, "DASHBOARD_REQUIRED")
    assert keyless.status == 401


async def test_own_origin() -> None:
    """A browser on the API's own pages needs no cookie."""
    async with talking_to(SMALL) as client:
        reply = await client.ask("POST", ACCESS, headers={**BROWSER, "Origin": client.server.url})

    assert reply.status == 200


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_refused(status: int) -> None:
    """The stream can be closed to everybody."""
    async with talking_to(replace(SMALL, stream=Stream(refused=status))) as client:
        reply = await client.ask("POST", ACCESS, headers=dashboard(client))

    assert reply.status == status


async def test_feed() -> None:
    """The stream serves the pages of `/events` with every time in epoch milliseconds, and states no limit."""
    async with talking_to(SMALL) as client:
        page, events = await feed(client, await token(client), limit=200), await client.get(EVENTS, limit=200)
        rest = await feed(client, await token(client), limit=200, cursor=page.next_cursor)

    assert page.ids == events.ids
    assert page.json["data"][0]["timestamp"] == NEWEST_MS
    assert {type(event["timestamp"]) for event in page.json["data"]} == {int}
    assert len({type(event["timestamp"]) for event in events.json["data"]}) > 1
    assert page.json["meta"]["total"] == 300
    assert (len(rest.ids), rest.json["pagination"]["hasMore"]) == (100, False)
    assert not [name for name in page.headers if name.lower().startswith("x-ratelimit")]
    assert client.server.audit.paths[FEED] == 2


async def test_tokens_expire() -> None:
    """A token is good until its time is over, whatever others were given out meanwhile."""
    time = Stopped()
    async with talking_to(replace(SMALL, stream=Stream(token_ttl_s=30)), time.clock) as client:
        first = await token(client)
        time.now_s += 29
        second = await token(client)
        early = [await feed(client, first), await feed(client, second)]
        time.now_s += 2
        late = [await feed(client, first), await feed(client, second), await feed(client, "0" * 64), await client.get(FEED)]

    assert [reply.status for reply in early] == [200, 200]
    assert [reply.status for reply in late] == [403, 200, 403, 403]
    assert late[0].json["code"] == "INVALID_STREAM_TOKEN"


async def test_since_and_until() -> None:
    """The stream honours bounds in time, both included; a time without data is a teapot; `/events` takes no notice."""
    async with talking_to(SMALL) as client:
        everything = (await feed(client, await token(client), limit=300)).json["data"]
        times = [event["timestamp"] for event in everything]
        middle = await feed(client, await token(client), limit=300, since=times[200], until=times[100])
        before = await feed(client, await token(client), until=times[-1] - 1)
        behind = await feed(client, await token(client), since=times[0] + 1)
        ignored = await client.get(EVENTS, limit=300, since=times[200], until=times[100])

    assert middle.json["data"] == everything[100:201]
    assert (middle.json["pagination"]["hasMore"], middle.json["meta"]["total"]) == (False, 101)
    assert (before.status, behind.status) == (418, 418)
    assert len(ignored.ids) == 300


async def test_hidden_budget() -> None:
    """What the budget does not admit is refused until its window ends; no header told of it before."""
    time = Stopped()
    async with talking_to(replace(SMALL, stream=Stream(requests=2, window_s=300)), time.clock) as client:
        good = await token(client)
        replies = [await feed(client, good) for _ in range(3)]
        time.now_s += 299
        replies.append(await feed(client, await token(client)))
        time.now_s += 2
        replies.append(await feed(client, await token(client)))

    assert [reply.status for reply in replies] == [200, 200, 429, 429, 200]
    assert (replies[2].headers["Retry-After"], replies[2].json["rateLimit"]) == ("300", {"retryAfter": 300})
    assert "X-RateLimit-Remaining" not in replies[2].headers


async def test_budget_of_each_token() -> None:
    """Where budgets are counted by token, another token has its own."""
    async with talking_to(replace(SMALL, stream=Stream(requests=1, pool="token"))) as client:
        one, other = await token(client), await token(client)
        replies = [await feed(client, one), await feed(client, one), await feed(client, other)]

    assert [reply.status for reply in replies] == [200, 429, 200]


async def test_shared_pool() -> None:
    """Where the stream shares the limit of `/events`, requests to both count in it."""
    shared = replace(SMALL, rate_limit=RateLimit(requests=2), stream=Stream(pool="events"))
    async with talking_to(shared) as client:
        good = await token(client)
        replies = [await feed(client, good), await client.get(EVENTS), await feed(client, good), await client.get(EVENTS, limit=1)]

    assert [reply.status for reply in replies] == [200, 200, 429, 429]
