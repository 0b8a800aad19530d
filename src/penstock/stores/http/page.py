"""A page: the rows of an answer, each as it was received, and what stands around them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from penstock.stores.http.body import UnusableBody, inflated
from penstock.stores.http.client import Answer
from penstock.stores.http.path import UNDECODABLE, Json, elements, found

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

T = TypeVar("T")

_PARAMETER = r"""\s*;\s*([^\s=;,"]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?"""
_LINK = re.compile(rf"<([^>]*)>((?:{_PARAMETER})*)")
_PARAMETERS = re.compile(_PARAMETER)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as received, the body they were in, where `Link: rel="next"` leads, and the moment of the answer by the server's clock."""

    rows: tuple[bytes, ...]
    body: bytes
    link: str | None
    date_ms: int | None

    def cursor(self, path: str) -> str | None:
        """The text at `path`; that of a number is taken as it stands, and null, false and nothing are none.

        Raises:
            UnusableBody: it is something else.
        """
        raw = found(self.body, path)
        if raw is None or bytes(raw) in (b"null", b"false", b'""'):
            return None
        if bytes(raw)[:1] in b"-0123456789":
            return bytes(raw).decode()
        return self._decoded(raw, path, str)

    def flag(self, path: str) -> bool:
        """Whether it says true at `path`; raises `UnusableBody` where it says neither."""
        return self._decoded(found(self.body, path), path, bool)

    def number(self, path: str) -> int:
        """The number at `path`, which may be written as a text; raises `UnusableBody` where there is none."""
        raw = found(self.body, path)
        if raw is None:
            raise _nothing_at(path, self.body)
        try:
            return msgspec.json.decode(raw, type=int, strict=False)
        except UNDECODABLE as error:
            raise UnusableBody(f"at `{path}` is no whole number") from error

    def _decoded(self, raw: Json | None, path: str, kind: type[T]) -> T:
        if raw is None:
            raise _nothing_at(path, self.body)
        try:
            return msgspec.json.decode(raw, type=kind)
        except UNDECODABLE as error:
            raise UnusableBody(f"at `{path}`: {error}") from error


def page(answer: Answer, rows: str) -> Page:
    """What an answer with a good status holds; `rows` is the path of the rows. 204 is a page without any.

    Raises:
        UnusableBody: it is no JSON, or holds no list there.
    """
    headers = [(name.lower(), value) for name, value in answer.headers.items()]
    date_ms = next((_moment_ms(value) for name, value in headers if name == "date"), None)
    if answer.status == 204:
        return Page((), b"{}", None, date_ms)
    body = inflated(answer.body).removeprefix(BYTE_ORDER_MARK)
    try:
        raw = found(body, rows)
        if raw is None:
            raise _nothing_at(rows, body)
        listed = () if bytes(raw) == b"null" else tuple(map(bytes, elements(raw)))
    except UNDECODABLE as error:
        place = f"at `{rows}`" if rows else "the body"
        raise UnusableBody(f"{place} is no list of rows ({answer.headers.get('Content-Type', 'of no stated type')}): {error}") from error
    return Page(listed, body, next_link(", ".join(value for name, value in headers if name == "link")), date_ms)


def next_link(header: str) -> str | None:
    """Where `rel="next"` leads (RFC 8288 §3); relation types are in any case, and one link may have several."""
    for link in _LINK.finditer(header):
        relations = (quoted or bare for name, quoted, bare in _PARAMETERS.findall(link[2]) if name.lower() == "rel")
        if "next" in next(relations, "").lower().split():
            return link[1]
    return None


def _nothing_at(path: str, body: bytes) -> UnusableBody:
    try:
        there = f"; there are {', '.join(list(msgspec.json.decode(body, type=Mapping[str, msgspec.Raw]))[:10]) or 'no members'}"
    except UNDECODABLE:
        there = ""
    return UnusableBody(f"there is nothing at `{path}`{there}")


def _moment_ms(date: str) -> int | None:
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return None
