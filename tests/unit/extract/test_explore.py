"""Exploring the simulated API: what is found is what it was told to be, in no more requests than were allowed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from yarl import URL

from penstock.extract.address import Address
from penstock.extract.api import KeyRejected
from penstock.extract.explore import ENOUGH, exploring
from penstock.extract.findings import Exploration, notations
from penstock.extract.stream import ACCESS_PATH
from penstock.simulate.datasync import Clock, Server, running
from penstock.simulate.faults import PROFILES
from penstock.simulate.profiles import LIMITS, PUBLISHED_LATENCY_PER_INFLIGHT_S, PUBLISHED_LATENCY_S
from penstock.simulate.settings import DataSyncSettings, RateLimit, Stream, TieRule
from penstock.stores.http.client import NotReached

pytestmark = pytest.mark.usefixtures("clock")

API = DataSyncSettings(events=60_000, seed=3, ties=0.2)
EVENTS = "/api/v1/events"
EPOCHS = ["epoch ms", "epoch ms as text", "epoch s"]


async def explored(settings: DataSyncSettings, clock: Clock, most: int = ENOUGH) -> tuple[Server, Exploration]:
    """What is found of the simulated API."""
    async with running(settings, clock=clock) as server, exploring(Address(server.url, server.api_key), most) as explorer:
        return server, await explorer.explore()


@pytest.mark.parametrize("rule", ["asc", "desc"])
async def test_what_there_is(rule: TieRule, clock: Clock) -> None:
    """Endpoints with their limits, notations and totals; the cursor with its rules; the stream with what it honours."""
    settings = replace(API, tie_rule=rule, rate_limit=RateLimit(requests=50, query_requests=5), cursor_ttl_s=90.0, timestamps="all")
    server, found = await explored(settings, clock)

    by_path = {endpoint.path: endpoint for endpoint in found.endpoints}
    events = by_path[EVENTS]
    assert {endpoint.status for endpoint in found.endpoints} == {200}
    assert (events.limit, events.remaining, events.total, events.largest_page) == (50, 49, 60_000, 5_000)
    assert {"epoch ms", "epoch s", "epoch ms as text", "ISO 8601 UTC", "ISO 8601 without zone", "ISO 8601 with offset"} == set(
        events.timestamps
    )
    assert by_path["/api/v1/events/d4ta/x7k9/feed"].timestamps == ("epoch ms",)
    assert by_path["/api/v1/sessions"].limit == 40
    assert (found.cursor.version, found.cursor.ttl_s, found.cursor.expiry_checked, found.cursor.can_be_made) == (2, 90, True, True)
    assert (found.cursor.tie_order, found.cursor.smallest_id) == (
        ("rising", "before them") if rule == "asc" else ("falling", "behind them")
    )
    assert (found.stream.open, found.stream.token_life_s, found.stream.limit, found.stream.honours_since) == (True, 300, None, True)
    assert found.stream.shares_events_limit is False
    assert any("limit of its own: 5 requests" in note for note in found.notes)
    assert found.requests <= ENOUGH
    assert server.api_key not in json.dumps(found.as_json())


async def test_the_key_is_not_quoted(clock: Clock) -> None:
    """An answer that is no HTTP is noted without the address that it came from, the query of which holds the key."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"api_key=" in head:
            writer.write(b"HTTP/1.1 2x0 what\r\n\r\n")
        else:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", URL(server.url).port)
            there_writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            writer.write((await there_reader.read()).replace(b"\r\nConnection: keep-alive", b""))
            there_writer.close()
        writer.close()

    async with running(API, clock=clock) as server, await asyncio.start_server(pass_on, "127.0.0.1", 0) as proxy:
        url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with exploring(Address(url, server.api_key), ENOUGH) as explorer:
            found = await explorer.explore()

    assert any("status line" in note for note in found.notes)
    assert server.api_key not in json.dumps(found.as_json())


