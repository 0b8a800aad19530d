"""The pages over real HTTP."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from penstock.console import server
from penstock.console.server import NotServed, serving
from penstock.engine.telemetry import Telemetry
from penstock.model.errors import Misconfigured
from tests.unit.console.runs import a_busy_run, a_run

PAGES = ["/health", "/ready", "/metrics", "/status"]


@asynccontextmanager
async def client_of(telemetry: Telemetry, *, stall_s: float = 120.0) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the served pages."""
    async with serving(telemetry, port=0, stall_s=stall_s) as url:
        assert isinstance(url, str)
        async with aiohttp.ClientSession(url) as session:
            yield session


def port_of(url: str | NotServed) -> int:
    """Where pages are served."""
    assert isinstance(url, str)
    return int(url.rpartition(":")[2])


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has closed; what it had not read by then makes that a reset."""
    with suppress(ConnectionResetError):
        await reader.read()


async def insist(writer: asyncio.StreamWriter) -> None:
    """Write for as long as the other side takes it."""
    while True:
        writer.write(b"GET")
        await writer.drain()
        await asyncio.sleep(0)


async def asked(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    """Status and JSON of a page."""
    async with session.get(path) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def test_health_of_a_run_that_goes_well() -> None:
    """Status, state, workers, rows, silence, and a rate that falls while nothing is stored, in one object."""
    async with client_of(a_busy_run().after(2).telemetry) as session:
        status, body = await asked(session, "/health")

    assert status == 200
    assert 0 < body.pop("rows_per_second") < 100_000
    assert body == {
        "status": "ok",
        "reason": "",
        "state": "running",
        "rows_stored": 999_998,
        "rows_expected": 3_000_000,
        "rows_waiting": None,
        "seconds_since_progress": 2.0,
        "workers": {
            "0": {"state": "reading", "partition": 0, "rows": 500_000},
            "1": {"state": "writing", "partition": 1, "rows": 500_000},
        },
    }


async def test_health_after_the_settable_time() -> None:
    """The same silence is a stall for one who expects more."""
    async with client_of(a_run().after(2).telemetry, stall_s=2.0) as session:
        status, body = await asked(session, "/health")

    assert (status, body["status"]) == (503, "stalled")


async def test_ready() -> None:
    """503 with the reason until workers were sent, then 200."""
    run = a_run("planning", workers=0)
    async with client_of(run.telemetry) as session:
        before = await asked(session, "/ready")
        run.telemetry.enter("running")
        after = await asked(session, "/ready")

    assert before == (503, {"ready": False, "reason": "the run is planning", "state": "planning"})
    assert after == (200, {"ready": True, "reason": "", "state": "running"})


async def test_status() -> None:
    """The documented status, and the counters."""
    run = a_busy_run().after(1)
    async with client_of(run.telemetry) as session:
        status, body = await asked(session, "/status")

    assert status == 200
    assert body["counters"] == run.telemetry.counters.values
    assert body["database_restarts"] == 1
    assert body["seconds_since_progress"] == 1.0
    assert set(run.telemetry.status().as_json()) < set(body)
    assert (body["variant"], body["rows_stored"], body["rows_refused"]) == ("running", 999_998, 2)


async def test_metrics() -> None:
    """Text that Prometheus reads, under its content type."""
    async with client_of(a_busy_run().telemetry) as session, session.get("/metrics") as response:
        text = await response.text()

    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "penstock_requests" in {metric.name for metric in text_string_to_metric_families(text)}


@pytest.mark.parametrize("path", ["/", "/health/", "/healthz", "/status/../x"])
async def test_unknown_pages(path: str) -> None:
    """Who asks for something else is told what there is."""
    async with client_of(a_run().telemetry) as session:
        status, body = await asked(session, path)

    assert (status, body) == (404, {"error": "Not Found", "pages": PAGES})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_can_be_changed(method: str) -> None:
    """The pages are for reading."""
    async with client_of(a_run().telemetry) as session:
        for path in PAGES:
            async with session.request(method, path) as response:
                assert (response.status, (await response.json())["error"]) == (405, "Method Not Allowed")
                assert "GET" in response.headers["Allow"]


async def test_head() -> None:
    """A probe that wants the status alone gets it, as HTTP has it for every page that can be read."""
    async with client_of(a_run("failed").telemetry) as session, session.head("/health") as response:
        body = await response.read()

    assert (response.status, body) == (503, b"")


async def test_no_password_on_any_page() -> None:
    """An error that quotes an address does not publish its password."""
    run = a_run("failed", "lost postgresql://penstock:s3cret@127.0.0.1/db")
    async with client_of(run.telemetry) as session:
        texts = [await (await session.get(path)).text() for path in PAGES]

    assert "postgresql://***@127.0.0.1/db" in texts[0]
    assert not [text for text in texts if "s3cret" in text]


async def test_a_free_port() -> None:
    """The port that was asked for is used when it can be had."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]

    async with serving(a_run().telemetry, port=free) as url:
        assert port_of(url) == free


