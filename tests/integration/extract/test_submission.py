"""Submitting what was extracted: exactly the ids in the table, once, and only what is proven."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from penstock.engine.lease import this_process
from penstock.extract.address import Address
from penstock.extract.api import EventsApi
from penstock.extract.job import Extraction, extract
from penstock.extract.settings import ExtractSettings
from penstock.extract.submission import TRIES, Submission, Submitter
from penstock.model.metrics import Counters
from penstock.simulate.datasync import Server, running
from penstock.simulate.settings import DataSyncSettings
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.submissions import Attempts

from .bench import Bench

API = DataSyncSettings(events=1_500, seed=13, days=3.0)
REPOSITORY = "https://example.org/team/repository"
SETTINGS = ExtractSettings(partition_count=4, batch_size=500, auto_submit=True, repository_url=REPOSITORY)


def submission_of(extraction: Extraction) -> Submission:
    """What became of it."""
    assert extraction.submission is not None
    return extraction.submission


async def test_exactly_the_ids_of_the_table(bench: Bench) -> None:
    """Every id of the table goes over, one a line, once; the answer is told and kept with the run."""
    async with running(API) as server:
        extraction = await bench.run(server, SETTINGS)
        (kept,) = server.api.submissions.kept

    found = submission_of(extraction)
    assert Counter(kept.lines) == Counter(str(one).encode() for one in await bench.ids())
    assert (kept.repository, len(kept.lines)) == (REPOSITORY, API.events)
    assert (found.state, found.ids, found.attempts_left) == ("received", API.events, 4)
    assert extraction.outcome.state == "completed"
    assert extraction.outcome.summary["submission"] == found.as_json()
    assert (await bench.fetch("select state, status from penstock.submissions"))[0]["status"] == 200


async def test_not_twice(bench: Bench) -> None:
    """A second run does not submit again, and says so; told to, it does. Another table of the same source is no way around it."""
    async with running(API) as server:
        await bench.run(server, SETTINGS)
        again = await bench.run(server, SETTINGS)
        elsewhere = await bench.run(server, replace(SETTINGS, table="another"))
        submitted = len(server.api.submissions.kept)
        told_to = await bench.run(server, replace(SETTINGS, submit_again=True))

    assert (submission_of(again).state, submission_of(elsewhere).state, submitted) == ("held back", "held back", 1)
    assert "--submit-again" in submission_of(again).message
    assert again.outcome.state == "completed"
    assert (submission_of(told_to).state, submission_of(told_to).attempts_left) == ("received", 3)


async def test_nothing_rejected(bench: Bench) -> None:
    """Where events were rejected nothing is submitted."""
    async with running(replace(API, undecodable=0.005)) as server:
        extraction = await bench.run(server, SETTINGS)

    assert extraction.outcome.state == "completed with rejected rows"
    assert submission_of(extraction).state == "held back"
    assert "rejected" in submission_of(extraction).message
    assert server.api.submissions.attempts == 0


async def test_nothing_unproven(bench: Bench) -> None:
    """Where the proof does not hold nothing is submitted."""
    async with running(API) as server:
        await bench.run(server, replace(SETTINGS, auto_submit=False))
        await bench.execute("delete from ingested_events where id = (select id from ingested_events limit 1)")
        extraction = await bench.run(server, SETTINGS)

    assert (extraction.outcome.state, submission_of(extraction).state) == ("failed", "held back")
    assert server.api.submissions.attempts == 0


@pytest.mark.parametrize("api", [replace(API, submissions_failing=9), replace(API, submissions=0)], ids=["500", "403"])
async def test_a_status_is_final(bench: Bench, api: DataSyncSettings) -> None:
    """Whatever status comes back, the attempt is not repeated, neither now nor by the next run."""
    async with running(api) as server:
        extraction = await bench.run(server, SETTINGS)
        again = await bench.run(server, SETTINGS)
        attempts = server.audit.paths["/api/v1/submissions"]

    assert (extraction.outcome.state, submission_of(extraction).state) == ("failed", "refused")
    assert "HTTP" in submission_of(extraction).message
    assert (submission_of(again).state, attempts) == ("held back", 1)
    assert "turned away" in submission_of(again).message
    assert again.outcome.state == "failed"


@asynccontextmanager
async def cutting(server: Server, cut: Callable[[bytes, int], bool]) -> AsyncIterator[tuple[str, list[int]]]:
    """A way to the API that cuts connections with submissions as soon as `cut` says so, of what came and of which number it is."""
    numbers: list[int] = []
    host = urlsplit(server.url)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host.hostname, host.port)
        back = asyncio.create_task(_copy(there_reader, writer))
        seen = b""
        while chunk := await reader.read(65_536):
            seen += chunk
            at = seen.rfind(b"POST /api/v1/submissions")
            if at >= 0:
                numbers.append(at) if at not in numbers else None
                if cut(seen[at:], len(numbers)):
                    break
            there_writer.write(chunk)
        back.cancel()
        for one in (writer, there_writer):
            one.close()

    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            writer.write(chunk)

    proxy = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with proxy:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", numbers


async def _through(bench: Bench, server: Server, url: str) -> Extraction:
    return await extract(SETTINGS, Address(url, server.api_key), bench.dial, bench.telemetry, asyncio.Event())


async def test_a_connection_that_breaks_in_the_middle(bench: Bench) -> None:
    """An attempt that cannot have been received whole is made again, and counts once."""
    cuts = iter([True])

    def once(seen: bytes, _number: int) -> bool:
        return 10_000 < len(seen) < 40_000 and next(cuts, False)

    async with running(API) as server, cutting(server, once) as (url, _):
        extraction = await _through(bench, server, url)
        (kept,) = server.api.submissions.kept

    assert submission_of(extraction).state == "received"
    assert (server.api.submissions.attempts, len(kept.lines)) == (1, API.events)


async def test_an_answer_that_never_comes(bench: Bench) -> None:
    """Where all was handed over and no answer came it may have been received: it is not repeated, and the next run does not either."""

    def at_the_end(seen: bytes, _number: int) -> bool:
        return len(seen) > API.events * 37

    async with running(API) as server, cutting(server, at_the_end) as (url, _):
        extraction = await _through(bench, server, url)
        again = await bench.run(server, SETTINGS)

    assert (extraction.outcome.state, submission_of(extraction).state) == ("failed", "unanswered")
    assert submission_of(again).state == "held back"
    assert "may have been received" in submission_of(again).message
    assert server.api.submissions.attempts == 0


@asynccontextmanager
async def answering(server: Server, answer: bytes, *, posts: list[int]) -> AsyncIterator[str]:
    """A way to the API that reads little of a submission, writes `answer`, waits a moment and hangs up."""
    host = urlsplit(server.url)

    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
        writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as group:
            there_reader, there_writer = await asyncio.open_connection(host.hostname, host.port)
            back = group.create_task(_copy(there_reader, writer))
            while (head := await reader.read(500)) and b"POST /api/v1/submissions" not in head:
                there_writer.write(head)
            back.cancel()
            there_writer.close()
        if head:
            posts.append(len(head))
            writer.write(answer)
            await writer.drain()
        writer.close()

    small = socket.create_server(("127.0.0.1", 0))
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    proxy = await asyncio.start_server(pass_on, sock=small, limit=1_000)
    async with proxy:
        yield f"http://127.0.0.1:{small.getsockname()[1]}"


MANY = replace(API, events=100_000)
"""So many that their ids do not fit into the buffers between two processes."""


async def test_an_answer_that_breaks_off(bench: Bench) -> None:
    """A status is final also where the rest of its answer never comes, and not all was sent by then."""
    posts = list[int]()
    async with running(MANY) as server:
        settings = replace(SETTINGS, batch_size=5_000)
        await bench.run(server, replace(settings, auto_submit=False))
        answer = b'HTTP/1.1 403 Forbidden\r\nContent-Length: 500\r\n\r\n{"error": '
        async with answering(server, answer, posts=posts) as url:
            address = Address(url, server.api_key)
            extraction = await extract(settings, address, bench.dial, bench.telemetry, asyncio.Event())

    assert (extraction.outcome.state, submission_of(extraction).state, len(posts)) == ("failed", "refused", 1)
    assert (await bench.fetch("select state, status from penstock.submissions"))[0]["status"] == 403


async def test_connections_that_always_break(bench: Bench) -> None:
    """Each try reads the ids anew, also where the one before was given up while they were read; the error is the API's."""
    posts = list[int]()
    async with running(MANY) as server:
        settings = replace(SETTINGS, batch_size=5_000)
        await bench.run(server, replace(settings, auto_submit=False))
        async with answering(server, b"", posts=posts) as url:
            address = Address(url, server.api_key)
            extraction = await extract(settings, address, bench.dial, bench.telemetry, asyncio.Event())

    assert (submission_of(extraction).state, len(posts)) == ("not sent", TRIES)
    assert "transaction" not in submission_of(extraction).message
    assert not await bench.fetch("select from penstock.submissions")


