"""Requests and answers of the simulated API, and how an answer reaches the wire or fails to."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import parse_qs

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Receive, Scope, Send

    from penstock.simulate.keys import Span

Ending = Literal["whole", "reset", "cut"]
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What the API reads of a request; header names are lower case, of repeated names the last one counts."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = b""

    @classmethod
    async def of(cls, scope: Scope, receive: Receive) -> Self:
        """The request of an ASGI scope.

        Raises:
            Unfinished: its client has gone before the body was complete.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).items()}
        body = b"" if scope["method"] == "GET" else await _whole(receive)
        return cls(scope["method"], scope["path"], headers, query, body)

    @property
    def takes_gzip(self) -> bool:
        """Whether the client inflates."""
        return "gzip" in self.headers.get("accept-encoding", "")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `ending` says whether it arrives: `reset` not at all, `cut` half of it. `served` are the rows of a faultless page."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = "whole"
    served: Span | None = None


class Unfinished(Exception):
    """The client has gone in the middle of its request."""


class ApiError(Exception):
    """The API answers with an error: `{"error", "message", "code"}`."""

    def __init__(self, status: int, error: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.fields = {"error": error, "message": message, "code": code}

    def answer(self) -> Answer:
        """As it goes over the wire."""
        return json_answer(self.status, self.fields)


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Unfinished
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def compact(fields: object) -> bytes:
    """JSON without blanks."""
    return json.dumps(fields, separators=(",", ":")).encode()


def json_answer(status: int, fields: object, headers: Mapping[str, str] | None = None) -> Answer:
    """A small JSON answer."""
    return Answer(status, compact(fields), {"Content-Type": JSON, **(headers or {})})


async def deliver(answer: Answer, scope: Scope, receive: Receive, send: Send) -> bool:
    """Send `answer`, or fail as its `ending` says; False where the client cannot have got all of it."""
    transport: asyncio.Transport = scope["state"]["transport"]
    if answer.ending == "reset":
        _reset(transport)
        return await _gone(receive)
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})
    if answer.ending == "cut":
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        transport.abort()
        return await _gone(receive)
    arrives = not transport.is_closing()
    await send({"type": "http.response.body", "body": answer.body})
    return arrives


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST instead of FIN: a lingering time of zero."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _gone(receive: Receive) -> Literal[False]:
    """Wait until the server has noticed that the connection is closed: until then it would still try to answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
    return False