async def test_a_taken_port() -> None:
    """The next free port is used, and named."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        async with serving(a_run().telemetry, port=taken) as url, aiohttp.ClientSession() as session:
            assert isinstance(url, str)
            async with session.get(f"{url}/ready") as response:
                assert response.status == 200

    assert taken < port_of(url) < taken + 100


async def test_two_runs_at_once() -> None:
    """Each has its own address."""
    async with serving(a_run().telemetry) as first, serving(a_run().telemetry) as second:
        assert first != second


async def test_no_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run goes on without its pages, and is told why."""
    monkeypatch.setattr(server, "PORTS_TRIED", 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        async with serving(a_run().telemetry, port=other.getsockname()[1]) as answer:
            pass

    assert isinstance(answer, NotServed)
    assert "Address already in use" in str(answer)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
async def test_loopback_only(host: str) -> None:
    """Pages without credentials are not shown to a network."""
    with pytest.raises(Misconfigured, match="loopback only"):
        async with serving(a_run().telemetry, host=host):
            pass


@pytest.mark.parametrize(("host", "start"), [("localhost", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
async def test_hosts(host: str, start: str) -> None:
    """Every loopback address will do."""
    async with serving(a_run().telemetry, port=0, host=host) as url:
        assert isinstance(url, str)
        assert url.startswith(start)


async def test_leaving_with_clients_connected() -> None:
    """A kept connection, one that never asked and one that asked in vain all end with the block, and the port is free again."""
    async with asyncio.timeout(10):
        async with serving(a_run().telemetry, port=0) as url:
            port = port_of(url)
            kept, silent, halfway = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            kept[1].write(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
            await kept[0].readuntil(b"\r\n\r\n")
            halfway[1].write(b"GET /ready HTTP/1.1\r\nHo")
        for reader, writer in (kept, silent, halfway):
            await ended(reader)
            writer.close()

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


async def test_leaving_with_a_client_that_does_not_read() -> None:
    """Answers that nobody takes do not hold up the end of a run, and their connection ends."""
    run, answered = a_run(), -1
    async with asyncio.timeout(10):
        async with serving(run.telemetry, port=0) as url:
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(url), limit=1)
            while run.clock.asked > answered:
                answered = run.clock.asked
                for _ in range(100):
                    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
                    await asyncio.sleep(0)

        with pytest.raises(ConnectionError):
            await insist(writer)
        writer.close()


async def test_signals_stay_the_callers() -> None:
    """Serving replaces no handler."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async with serving(a_run().telemetry, port=0):
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    assert during == before


async def test_an_error_in_the_block_is_the_callers() -> None:
    """Serving swallows nothing."""
    with pytest.raises(ZeroDivisionError):
        async with serving(a_run().telemetry, port=0):
            raise ZeroDivisionError
