"""The stream endpoint as the client uses it: tokens, when to leave it alone, and at which pace. No test waits: its loop is in a hurry."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from penstock.extract.address import Address
from penstock.extract.api import EventsApi, KeyRejected
from penstock.extract.cursor import Cursor
from penstock.extract.stream import ACCESS_PATH, REFUSALS, StreamSettings
from penstock.model.errors import PenstockError
from penstock.model.metrics import Counters
from penstock.simulate.datasync import Clock, Server, running
from penstock.simulate.faults import FaultProfile
from penstock.simulate.http import Answer, ApiError
from penstock.simulate.keys import NEWEST_MS
from penstock.simulate.settings import DataSyncSettings, RateLimit, Stream
from penstock.simulate.stream import FEED
from penstock.stores.http.client import Failing

pytestmark = pytest.mark.usefixtures("clock")

API = DataSyncSettings(events=100)
EVENTS = "/api/v1/events"


class Told(list[str]):
    """What was said of the stream."""


@asynccontextmanager
async def streaming(settings: DataSyncSettings, clock: Clock, tokens: int = 1) -> AsyncIterator[tuple[Server, EventsApi, Told]]:
    """The simulated API, and a client of its stream."""
    told = Told()
    async with (
        running(settings, clock=clock) as server,
        EventsApi.connected(Address(server.url, server.api_key), Counters.zero(), 9, stream=StreamSettings(tokens, told.append)) as api,
    ):
        yield server, api, told


async def workers_read(api: EventsApi, pages: int, workers: int = 8) -> None:
    """Many workers ask for pages at once until so many were asked for."""
    todo = list(range(pages))

    async def work() -> None:
        while todo:
            todo.pop()
            assert await api.page(Cursor.above(NEWEST_MS - len(todo)), 1) is not None

    await asyncio.gather(*(work() for _ in range(workers)))


def revoke(server: Server) -> None:
    """No token given out so far is good any more."""
    server.api.stream._expires_at = dict.fromkeys(server.api.stream._expires_at, 0.0)


async def test_one_token_for_all(clock: Clock) -> None:
    """Eight workers that need a token at once ask for one, and read from the stream alone."""
    async with streaming(API, clock) as (server, api, told):
        await workers_read(api, 40)

    assert server.audit.paths == {ACCESS_PATH: 1, FEED: 40}
    assert (server.audit.statuses, told) == ({200: 41}, [])


async def test_renewed_in_time(clock: Clock) -> None:
    """A token is replaced before its time is over: not one request of a quarter of an hour is refused."""
    settings = replace(API, latency_s=20.0, stream=Stream(token_ttl_s=120))
    async with streaming(settings, clock) as (server, api, _):
        await workers_read(api, 2 * 45, workers=2)

    assert set(server.audit.statuses) == {200}
    assert 900 / 120 <= server.api.stream.tokens <= 900 / (0.8 * 120) + 1


async def test_refreshed_once(clock: Clock) -> None:
    """When the API calls the token invalid in mid-flight, one new one is fetched, whatever number of workers hear of it."""
    settings = replace(API, latency_s=1.0)
    async with streaming(settings, clock) as (server, api, told):
        await workers_read(api, 8)
        revoke(server)
        await workers_read(api, 40)

    assert server.api.stream.tokens == 2
    assert server.audit.statuses[403] <= 8
    assert (server.audit.paths[EVENTS], told) == (0, [])


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_no_token_to_be_had(status: int, clock: Clock) -> None:
    """Where stream access is refused, everything is read from `/events`, after one attempt, and that is said once."""
    async with streaming(replace(API, stream=Stream(refused=status)), clock) as (server, api, told):
        await workers_read(api, 20)

    assert server.audit.paths == {ACCESS_PATH: 1, EVENTS: 20}
    (remark,) = told
    assert f"HTTP {status}" in remark
    assert "/events" in remark


async def test_closed_on_the_way(clock: Clock) -> None:
    """A stream that is closed in mid-run is left for `/events` by all workers, and no page is lost by it."""
    async with streaming(replace(API, latency_s=1.0), clock) as (server, api, told):
        await workers_read(api, 20)
        server.api.stream._stream = Stream(refused=403)
        revoke(server)
        await workers_read(api, 20)

    assert server.audit.paths[EVENTS] == 20
    assert server.audit.paths[ACCESS_PATH] == 2
    assert len(told) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_refused_for_its_token(status: int, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that gives a token and then refuses requests, for whatever reason, is left for `/events`, which may take them."""

    def refuse(_: object) -> None:
        raise ApiError(status, "Refused", "REFUSED", "Not so")

    async with streaming(API, clock) as (server, api, told):
        monkeypatch.setattr(server.api.stream, "admitted", refuse)
        await workers_read(api, 20)

    assert server.audit.paths[EVENTS] == 20
    (remark,) = told
    assert f"HTTP {status}" in remark


async def test_tokens_that_are_worth_nothing(clock: Clock) -> None:
    """A stream that takes none of the tokens it gives is left alone after a few."""
    async with streaming(replace(API, stream=Stream(token_ttl_s=1e-9)), clock) as (server, api, told):
        await workers_read(api, 20)

    assert server.audit.paths[EVENTS] == 20
    assert server.api.stream.tokens <= REFUSALS + 8
    assert len(told) == 1


