"""What an answer holds: rows, and what stands around them."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from penstock.reliability.headers import RateFacts
from penstock.stores.http.body import UnusableBody
from penstock.stores.http.client import Answer
from penstock.stores.http.page import Page, next_link, page


def answer(body: bytes, *headers: tuple[str, str], status: int = 200) -> Answer:
    """An answer with this body."""
    return Answer(status, CIMultiDict(headers), body, RateFacts())


def around(body: bytes) -> Page:
    """A page with this body."""
    return page(answer(b'{"rows": [], ' + body + b"}"), "rows")


@pytest.mark.parametrize("body", [b'{"data":{"rows":[1, {"a":2} ]}}', gzip.compress(b'{"data":{"rows":[1,{"a":2}]}}', mtime=0)])
def test_rows_keep_their_bytes(body: bytes) -> None:
    """Rows are found at their path, each as it was received, packed or not."""
    assert page(answer(body), "data.rows").rows == (b"1", b'{"a":2}')


def test_a_list_may_be_all_there_is() -> None:
    """Without a path the body is the list; a byte order mark is no part of it."""
    assert page(answer(b"\xef\xbb\xbf[1,2]"), "").rows == (b"1", b"2")


@pytest.mark.parametrize(("status", "body"), [(200, b'{"data": null}'), (204, b"")])
def test_no_rows(status: int, body: bytes) -> None:
    """Null is how some APIs write an empty list, and 204 how others answer with nothing."""
    assert page(answer(body, status=status), "data").rows == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"items": [], "meta": {}}', "there is nothing at `data`; there are items, meta"),
        (b"{}", "there is nothing at `data`; there are no members"),
        (b"[]", "there is nothing at `data`$"),
        (b'{"data": {"a": 1}}', "at `data` is no list of rows"),
        (b"<html>log in</html>", "there is nothing at `data`"),
        (b'{"data": [1,', "at `data` is no list of rows .*application/json"),
        (b'{"data": ["\xff"', "at `data` is no list of rows"),
    ],
)
def test_no_page(body: bytes, reason: str) -> None:
    """What is no list of rows is told, with what there is instead."""
    with pytest.raises(UnusableBody, match=reason):
        page(answer(body, ("Content-Type", "application/json")), "data")


@pytest.mark.parametrize(
    ("written", "cursor"),
    [
        (b'"abc"', "abc"),
        (b'"\\u00e9"', "é"),
        (b"12345678901234567890", "12345678901234567890"),
        (b"-1.50", "-1.50"),
        (b"null", None),
        (b"false", None),
        (b'""', None),
    ],
)
def test_a_cursor(written: bytes, cursor: str | None) -> None:
    """A cursor is a text, or a number as it stands; null, false and nothing are none."""
    assert around(b'"next": ' + written).cursor("next") == cursor
    assert around(b'"other": 1').cursor("next") is None


@pytest.mark.parametrize("written", [b"true", b"{}", b"[1]"])
def test_no_cursor(written: bytes) -> None:
    """Anything else is no cursor."""
    with pytest.raises(UnusableBody, match="at `next`"):
        around(b'"next": ' + written).cursor("next")


def test_flags_and_numbers() -> None:
    """A flag is true or false, a number may be a text; without them the page is none."""
    read = around(b'"more": true, "pages": "7", "odd": 1.5')

    assert (read.flag("more"), read.number("pages")) == (True, 7)
    for path in ("pages", "nothing"):
        with pytest.raises(UnusableBody):
            read.flag(path)
    for path in ("odd", "nothing"):
        with pytest.raises(UnusableBody):
            read.number(path)


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://a.example/x?page=2>; rel="next"', "https://a.example/x?page=2"),
        ('<a>; rel="prev", <b,c>; title="x, <y>; rel=z"; rel="NEXT last"', "b,c"),
        ("<b>;rel=next", "b"),
        ('<b> ; title="next"', None),
        ('<b>; rel="nextish"', None),
        ("", None),
        ("garbage", None),
    ],
)
def test_links(header: str, target: str | None) -> None:
    """The target of `rel=next` is found among others, by RFC 8288."""
    assert next_link(header) == target


def test_several_link_headers() -> None:
    """A header may come more than once."""
    assert page(answer(b"[]", ("Link", '<a>; rel="prev"'), ("link", '<b>; rel="next"')), "").link == "b"


@given(st.text(max_size=60))
def test_any_link_header(header: str) -> None:
    """No header breaks the reading."""
    assert next_link(header) is None or ">" in header


@pytest.mark.parametrize(("date", "moment_ms"), [("Mon, 01 Jan 2024 00:00:10 GMT", 1_704_067_210_000), ("soon", None)])
def test_the_servers_clock(date: str, moment_ms: int | None) -> None:
    """The moment of an answer is what the server says it is."""
    assert page(answer(b"[]", ("Date", date)), "").date_ms == moment_ms
    assert page(answer(b"[]"), "").date_ms is None
