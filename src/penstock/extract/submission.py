"""Submission: the ids in the table, one a line, sent to the API once. It counts attempts, failed ones too, and a key has few.

An attempt is remembered before its first byte is sent. It is repeated only where the API cannot have received it whole: when no status came
back, and the connection failed before the last ids were handed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import msgspec

from penstock.engine.concurrency import first_cause
from penstock.extract.address import Address
from penstock.model.errors import PenstockError
from penstock.stores.http.body import UnusableBody, inflated
from penstock.stores.http.client import Answer, Client, Failed, Request, Upload
from penstock.stores.http.lane import Lane
from penstock.stores.postgres.census import SCAN_TIMEOUT_S
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.errors import translated
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

    `attempts_left` is what the API said, None where it did not; `received_before` says whether one was held back because an earlier one
    was received.
    """

    state: State
    ids: int
    repository: str
    message: str
    attempts_left: int | None = None
    received_before: bool = False

    @property
    def failed(self) -> bool:
        """Whether the ids are not known to have been received, by this attempt or an earlier one."""
        return self.state != "received" and not self.received_before

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
        if (held := await self._against(proof)) is not None:
            return held
        found = await self._remembered(pipeline, proof.sums.stored)
        for _ in range(1, TRIES):
            if found.state == "not sent":
                found = await self._remembered(pipeline, proof.sums.stored)
        return found

    async def _against(self, proof: Proof) -> Submission | None:
        """What is held back, and why; None where nothing speaks against it."""
        if not proof.complete:
            return self._held_back("the proof does not hold")
        if proof.sums.refused:
            return self._held_back(f"{proof.sums.refused:,} events were rejected")
        before = None if self.again else await self.attempts.latest()
        if before is None:
            return None
        became = {"received": "were submitted", "refused": "were turned away"}.get(before.state, "may have been received")
        reason = f"{before.ids:,} ids {became} on {before.begun_at:%Y-%m-%d %H:%M:%S} UTC; --submit-again makes another attempt"
        return replace(self._held_back(reason), received_before=before.state == "received")

    def _held_back(self, reason: str, ids: int = 0) -> Submission:
        return Submission("held back", ids, self.repository, reason)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        """One view of the table for the count and the ids."""
        async with self.connections.take() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection

    async def _remembered(self, pipeline: str, proven: int) -> Submission:
        """Make an attempt, and remember it unless the API cannot have received it whole."""
        async with self._snapshot() as connection:
            ids = int(await connection.fetchval(f"select count(*) from {quoted(self.table)}", timeout=SCAN_TIMEOUT_S))
            if not ids or ids != proven:
                return self._held_back(f"the table holds {ids:,} rows, {proven:,} are proven", ids)
            number = await self.attempts.begin(pipeline, self.repository, ids)
            lines: asyncio.Queue[bytes] = asyncio.Queue(1)
            upload = Upload(lambda: _parts(lines), ids * (ID_BYTES + 1) - 1, "text/plain")
            try:
                found = await self._sent(connection, lines, upload, ids)
            except PenstockError:
                if not upload.handed_over and upload.status is None:
                    await self.attempts.forget(number)
                raise
            if found.state == "not sent":
                await self.attempts.forget(number)
            else:
                await self.attempts.end(number, found.state, upload.status, found.message)
        return found

    async def _sent(self, connection: Connection, lines: asyncio.Queue[bytes], upload: Upload, ids: int) -> Submission:
        """Read and send side by side: who sends may be given up at any moment, the connection that is read from may not."""
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(connection, lines))
                found = await self._answered(upload, ids)
                reading.cancel()
        except BaseExceptionGroup as failures:
            raise first_cause(failures) from None
        return found

    async def _read(self, connection: Connection, lines: asyncio.Queue[bytes]) -> None:
        """The ids as text, one a line, without a line break at the end; at last nothing."""
        break_before = b""
        with translated():
            cursor = await connection.cursor(f"select {quoted(self.key)}::text as id from {quoted(self.table)}")
            while rows := await cursor.fetch(AT_ONCE):
                await lines.put(break_before + "\n".join([row["id"] for row in rows]).encode())
                break_before = b"\n"
                self.alive()
        await lines.put(b"")

    async def _answered(self, upload: Upload, ids: int) -> Submission:
        """What became of an attempt."""
        request = Request(self.address.at(PATH), {"github_repo": self.repository}, method="POST", upload=upload)
        try:
            return self._judged(await self.client.once(self.lane, request), ids)
        except (Failed, UnusableBody) as error:
            reason = str(error)
        if upload.status is not None:
            state: State = "refused" if upload.status >= 300 else "unanswered"
            return Submission(state, ids, self.repository, f"HTTP {upload.status}, and the answer broke off ({reason})")
        if upload.handed_over:
            message = f"all ids were sent, and no answer came ({reason}): look at GET {PATH} before another attempt"
            return Submission("unanswered", ids, self.repository, message)
        return Submission("not sent", ids, self.repository, f"the API could not be reached ({reason}); run the same command again")

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


async def _parts(lines: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while part := await lines.get():
        yield part