async def test_a_wrong_key(clock: Clock) -> None:
    """A key that is rejected everywhere is told as such."""
    address, counters = "wrong", Counters.zero()
    async with (
        running(API, clock=clock) as server,
        EventsApi.connected(Address(server.url, address), counters, 1, stream=StreamSettings()) as api,
    ):
        with pytest.raises(KeyRejected):
            await api.page(None, 1)


async def test_tokens_in_turn(clock: Clock) -> None:
    """Where budgets are counted by token, three tokens bring three times as far in one window."""
    settings = replace(API, stream=Stream(requests=20, pool="token"), latency_s=0.1)
    async with streaming(settings, clock, tokens=3) as (server, api, _):
        began = clock.now()
        await workers_read(api, 60)
        together_s = clock.now() - began

    assert (server.api.stream.tokens, server.audit.statuses) == (3, {200: 63})
    assert together_s < 30


async def test_a_hidden_budget(clock: Clock) -> None:
    """A budget that nothing tells is found out by a few refusals; then the stream is waited for, and everything is read."""
    settings = replace(API, stream=Stream(requests=50, window_s=300), latency_s=1.0)
    async with streaming(settings, clock) as (server, api, told):
        await workers_read(api, 150)

    assert (server.audit.statuses[200] - server.api.stream.tokens, server.audit.paths[EVENTS]) == (150, 0)
    assert server.audit.statuses[429] <= 2 * 8
    assert api.counters["responses_throttled_total"] == server.audit.statuses[429]
    assert told == []


async def test_a_shared_pool(clock: Clock) -> None:
    """A stream in the pool of `/events` is read under that limit."""
    settings = replace(API, rate_limit=RateLimit(requests=10, window_s=60), stream=Stream(pool="events"))
    async with streaming(settings, clock) as (server, api, _):
        await workers_read(api, 30)

    assert server.audit.statuses[200] == 31


async def test_a_pace_of_its_own(clock: Clock) -> None:
    """A stream that fails is asked more slowly by all workers together; while it has not failed nobody waits."""
    async with streaming(replace(API, faults=FaultProfile(error_5xx=0.2, max_in_a_row=1)), clock) as (_, api, _told):
        assert api.stream is not None
        pace = api.stream.tickets[0].lane.pace
        assert pace is not None
        await workers_read(api, 3, workers=1)
        at_first = pace.pause_s
        await workers_read(api, 60)

    assert (at_first in {0.0, 0.1}, pace.pause_s >= 0.1, api.lane.pace) == (True, True, None)


async def test_an_outage_is_outlived(clock: Clock) -> None:
    """Trouble on the way to a new token is tried again like any other."""
    async with streaming(API, clock) as (server, api, told):
        await api.page(None, 1)
        revoke(server)
        real, failures = server.api.stream.access, iter(range(5))

        def failing(request: object) -> object:
            if next(failures, None) is not None:
                raise RuntimeError
            return real(request)  # type: ignore[arg-type]

        server.api._single[ACCESS_PATH] = failing  # type: ignore[assignment]
        page = await api.page(None, 1)

    assert page is not None
    assert told == []


@pytest.mark.parametrize("status", [500, 200])
async def test_a_stream_that_keeps_failing(status: int, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that answers nothing usable for longer than retrying makes sense is left for `/events`, once that has served a page."""

    async def fail(*_: object) -> Answer:
        return Answer(status, b"<html>", {"Content-Type": "text/html"})

    async with streaming(API, clock) as (server, api, told):
        await api.page(None, 1)
        monkeypatch.setattr(server.api.listing, "stream", fail)
        await workers_read(api, 20)

    assert server.audit.paths[EVENTS] == 20
    assert len(told) == 1


async def test_an_api_that_fails_as_a_whole(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `/events` fails, too, nothing is known against the stream: it is asked again in the next pass."""

    async def fail(*_: object) -> Answer:
        return Answer(500, b"", {})

    async with streaming(API, clock) as (server, api, told):
        await api.page(None, 1)
        monkeypatch.setattr(server.api.listing, "stream", fail)
        monkeypatch.setattr(server.api.listing, "many", fail)
        with pytest.raises(Failing):
            await api.page(None, 1)
        monkeypatch.undo()
        served = await api.page(None, 1)

    assert served is not None
    assert (told, api.bounded) == ([], True)


@pytest.mark.parametrize("refused", [None, 403])
async def test_secrets_are_nowhere(refused: int | None, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Neither key nor token stands in a message, traceback, representation or log line."""
    caplog.set_level(logging.DEBUG)
    said = []
    async with streaming(replace(API, stream=Stream(refused=refused)), clock) as (server, api, told):
        await api.page(None, 1)
        with pytest.raises(PenstockError) as caught:
            await api.page(None, 0)
        said = [str(caught.value), "".join(traceback.format_exception(caught.value)), repr(api), caplog.text, *told]
        secrets = [server.api_key, *server.api.stream._expires_at]

    assert len(secrets) == (2 if refused is None else 1)
    assert not [text for text in said for secret in secrets if secret in text]


def test_an_api_in_a_folder() -> None:
    """Where the API lies in a folder of its host, its other endpoints are looked for there, too."""
    address = Address("https://host.example/gate/api/v1", "key")

    assert str(address.at(ACCESS_PATH)) == "https://host.example/gate/internal/dashboard/stream-access"
    assert str(address.events) == "https://host.example/gate/api/v1/events"
