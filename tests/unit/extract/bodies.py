"""Answer bodies, put together by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence

from penstock.extract.cursor import Cursor

A_UUID = "e644c9ad-c752-4ea8-a359-308cdf69a6fc"
A_TIME = 1_769_541_248_380


def event(identity: object = A_UUID, stamp: object = A_TIME, **members: object) -> bytes:
    """An event as the API writes it."""
    return json.dumps({"id": identity, "timestamp": stamp, **members}, separators=(",", ":"), allow_nan=True).encode()


def raw_event(members: bytes, identity: str = A_UUID, stamp: bytes = b"%d" % A_TIME) -> bytes:
    """An event with members that are not necessarily JSON."""
    return b'{"id":"%s","timestamp":%s,%s}' % (identity.encode(), stamp, members)


def nested(events: Sequence[bytes], cursor: Cursor | str | None = None, *, has_more: object = False, total: object = None) -> bytes:
    """A body whose paging stands under `pagination` and `meta`."""
    paging = {"limit": 5_000, "hasMore": has_more, "nextCursor": _text(cursor), "cursorExpiresIn": 116}
    rest = {"pagination": paging, "meta": {"total": total, "returned": len(events), "requestId": A_UUID}}
    return joined(events, json.dumps(rest, separators=(",", ":")).encode())


def flat(events: Sequence[bytes], cursor: Cursor | str | None = None, *, has_more: object = False, total: object = None) -> bytes:
    """A body whose paging stands beside the events."""
    rest = {"hasMore": has_more, "nextCursor": _text(cursor), "total": total}
    return joined(events, json.dumps(rest, separators=(",", ":")).encode())


def joined(events: Sequence[bytes], rest: bytes = b'{"hasMore":false}') -> bytes:
    """A body of events, and any other members."""
    return b'{"data":[' + b",".join(events) + b"]," + rest[1:]


def _text(cursor: Cursor | str | None) -> str | None:
    return cursor.encoded() if isinstance(cursor, Cursor) else cursor
