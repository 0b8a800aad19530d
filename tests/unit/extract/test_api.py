"""The API over HTTP: what is tried again, what is not, and who has to wait. No test waits: its loop is in a hurry."""

from __future__ import annotations

import asyncio
import gzip
import logging
import shutil
import ssl
import traceback
from email.utils import formatdate
from pathlib import Path

import pytest

from penstock.extract.address import Address, NoSuchApi, UnusableKey
from penstock.extract.api import ApiRefuses, EventsApi, KeyRejected
from penstock.extract.cursor import Cursor, decoded
from penstock.model.errors import PenstockError
from penstock.model.metrics import Counters
from penstock.simulate.datasync import Clock
from penstock.simulate.faults import FaultProfile
from penstock.simulate.settings import DataSyncSettings, RateLimit, ResetNotation, RetryAfter
from penstock.stores.http import body
from penstock.stores.http.client import FIRST_CONTACT, Failing, NotReached, Untrusted, UnusableAnswers

from .answering import GOOD, KEY, Answer, answering
from .bodies import A_UUID, event, nested
from .hurried import EPOCH_S
from .simulated import simulated

A_CURSOR = Cursor(A_UUID, 1_769_541_248_380)
EXPIRED = Answer(400, b'{"error":"Bad Request","code":"CURSOR_EXPIRED","message":"Cursor expired 35392 minute(s) ago"}')
TRUNCATED = Answer(body=gzip.compress(GOOD)[:-9])


pytestmark = pytest.mark.usefixtures("clock")


async def test_a_request() -> None:
    """The key goes into the header only; the cursor's place is kept and its expiry set far ahead; the body may be gzip."""
    async with answering([Answer(body=gzip.compress(nested([event()], A_CURSOR, has_more=True, total=7)))]) as (server, api):
        page = await api.page(A_CURSOR, 17)

    (request,) = server.requests
    sent = decoded(request.query["cursor"])
    assert page is not None
    assert (len(page), page.paging.total) == (1, 7)
    assert (request.headers["X-API-Key"], KEY in str(request.url)) == (KEY, False)
    assert (request.query["limit"], sent.id, sent.ts) == ("17", A_CURSOR.id, A_CURSOR.ts)
    assert sent.exp > (EPOCH_S + 3_600) * 1_000


async def test_the_newest_page() -> None:
    """Without a place no cursor is sent."""
    async with answering([Answer()]) as (server, api):
        await api.page(None, 1)

    assert "cursor" not in server.requests[0].query


async def test_nothing_there() -> None:
    """A teapot is how the API says that it has nothing that old."""
    async with answering([Answer(418, b"I'm a teapot")]) as (server, api):
        page = await api.page(A_CURSOR, 1)

    assert (page, len(server.requests)) == (None, 1)


@pytest.mark.parametrize(
    ("answer", "error", "exit_code"),
    [
        (Answer(401, b"no"), KeyRejected, 2),
        (Answer(403, b"no"), KeyRejected, 2),
        (Answer(404, b"no"), NoSuchApi, 2),
        (Answer(405, b"no"), NoSuchApi, 2),
        (Answer(301, b"", {"Location": "/api/v1/events"}), NoSuchApi, 2),
        (Answer(303, b"", {"Location": "/api/v1/events"}), NoSuchApi, 2),
        (Answer(308, b"", {"Location": "/api/v1/events"}), NoSuchApi, 2),
        (Answer(400, b'{"code":"INVALID_CURSOR"}'), ApiRefuses, 1),
        (Answer(204, b""), ApiRefuses, 1),
        (Answer(422, b"\xff\xfe"), ApiRefuses, 1),
        (Answer(451, gzip.compress(b"no")[:-3]), ApiRefuses, 1),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
async def test_refused(answer: Answer, error: type[PenstockError], exit_code: int) -> None:
    """An answer that trying again would not change ends the run at once, with its own exit code; redirects are not followed."""
    async with answering([answer]) as (server, api):
        with pytest.raises(error, match=f"HTTP {answer.status}") as caught:
            await api.page(A_CURSOR, 1)

    assert (caught.value.exit_code, len(server.requests)) == (exit_code, 1)
    assert caught.value.hint or error is ApiRefuses


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(500),
        Answer(502, b"<html>"),
        Answer(503),
        Answer(504),
        Answer(408),
        Answer(ending="cut"),
        Answer(ending="never"),
        TRUNCATED,
        Answer(body=b'{"hasMore":false}'),
        Answer(body=GOOD[:-5]),
        Answer(body=b""),
    ],
)
async def test_tried_again(trouble: Answer) -> None:
    """What may pass is tried again until it has passed, and counted."""
    async with answering([Answer(), trouble, trouble, trouble, Answer()]) as (server, api):
        await api.page(None, 1)

        page = await api.page(A_CURSOR, 1)

    assert page is not None
    assert len(server.requests) == api.counters["requests_total"] == 5
    assert api.counters["requests_retried_total"] == 3
    assert {request.query.get("limit") for request in server.requests} == {"1"}


