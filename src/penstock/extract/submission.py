"""Submission: the ids in the table, one a line, sent to the API once. It counts attempts, failed ones too, and a key has few.

An attempt is remembered before its first byte is sent. It is repeated only where the API cannot have received it whole: when no status came
back, and the connection failed before the last ids were handed over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from penstock.extract.address import Address
from penstock.stores.http.body import UnusableBody, inflated
from penstock.stores.http.client import Answer, Client, Failed, Request, Upload
from penstock.stores.http.lane import Lane
from penstock.stores.postgres.census import SCAN_TIMEOUT_S
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.names import quoted
from penstock.stores.postgres.submissions import Attempts

if TYPE_CHECKING:
    from penstock.extract.proof import Proof
    from penstock.stores.postgres.connections import Connection

PATH = "/api/v1/submissions"
TRIES = 3
"""How often an attempt that did not get through is made before it is left to the next run."""
AT_ONCE = 10_000
"""Ids read and sent together: 370 kB."""
ID_BYTES = 36

State = Literal["received", "refused", "unanswered", "not sent", "held back"]


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of it: `received`, `refused` with a status, `unanswered` (it may have been received), `not sent`, or `held back`.

    `attempts_left` is what the API said, None where it did not.
    """

    state: State
    ids: int
    repository: str
    message: str
    attempts_left: int | None = None

    @property
    def failed(self) -> bool:
        """Whether it was tried and is not known to have been received."""
        return self.state in {"refused", "unanswered", "not sent"}

    def as_json(self) -> dict[str, object]:
        """As it is printed with --json and kept with the run."""
        return asdict(self)


class _Receipt(msgspec.Struct, rename="camel"):
    event_count: int | None = None
    remaining_submissions: int | None = None


class _Reply(msgspec.Struct):
    success: bool = False
    data: _Receipt = msgspec.field(default_factory=_Receipt)
    message: str = ""


@dataclass(frozen=True, slots=True)
class Submitter:
    """Submits the column `key` of a table; `alive` is called while it is being sent. `again`: also where something was submitted before."""

    address: Address
    client: Client
    connections: Connections
    attempts: Attempts
    table: str
    key: str
    repository: str
    again: bool = False
    alive: Callable[[], None] = lambda: None
    lane: Lane = field(default_factory=Lane)

    async def submit(self, pipeline: str, proof: Proof) -> Submission:
        """Send the ids, if the proof holds, nothing was rejected, and nothing was submitted before."""
        if reason := await self._against(proof):
            return Submission("held back", 0, self.repository, reason)
        async with self._snapshot() as connection:
            ids = int(await connection.fetchval(f"select count(*) from {quoted(self.table)}", timeout=SCAN_TIMEOUT_S))
            if not ids or ids != proof.sums.stored:
                return Submission("held back", ids, self.repository, f"the table holds {ids:,} rows, {proof.sums.stored:,} are proven")
            number = await self.attempts.begin(pipeline, self.repository, ids)
            found, status = await self._sent(connection, ids)
        if found.state == "not sent":
            await self.attempts.forget(number)
        else:
            await self.attempts.end(number, found.state, status, found.message)
        return found

    async def _against(self, proof: Proof) -> str:
        """Why nothing is submitted; empty where nothing speaks against it."""
        if not proof.complete:
            return "the proof does not hold"
        if proof.sums.refused:
            return f"{proof.sums.refused:,} events were rejected"
        before = None if self.again else await self.attempts.latest()
        if before is None:
            return ""
        became = {"received": "were submitted", "refused": "were turned away"}.get(before.state, "may have been received")
        return f"{before.ids:,} ids {became} on {before.begun_at:%Y-%m-%d %H:%M:%S} UTC; --submit-again makes another attempt"

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        """One view of the table for the count and every try."""
        async with self.connections.take() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection

    async def _sent(self, connection: Connection, ids: int) -> tuple[Submission, int | None]:
        """Make the attempt, and say with which status it was answered."""
        reason = ""
        for _ in range(TRIES):
            upload = Upload(lambda: self._lines(connection), ids * (ID_BYTES + 1) - 1, "text/plain")
            url = self.address.at(PATH)
            try:
                answer = await self.client.once(self.lane, Request(url, {"github_repo": self.repository}, method="POST", upload=upload))
            except Failed as error:
                reason = str(error)
                if upload.handed_over:
                    message = f"all ids were sent, and no answer came ({reason}): look at GET {PATH} before another attempt"
                    return Submission("unanswered", ids, self.repository, message), None
            else:
                return self._judged(answer, ids), answer.status
        message = f"the API could not be reached ({reason}); run the same command again"
        return Submission("not sent", ids, self.repository, message), None

    def _judged(self, answer: Answer, ids: int) -> Submission:
        """What the answer says."""
        try:
            reply = msgspec.json.decode(inflated(answer.body), type=_Reply)
        except (msgspec.MsgspecError, UnicodeDecodeError, UnusableBody):
            reply = _Reply()
        left = reply.data.remaining_submissions
        if answer.status >= 300 or not reply.success:
            return Submission("refused", ids, self.repository, f"HTTP {answer.status} {self.client.said(answer)}".rstrip(), left)
        if reply.data.event_count not in {None, ids}:
            message = f"{ids:,} ids were sent, the API counted {reply.data.event_count:,}"
            return Submission("refused", ids, self.repository, message, left)
        return Submission("received", ids, self.repository, reply.message, left)

    async def _lines(self, connection: Connection) -> AsyncIterator[bytes]:
        """The ids as text, one a line, without a line break at the end."""
        cursor = await connection.cursor(f"select {quoted(self.key)}::text as id from {quoted(self.table)}")
        break_before = b""
        while rows := await cursor.fetch(AT_ONCE):
            yield break_before + "\n".join([row["id"] for row in rows]).encode()
            break_before = b"\n"
            self.alive()