async def test_the_published_latency(clock: Clock) -> None:
    """The latency law is found within a few percent, from rounds of one, two and four."""
    latency = {"latency_s": PUBLISHED_LATENCY_S, "latency_per_inflight_s": PUBLISHED_LATENCY_PER_INFLIGHT_S}
    _, found = await explored(replace(API, **latency), clock)  # type: ignore[arg-type]

    assert {together for together, _ in found.latency.measured} == {1, 2, 4}
    assert found.latency.base_s is not None
    assert found.latency.per_request_s is not None
    assert 4 < found.latency.base_s < 7
    assert 0 < found.latency.per_request_s < 1.2


@pytest.mark.parametrize("most", [*range(1, 30, 4), 32])
async def test_no_more_requests_than_allowed(most: int, clock: Clock) -> None:
    """However few requests are allowed, no more are sent, also where some are put off or fail; what was found by then is told."""
    settings = replace(API, rate_limit=RateLimit(requests=4, window_s=10), faults=replace(PROFILES["hostile"], burst_429=0.05))
    server, found = await explored(settings, clock, most)

    health = sum(endpoint.path in {"/health", "/internal/health"} for endpoint in found.endpoints)
    assert found.requests <= most
    assert server.audit.requests <= most
    assert len(found.endpoints) >= min(most, health)
    assert found.requests < most or any("were used" in note for note in found.notes)


@pytest.mark.parametrize("name", LIMITS)
async def test_every_profile(name: str, clock: Clock) -> None:
    """Under each of the reported limits exploring comes to its end, and states no limit that is not there."""
    limit, stream = LIMITS[name]
    server, found = await explored(replace(API, rate_limit=limit, stream=stream), clock)

    assert found.stream.open is True
    assert found.stream.shares_events_limit is (stream.pool == "events") or found.stream.shares_events_limit is None
    assert server.audit.requests <= ENOUGH
    assert next(one.limit for one in found.endpoints if one.path == EVENTS) == limit.requests


@pytest.mark.parametrize(("pool", "by_token"), [("own", False), ("token", True)])
async def test_the_stream_s_budget(pool: str, by_token: bool, clock: Clock) -> None:  # noqa: FBT001
    """With more requests than usual the stream is asked until it refuses, and another token tells what is counted together."""
    stream = Stream(requests=60, window_s=300, pool="token" if pool == "token" else "own")
    _, found = await explored(replace(API, stream=stream), clock, most=200)

    assert found.stream.refused_after is not None
    assert 40 <= found.stream.refused_after < 60
    assert (found.stream.by_token, found.stream.pause_s is not None) == (by_token, True)


async def test_no_budget_to_be_found(clock: Clock) -> None:
    """A stream that refuses nothing is not asked for ever."""
    _, found = await explored(API, clock, most=60)

    assert (found.stream.refused_after, found.requests <= 60) == (None, True)
    assert any("refused none" in note for note in found.notes)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_closed_stream(status: int, clock: Clock) -> None:
    """A stream that is not open is told with its status; latency is measured at `/events` then."""
    server, found = await explored(replace(API, stream=Stream(refused=status)), clock)

    assert found.stream.open is False
    assert f"HTTP {status}" in found.stream.closed_because
    assert found.latency.base_s is not None
    assert server.audit.paths[ACCESS_PATH] == 1


async def test_no_ties_and_no_cursor(clock: Clock) -> None:
    """What a sample does not show is not claimed."""
    _, found = await explored(replace(API, events=50, ties=0.0), clock)

    assert (found.cursor.version, found.cursor.tie_order) == (None, "")


async def test_refused(clock: Clock) -> None:
    """A wrong key and a wrong address are the errors that they are for a run."""
    async with running(API, clock=clock) as server, exploring(Address(server.url, "wrong"), ENOUGH) as explorer:
        with pytest.raises(KeyRejected):
            await explorer.explore()
    async with exploring(Address("http://127.0.0.1:1", "key"), ENOUGH) as explorer:
        with pytest.raises(NotReached) as caught:
            await explorer.explore()

    assert caught.value.exit_code == 75


def test_notations() -> None:
    """Notations are told apart by their form."""
    stamps = [1_769_541_612_369, 1_769_541_612.5, "1769541612", "2026-01-27", None, True]

    assert notations(stamps) == ["epoch ms", "epoch s", "epoch s as text", "unknown"]
