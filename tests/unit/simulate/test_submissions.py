"""Submissions over HTTP: two forms, few attempts, and nothing of a request that was not finished."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from penstock.simulate.settings import DataSyncSettings
from penstock.simulate.submissions import PATH

from .client import Client, Reply, Stopped, talking_to

SETTINGS = DataSyncSettings(events=10)
REPOSITORY = "https://example.org/team/repository"
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}


async def submit(client: Client, body: bytes = b"a\nb\n\nc") -> Reply:
    """One attempt in the form of text."""
    return await client.ask("POST", PATH, body=body, headers=TEXT, query={"github_repo": REPOSITORY})


async def test_text() -> None:
    """One id a line is counted and kept; the answer says how long it took since the key was first used, and what is left."""
    time = Stopped()
    async with talking_to(SETTINGS, time.clock) as client:
        await client.get()
        time.now_s += 1235
        reply = await submit(client)
        listed = await client.get(PATH)
        kept = client.server.api.submissions.kept

    data = reply.json["data"]
    assert [one.lines for one in kept] == [(b"a", b"b", b"c")]
    assert (data["eventCount"], data["githubRepoUrl"], data["submissionNumber"], data["remainingSubmissions"]) == (3, REPOSITORY, 1, 4)
    assert data["timeToSubmit"] == {"ms": 1235000, "seconds": 1235, "minutes": 20.6, "formatted": "20m 35s"}
    assert reply.json["message"] == "Submission #1 received with 3 event IDs. 4 submissions remaining."
    assert listed.json["meta"] == {"remainingSubmissions": 4}


async def test_json() -> None:
    """The ids may come in one text within JSON."""
    async with talking_to(SETTINGS) as client:
        body = json.dumps({"ids": "a\nb", "githubRepoUrl": REPOSITORY}).encode()
        reply = await client.ask("POST", PATH, body=body, headers=JSON)

    assert (reply.status, reply.json["data"]["eventCount"]) == (200, 2)


@pytest.mark.parametrize(
    ("body", "headers", "query", "status"),
    [
        (b"a", TEXT, {}, 400),
        (b"\n", TEXT, {"github_repo": REPOSITORY}, 400),
        (b"{}", JSON, {}, 400),
        (b"a", {"Content-Type": "text/csv"}, {"github_repo": REPOSITORY}, 415),
    ],
)
async def test_failed_attempts(body: bytes, headers: dict[str, str], query: dict[str, str], status: int) -> None:
    """What cannot be taken is an attempt all the same."""
    async with talking_to(SETTINGS) as client:
        reply = await client.ask("POST", PATH, body=body, headers=headers, query=query)
        left = (await client.get(PATH)).json["meta"]["remainingSubmissions"]

    assert (reply.status, left) == (status, 4)


async def test_few_attempts() -> None:
    """After the last attempt nothing more is taken; the first ones can be made to fail."""
    async with talking_to(replace(SETTINGS, submissions=2, submissions_failing=1)) as client:
        statuses = [(await submit(client)).status for _ in range(3)]

    assert statuses == [500, 200, 403]


async def test_unfinished() -> None:
    """A request that breaks off in the middle is no attempt."""
    async with talking_to(SETTINGS) as client:
        host = urlsplit(client.server.url)
        _, writer = await asyncio.open_connection(host.hostname, host.port)
        head = f"POST {PATH}?github_repo={REPOSITORY} HTTP/1.1\r\nHost: x\r\nX-API-Key: {client.server.api_key}\r\n"
        writer.write(f"{head}Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nabc".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        left = (await client.get(PATH)).json["meta"]["remainingSubmissions"]

    assert left == 5
