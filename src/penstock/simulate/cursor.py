"""The API's cursor: unsigned base64url JSON that names the last row a client has seen."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from uuid import UUID

from penstock.simulate.keys import Key

VERSION = 2


class BadCursor(ValueError):
    """The cursor is not one of this API's."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Go on strictly behind `key`; valid until `exp` (epoch ms), which nobody but the cursor itself remembers."""

    key: Key
    exp: int

    def encode(self) -> str:
        """As it goes over the wire, without padding."""
        fields = {"id": str(UUID(bytes=self.key.id)), "ts": self.key.ts, "v": VERSION, "exp": self.exp}
        return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(text: str) -> Cursor:
    """Read a cursor, padded or not.

    Raises:
        BadCursor: for anything else.
    """
    try:
        fields = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        version, ts, exp = fields["v"], fields["ts"], fields["exp"]
        key = Key(ts, UUID(fields["id"]).bytes)
    except (binascii.Error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadCursor(text) from error
    if version != VERSION or type(ts) is not int or type(exp) is not int:
        raise BadCursor(text)
    return Cursor(key, exp)
