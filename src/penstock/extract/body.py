"""Answer bodies taken apart into events as they were received and the paging around them.

The usual body goes through msgspec in one go. One that does not decode as a whole is walked through element by element with the standard
library's lenient reader, so that one bad event does not cost its whole page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from penstock.extract.cursor import Cursor, UnreadableCursor, decoded
from penstock.stores.http.body import UnusableBody

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the strict reader raises: also for text that is not UTF-8, and for nesting deeper than it follows."""


@dataclass(frozen=True, slots=True)
class Paging:
    """What a page says about itself; `cursor` is None where it gives none."""

    has_more: bool
    cursor: Cursor | None
    total: int | None


class _Pagination(msgspec.Struct, rename="camel"):
    has_more: bool | None = None
    next_cursor: str | None = None


class _Meta(msgspec.Struct):
    total: int | None = None


class _Envelope(msgspec.Struct, rename="camel"):
    """Both shapes: paging nested under `pagination` and `meta`, or flat beside the events."""

    data: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    pagination: _Pagination = msgspec.field(default_factory=_Pagination)
    meta: _Meta = msgspec.field(default_factory=_Meta)
    has_more: bool | None = None
    next_cursor: str | None = None
    total: int | None = None


_envelope = msgspec.json.Decoder(_Envelope)


def opened(body: bytes) -> tuple[Sequence[msgspec.Raw], Paging]:
    """The events of a body, each as received, and its paging.

    Raises:
        UnusableBody: where there is no list of events.
    """
    try:
        envelope = _envelope.decode(body)
        if envelope.data is msgspec.UNSET:
            raise UnusableBody("there is no `data` in it")
        return envelope.data, _paging(envelope)
    except UNDECODABLE:
        return _walked(body)


def _paging(envelope: _Envelope) -> Paging:
    has_more = envelope.has_more if envelope.pagination.has_more is None else envelope.pagination.has_more
    if has_more is None:
        raise UnusableBody("it does not say whether there is more (`hasMore`)")
    total = envelope.total if envelope.meta.total is None else envelope.meta.total
    return Paging(has_more, _cursor(envelope.pagination.next_cursor or envelope.next_cursor), total)


def _cursor(text: str | None) -> Cursor | None:
    if not text:
        return None
    try:
        return decoded(text)
    except UnreadableCursor as error:
        raise UnusableBody(str(error)) from error


def _walked(body: bytes) -> tuple[Sequence[msgspec.Raw], Paging]:
    """Take a body apart that holds something no strict reader takes. Latin-1 makes characters out of bytes one to one."""
    text = body.decode("latin-1")
    try:
        slices: list[slice] | None = None
        rest: dict[str, object] = {}
        for key, start in _members(text):
            if key == "data":
                slices = list(_elements(text, start))
            else:
                rest[key] = _value(text, start)[0]
        if slices is None:
            raise UnusableBody("there is no `data` in it")
        return [msgspec.Raw(body[part]) for part in slices], _paging(msgspec.convert(rest, _Envelope))
    except (ValueError, IndexError, RecursionError, msgspec.ValidationError) as error:
        raise UnusableBody(str(error)) from error


_lenient = json.JSONDecoder(strict=False)
_skipping = json.JSONDecoder(strict=False, parse_int=str)
"""The same without making numbers of digits, of which Python takes 4,300 at the most."""


def _value(text: str, start: int) -> tuple[object, int]:
    value, end = _lenient.raw_decode(text, start)
    return value, _blank(text, end)


def _past(text: str, start: int) -> int:
    """Where what follows a value begins."""
    return _blank(text, _skipping.raw_decode(text, start)[1])


def _blank(text: str, at: int) -> int:
    while text[at : at + 1] in tuple(" \t\r\n"):
        at += 1
    return at


def _members(text: str) -> Iterator[tuple[str, int]]:
    """(key, where its value starts) of the object that the text is."""
    at = _expect(text, _blank(text, 0), "{")
    while text[at] != "}":
        key, at = _value(text, at)
        at = _expect(text, at, ":")
        yield str(key), at
        at = _past(text, at)
        if text[at] != "}":
            at = _expect(text, at, ",")
    if _blank(text, at + 1) != len(text):
        raise ValueError(f"something follows its end at byte {at}")


def _elements(text: str, at: int) -> Iterator[slice]:
    """Where each element of the array at `at` stands."""
    at = _expect(text, at, "[")
    while text[at] != "]":
        end = _skipping.raw_decode(text, at)[1]
        yield slice(at, end)
        at = _blank(text, end)
        if text[at] != "]":
            at = _expect(text, at, ",")


def _expect(text: str, at: int, mark: str) -> int:
    if text[at] != mark:
        raise ValueError(f"`{mark}` is missing at byte {at}")
    return _blank(text, at + 1)