async def test_resets() -> None:
    """Connections that break before the answer are no loss either, the first request's and those of connections that were kept open."""
    async with answering([*[Answer(ending="reset")] * 3, Answer(), *[Answer(ending="reset")] * 6, Answer()]) as (server, api):
        pages = [await api.page(None, 1), await api.page(A_CURSOR, 1)]

    assert None not in pages
    assert len(server.requests) == 11


async def test_never_answered() -> None:
    """An API that has not answered once is given up soon, to be tried later: it is the address or the network."""
    async with EventsApi.connected(Address("http://127.0.0.1:1", KEY), Counters.zero(), 1) as api:
        loop = asyncio.get_running_loop()
        began = loop.time()

        with pytest.raises(NotReached, match=r"http://127.0.0.1:1: .*attempt 5 of 5") as caught:
            await api.page(None, 1)

    assert loop.time() - began < FIRST_CONTACT.deadline_s + 1
    assert (caught.value.exit_code, bool(caught.value.hint)) == (75, True)


async def test_never_anything_but_errors() -> None:
    """5xx alone is no answer: a proxy in front of nothing gives them."""
    async with answering([Answer(502)]) as (server, api):
        with pytest.raises(NotReached, match="HTTP 502"):
            await api.page(None, 1)

    assert len(server.requests) == FIRST_CONTACT.attempts


async def test_an_outage() -> None:
    """An API that has answered before is waited for, minutes long; then the run ends for now, to be gone on with."""
    async with answering([Answer(), Answer(503)]) as (server, api):
        loop = asyncio.get_running_loop()
        await api.page(None, 1)
        began = loop.time()

        with pytest.raises(Failing, match="HTTP 503") as caught:
            await api.page(A_CURSOR, 1)

    assert loop.time() - began > 600 or len(server.requests) > 60
    assert caught.value.exit_code == 75


async def test_unusable_for_ever() -> None:
    """A body that is no page five times over ends the run and names the place."""
    async with answering([TRUNCATED]) as (server, api):
        with pytest.raises(UnusableAnswers, match=f"gzip.*5 times, for the page after {A_CURSOR.ts} {A_CURSOR.id}") as caught:
            await api.page(A_CURSOR, 1)
        with pytest.raises(UnusableAnswers, match="for the newest page"):
            await api.page(None, 1)

    assert (caught.value.exit_code, len(server.requests)) == (1, 10)


