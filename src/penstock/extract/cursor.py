"""Cursors of the DataSync API: base64url of compact JSON `{id, ts, v, exp}`, read and made.

The server takes the place from `(ts, id)` and the expiry from the cursor itself, so a cursor for any place can be made by the client.
Format: docs/formats/datasync.md.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

import msgspec

from penstock.model.errors import PenstockError

VERSION: Final = 2
NO_ID = "00000000-0000-0000-0000-000000000000"
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
LIFETIME_MS = 24 * 3_600_000
"""How far ahead the expiry of a cursor is set that we make."""


class UnreadableCursor(PenstockError):
    """The API gave a cursor of an unknown form."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place after the event `id` at `ts` (Unix milliseconds), good until `exp` (Unix milliseconds)."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[^\x00]+$")]
    ts: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
    v: Literal[2] = VERSION
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
        UnreadableCursor: for anything else, such as another version.
    """
    try:
        padded = text.translate(_URLSAFE) + "=" * (-len(text) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=Cursor)
    except (binascii.Error, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise UnreadableCursor(f"{text[:80]!r}: {error}") from None


_URLSAFE = str.maketrans("+/", "-_")
