"""Answer bodies: inflated, and taken apart into events as they were received and the paging around them.

The usual body goes through msgspec in one go. One that does not decode as a whole is walked through element by element with the standard
library's lenient reader, so that one bad event does not cost its whole page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from isal import isal_zlib

from penstock.extract.cursor import Cursor, UnreadableCursor, decoded
from penstock.model.errors import PenstockError

GZIP = b"\x1f\x8b"
DAMAGED: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment] # its stub calls the class an instance
MOST_BYTES = 256 * 2**20
"""More than this no page of 5,000 events may inflate to."""
MOST_TIMES = 250
"""Nor to more than this many times its size: pages of events shrink 4 to 50 times, a bomb 1,000 times."""
ALWAYS_BYTES = 8 * 2**20
"""Up to this it may, however well it was compressed."""


UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the strict reader raises: also for text that is not UTF-8, and for nesting deeper than it follows."""


class UnusableBody(PenstockError):
    """The API's answer is not a page of events."""

    default_hint = "The same request was repeated and the answer stayed unusable; look at the API."


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


def inflated(raw: bytes) -> bytes:
    """The body without its gzip coating, if it has one; the size stated at its end (RFC 1952) is what is set aside for it.

    Raises:
        UnusableBody: where the gzip is cut short, damaged, or out of all proportion.
    """
    if not raw.startswith(GZIP):
        return raw
    stated = int.from_bytes(raw[-4:], "little")
    if stated > min(MOST_BYTES, max(ALWAYS_BYTES, MOST_TIMES * len(raw))):
        raise UnusableBody(f"gzip: {len(raw):,} bytes that would become {stated:,}")
    try:
        unpacker = isal_zlib.decompressobj(31)
        body: bytes = unpacker.decompress(raw, stated + 1)
    except DAMAGED as error:
        raise UnusableBody(f"gzip: {error}") from error
    if not unpacker.eof:
        raise UnusableBody(f"gzip: it ends after {len(raw):,} bytes, unfinished")
    return body


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