async def test_a_body_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body longer than any page is not read to its end."""
    monkeypatch.setattr(body, "MOST_BYTES", 100_000)
    async with answering([Answer(body=bytes(5_000_000))]) as (_, api):
        with pytest.raises(UnusableAnswers, match="longer than 100,000 bytes"):
            await api.page(None, 1)

    assert api.counters["bytes_received_total"] == 0


@pytest.mark.parametrize("answer", [EXPIRED, Answer(400, gzip.compress(EXPIRED.body), {"Content-Encoding": "gzip"})], ids=["plain", "gzip"])
async def test_an_expired_cursor(answer: Answer) -> None:
    """The same place gets a new cursor at once; the loss is none, and it is counted."""
    async with answering([answer, Answer()]) as (server, api):
        page = await api.page(A_CURSOR, 1)

    places = [decoded(request.query["cursor"]).until(0) for request in server.requests]
    assert page is not None
    assert places == [A_CURSOR, A_CURSOR]
    assert (api.counters["cursors_recovered_total"], api.counters["requests_retried_total"]) == (1, 0)


async def test_nothing_but_expired_cursors(clock: Clock) -> None:
    """Where clocks are a day apart every new cursor is expired: that is given up after a while, not asked for ever at full speed."""
    ahead = Clock(now=lambda: clock.now() + 25 * 3_600, sleep=clock.sleep)
    async with simulated(DataSyncSettings(events=10), ahead) as (server, api):
        with pytest.raises(Failing, match="clock"):
            await api.page(A_CURSOR, 1)

    assert server.audit.requests < 100


async def workers_read(api: EventsApi, pages: int, workers: int = 8) -> None:
    """Many workers ask for pages at once until so many were asked for."""
    todo = list(range(pages))

    async def work() -> None:
        while todo:
            todo.pop()
            await api.page(Cursor.above(1_769_541_612_369 - len(todo)), 1)

    await asyncio.gather(*(work() for _ in range(workers)))


@pytest.mark.parametrize("retry_after", ["30", formatdate(EPOCH_S + 30, usegmt=True)], ids=["seconds", "date"])
async def test_throttled(retry_after: str) -> None:
    """A 429 closes the gate for all workers for as long as the server says, in seconds or by a date; then one goes first."""
    throttled = Answer(429, b"{}", {"Retry-After": retry_after})
    async with answering([*[Answer()] * 20, throttled, Answer()], connections=8) as (server, api):
        began = asyncio.get_running_loop().time()

        await workers_read(api, 60)

    before = [moment - began for moment in server.times if moment - began < 29]
    after = sorted(moment - began for moment in server.times if moment - began >= 29)
    assert 21 <= len(before) < 21 + 8
    assert after[0] >= 30
    assert api.counters["responses_throttled_total"] == 1
    assert api.counters["requests_retried_total"] == 0


async def test_throttled_with_a_body_that_breaks_off() -> None:
    """The status alone closes the gate."""
    throttled = Answer(429, b"{}" * 10, {"Retry-After": "30"}, ending="cut")
    async with answering([Answer(), throttled, Answer()]) as (server, api):
        await workers_read(api, 3, workers=2)

    assert len(server.times) == 4
    assert server.times[3] - server.times[1] >= 30


@pytest.mark.parametrize("status", [429, 503])
async def test_overloaded(status: int) -> None:
    """A 503 that says when to come back is a request to slow down too: everybody waits."""
    overloaded = Answer(status, b"", {"Retry-After": "20"})
    async with answering([*[Answer()] * 8, overloaded, Answer()], connections=4) as (server, api):
        await workers_read(api, 20, workers=4)

    late = [moment for moment in server.times if moment - server.times[8] > 1]
    assert len(server.times) - len(late) <= 9 + 3
    assert min(late) - server.times[8] >= 20


@pytest.mark.parametrize("notation", ["delta", "epoch_s", "epoch_ms", "date"])
async def test_stated_limits(notation: ResetNotation, clock: Clock) -> None:
    """Where the server truthfully states its limits, in whichever notation, not one of eight workers' requests is refused."""
    limit = RateLimit(requests=10, window_s=60.0, reset_notation=notation)
    async with simulated(DataSyncSettings(events=1_000, rate_limit=limit), clock, connections=8) as (server, api):
        began = clock.now()

        await workers_read(api, 25)

    assert server.audit.statuses == {200: 25}
    assert clock.now() - began > 2 * 60


@pytest.mark.parametrize("retry_after", ["seconds", "date"])
async def test_no_request_during_a_pause(retry_after: RetryAfter, clock: Clock) -> None:
    """Each time the simulated API closes, those requests learn it that were on their way; no further one is sent before it opens."""
    faults = FaultProfile(burst_429=0.05, burst_s=6.0)
    settings = DataSyncSettings(events=1_000, seed=5, faults=faults, rate_limit=RateLimit(retry_after=retry_after))
    async with simulated(settings, clock, connections=8) as (server, api):
        await workers_read(api, 100)

    bursts, statuses = server.audit.faults["burst_429"], server.audit.statuses
    assert bursts > 2
    assert statuses[200] == 100
    assert statuses[429] < bursts * 8
    assert clock.now() - EPOCH_S > bursts * 6


