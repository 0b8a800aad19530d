"""Cursors of the DataSync API: base64url of compact JSON `{id, ts, v, exp}`, read and made.

The server takes the place from `(ts, id)` and the expiry from the cursor itself, so a cursor for any place can be made by the client.
Format: docs/formats/datasync.md.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace

import msgspec

from penstock.model.errors import PenstockError

VERSION = 2
NO_ID = "00000000-0000-0000-0000-000000000000"
LIFETIME_MS = 24 * 3_600_000
"""How far ahead the expiry of a cursor is set that we make."""


class UnreadableCursor(PenstockError):
    """The API gave a cursor of an unknown form."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place after the event `id` at `ts` (Unix milliseconds), good until `exp` (Unix milliseconds)."""

    id: str
    ts: int
    v: int = VERSION
    exp: int = 0

    @classmethod
    def above(cls, ts: int) -> Cursor:
        """A place before every event at `ts` or older, whatever the server's order inside one millisecond.

        It may stand before some events of the millisecond `ts + 1` too; whoever reads from it leaves those out.
        """
        return cls(NO_ID, ts + 1)

    def until(self, exp: int) -> Cursor:
        """The same place with another expiry."""
        return replace(self, exp=exp)

    def encoded(self) -> str:
        """The form that goes into the URL, without padding."""
        compact = msgspec.json.encode({"id": self.id, "ts": self.ts, "v": self.v, "exp": self.exp})
        return base64.urlsafe_b64encode(compact).rstrip(b"=").decode()


def decoded(text: str) -> Cursor:
    """Read a cursor; padding and the other base64 alphabet are taken too.

    Raises:
        UnreadableCursor: for anything else.
    """
    try:
        padded = text.translate(_URLSAFE) + "=" * (-len(text) % 4)
        return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise UnreadableCursor(f"{text[:80]!r}: {error}") from None


_URLSAFE = str.maketrans("+/", "-_")