async def test_a_database_that_breaks_in_the_middle(bench: Bench) -> None:
    """Where the database goes while its ids are sent, the attempt is taken back, and made once the database is there again."""
    broken = iter([True])

    async with running(MANY) as server, AsyncExitStack() as ways:

        def cut(seen: bytes, _number: int) -> bool:
            if len(seen) > 200_000 and next(broken, False):
                breaking.append(asyncio.create_task(bench.execute(CUT_READERS)))
            return False

        breaking = list[asyncio.Task[None]]()
        url, _ = await ways.enter_async_context(cutting(server, cut))
        settings = replace(SETTINGS, batch_size=5_000)
        await bench.run(server, replace(settings, auto_submit=False))
        extraction = await extract(settings, Address(url, server.api_key), bench.dial, bench.telemetry, asyncio.Event())
        await asyncio.gather(*breaking)

    assert len(breaking) == 1
    assert submission_of(extraction).state == "received"
    assert server.api.submissions.attempts == 1


CUT_READERS = (
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'select \"id\"::text%'"
)


async def test_killed_in_the_middle(bench: Bench) -> None:
    """A run that is stopped while it submits leaves an attempt behind of which nothing is known: no other is made by itself."""
    stop = asyncio.Event()

    def stopping(seen: bytes, _number: int) -> bool:
        if len(seen) > 10_000:
            stop.set()
        return len(seen) > 10_000

    async with running(API) as server, cutting(server, stopping) as (url, _):
        cancelled = await extract(SETTINGS, Address(url, server.api_key), bench.dial, bench.telemetry, stop)
        again = await bench.run(server, SETTINGS)

    assert cancelled.outcome.state == "cancelled"
    assert submission_of(again).state == "held back"
    assert server.api.submissions.attempts == 0


async def test_never_reached(bench: Bench) -> None:
    """An attempt that got nowhere is forgotten: the next run makes one."""
    address, connections = Address("http://127.0.0.1:1", "key"), Connections(bench.dial, this_process())
    async with running(API) as server, EventsApi.connected(address, Counters.zero(), 1) as nowhere:
        proof = (await bench.run(server, replace(SETTINGS, auto_submit=False))).proof
        assert proof is not None
        attempts = Attempts(connections, proof.source)
        found = await Submitter(address, nowhere.client, connections, attempts, "ingested_events", "id", REPOSITORY).submit("it", proof)
        connections.close()
        again = await bench.run(server, SETTINGS)

    assert (found.state, found.failed) == ("not sent", True)
    assert nowhere.counters["requests_total"] == TRIES
    assert submission_of(again).state == "received"


async def test_memory_stays_flat(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids are streamed: memory does not grow with their number."""
    async with running(replace(API, events=60_000)) as server:
        await bench.run(server, replace(SETTINGS, auto_submit=False, batch_size=5_000))
        monkeypatch.setattr(server.api.submissions, "submit", lambda _: server.api.submissions.all())  # keeps nothing
        tracemalloc.start()
        await bench.run(server, SETTINGS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 60_000 * 37 * 6