async def test_every_permit_comes_back() -> None:
    """Whatever becomes of a request, its permit is given back."""
    ends = [Answer(500), Answer(ending="reset"), Answer(ending="cut"), Answer(429), TRUNCATED, Answer(418), EXPIRED, Answer(401)]
    async with answering([Answer(), *ends]) as (_, api):
        pages = [await api.page(None, 1), await api.page(A_CURSOR, 1)]
        with pytest.raises(KeyRejected):
            await api.page(A_CURSOR, 1)

    assert [page is None for page in pages] == [False, True]
    assert api.lane.gate.in_flight == 0


async def test_cancelled() -> None:
    """Requests that are cancelled, on their way or waiting in line, give back what they had: the next one goes."""
    async with answering([Answer(ending="never"), Answer()], connections=4) as (server, api):
        asking = [asyncio.create_task(api.page(None, 1)) for _ in range(4)]
        await server.arrived.wait()
        held = api.lane.gate.in_flight

        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        page = await api.page(None, 1)

    assert (held, api.lane.gate.in_flight) == (1, 0)
    assert page is not None
    assert all(task.cancelled() for task in asking)


@pytest.mark.parametrize("answer", [*[Answer(status, KEY.encode()) for status in (400, 401, 404, 500)], Answer(ending="reset"), TRUNCATED])
async def test_the_key_is_nowhere(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    """The key stands in no message, traceback, representation or log line, also where the server quotes it."""
    caplog.set_level(logging.DEBUG)
    async with answering([answer]) as (_, api):
        with pytest.raises(PenstockError) as caught:
            await api.page(None, 1)

    error = caught.value
    said = [str(error), repr(error), error.hint, "".join(traceback.format_exception(error)), repr(api), repr(api.address), caplog.text]
    assert not [text for text in said if KEY in text]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl, which is not installed")
async def test_an_untrusted_certificate(tmp_path: Path) -> None:
    """A server whose certificate nobody vouches for is a mistake of configuration: it is not asked twice, and gets no key."""
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    arguments = ["req", *options, "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")]
    await (await asyncio.create_subprocess_exec("openssl", *arguments, stderr=asyncio.subprocess.DEVNULL)).wait()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server, EventsApi.connected(Address(f"https://localhost:{port_of(server)}", KEY), Counters.zero(), 1) as api:
        with pytest.raises(Untrusted, match="certificate") as caught:
            await api.page(None, 1)

    assert (caught.value.exit_code, api.counters["requests_total"], api.lane.gate.in_flight) == (2, 1, 0)


def port_of(server: asyncio.Server) -> int:
    """Where it listens."""
    port: int = server.sockets[0].getsockname()[1]
    return port


async def test_a_key_that_is_no_header() -> None:
    """A key with a line break, as from a file, is a mistake of configuration that is told without showing it."""
    with pytest.raises(UnusableKey) as caught:
        Address("https://api.example", "secret\n")

    assert (caught.value.exit_code, "secret" in str(caught.value)) == (2, False)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.example",
        "https://api.example/",
        "https://api.example/api/v1",
        "https://api.example/api/v1/",
    ],
)
def test_forms_of_an_address(base_url: str) -> None:
    """The address of the host, or the same ending in /api/v1."""
    assert str(Address(base_url, KEY).events) == "https://api.example/api/v1/events"


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://api.example",
        "https://",
        "https:///x",
        "api.example",
        "https://a:99999",
        "https://[::1",
        "https://a..b",
        "https://" + "a" * 70,
    ],
)
def test_no_address(base_url: str) -> None:
    """What is no address of a host is a mistake of configuration, found before anything is asked."""
    with pytest.raises(NoSuchApi) as caught:
        Address(base_url, KEY)

    assert caught.value.exit_code == 2
