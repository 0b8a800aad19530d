"""Bodies: taken apart, or refused as a whole."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.extract.body import Paging, opened
from penstock.extract.cursor import Cursor
from penstock.stores.http.body import UnusableBody, inflated

from .bodies import A_TIME, A_UUID, event, flat, joined, nested, raw_event

CURSOR = Cursor(A_UUID, A_TIME, exp=9)
PAGE = nested([event(), event(name="two")], CURSOR, has_more=True, total=7)
INFINITE = raw_event(b'"score":Infinity')

words = [b'"data"', b'"hasMore"', b'"nextCursor"', b'"total"', b'"pagination"', b'"meta"', b'"id"', b'"timestamp"', b'"\\ud800"', b'"\xff"']
values = [b"true", b"false", b"null", b"0", b"-1.5e3", b"NaN", b"Infinity", b"1" * 5_000]
marks = [b":", b",", b"{", b"}", b"[", b"]", b'"', b"\\", b"\0"]
tokens = st.sampled_from([*words, *values, *marks])
damage = st.tuples(st.integers(0, len(PAGE)), st.integers(0, 4), st.binary(max_size=4) | tokens)


def events_of(body: bytes) -> list[bytes]:
    """The events of a body, as received."""
    return [bytes(raw) for raw in opened(body)[0]]


def paging_of(body: bytes) -> Paging:
    """What the body says about itself."""
    return opened(body)[1]


@pytest.mark.parametrize("written", [nested, flat])
def test_both_shapes(written: Callable[..., bytes]) -> None:
    """Paging is found under `pagination` and `meta`, and beside the events."""
    events = [event(name="one"), event(name="two")]

    body = written(events, CURSOR, has_more=True, total=3_000_000)

    assert events_of(body) == events
    assert paging_of(body) == Paging(has_more=True, cursor=CURSOR, total=3_000_000)


@pytest.mark.parametrize("written", [nested, flat])
def test_the_last_page(written: Callable[..., bytes]) -> None:
    """The last page has no cursor; one without events and without a total is a page too."""
    assert opened(written([])) == ([], Paging(has_more=False, cursor=None, total=None))


def test_an_empty_cursor_is_none() -> None:
    """An empty text, null and nothing at all mean the same."""
    pages = [joined([], b'{"hasMore":true}'), flat([], "", has_more=True), nested([], None, has_more=True)]

    assert [paging_of(page).cursor for page in pages] == [None] * 3


@pytest.mark.parametrize("bad", [b"", INFINITE + b","], ids=["strict", "walked"])
def test_blanks_between_everything(bad: bytes) -> None:
    """Events are handed on byte for byte, blanks inside them included, blanks around them not."""
    one = b'{ "id" : "%s" ,\n"timestamp"\t: 1 }' % A_UUID.encode()

    body = b' {\n"data" : [ ' + bad + b" " + one + b"\t,\r\n" + one + b' ] , "hasMore" : false } \n'

    assert events_of(body)[-2:] == [one, one]


@pytest.mark.parametrize("members", [b'"x":Infinity', b'"x":-Infinity', b'"x":NaN', b'"x":"\\ud800"', b'"x":"a\tb"', b'"x":"\xff"'])
@pytest.mark.parametrize("written", [nested, flat])
def test_walked(members: bytes, written: Callable[..., bytes]) -> None:
    """One event that no strict reader takes costs neither the others nor the paging, and arrives as it was sent."""
    events = [event(name='quoted \\" ], }'), raw_event(members), event(name="ünïcödé")]

    body = written(events, CURSOR, has_more=True, total=3)

    assert events_of(body) == events
    assert paging_of(body) == Paging(has_more=True, cursor=CURSOR, total=3)


def test_walked_with_a_number_of_thousands_of_digits() -> None:
    """A number longer than Python converts does not make the page unusable."""
    events = [INFINITE, raw_event(b'"x":' + b"9" * 5_000)]

    assert events_of(joined(events)) == events


@pytest.mark.parametrize("tail", [b"", INFINITE], ids=["strict", "walked"])
def test_data_twice(tail: bytes) -> None:
    """Of two members `data` the last one counts, as for every JSON reader, however the body is read."""
    events = [event(name="second"), *([tail] if tail else [])]

    body = b'{"data":[%s],' % event(name="first") + joined(events)[1:]

    assert events_of(body) == events


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'{"data":[]',
        b'{"data":[]}',
        b'{"hasMore":false}',
        b'{"data":null,"hasMore":false}',
        b'{"data":{},"hasMore":false}',
        b'{"data":"[]","hasMore":false}',
        b'{"data":[],"hasMore":null}',
        b'{"data":[],"hasMore":1}',
        b'{"data":[],"hasMore":false,"total":"many"}',
        b'{"data":[],"hasMore":false,"pagination":[]}',
        b'{"data":[],"hasMore":true,"nextCursor":7}',
        b'{"data":[],"hasMore":true,"nextCursor":"?"}',
        b'{"data":[],"hasMore":true,"nextCursor":"\xff"}',
        b'{"data":[],"hasMore":true,"nextCursor":"\\ud800"}',
        b'{"data":[1 2],"hasMore":false}',
        b'{"data":[1,,2],"hasMore":false}',
        b'{"data":[],"hasMore":false} {"data":[1],"hasMore":false}',
        b'{"data":[NaN],"hasMore":false}}',
        b'{"data":[NaN],"hasMore"}',
        b'{"data":[NaN]}',
        b'{"x":NaN,"hasMore":false}',
        b"\xef\xbb\xbf" + joined([]),
        PAGE[: len(PAGE) // 2],
        b"<html><body><h1>502 Bad Gateway</h1></body></html>",
        b'{"error":"Internal Server Error"}',
    ],
    ids=lambda body: ascii(body[:50]),
)
def test_not_a_page(body: bytes) -> None:
    """Anything but one whole object with a list of events and a word about what follows is unusable."""
    with pytest.raises(UnusableBody):
        opened(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        joined([raw_event(b'"x":' + b"[" * 100_000 + b"]" * 100_000)]),
        joined([INFINITE, raw_event(b'"x":' + b'{"y":' * 100_000 + b"1" + b"}" * 100_000)]),
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"data":[],"hasMore":false}',
    ],
    ids=["lists", "objects", "in an event", "in a walked event", "beside the events"],
)
def test_too_deep(body: bytes) -> None:
    """Nesting deeper than a reader can follow makes the body unusable, and nothing worse."""
    with pytest.raises(UnusableBody):
        opened(body)


@given(st.binary(max_size=60) | st.lists(tokens, max_size=25).map(b"".join))
def test_whatever_comes(body: bytes) -> None:
    """Whatever bytes come in, only `UnusableBody` comes out, gzip magic before them or not."""
    for raw in (body, b"\x1f\x8b" + body, b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zlib.compress(body)[2:-4]):
        try:
            events, _ = opened(inflated(raw))
        except UnusableBody:
            continue
        assert isinstance(events, list)


@given(st.lists(damage, max_size=4))
def test_whatever_happened_to_a_page(damages: list[tuple[int, int, bytes]]) -> None:
    """A page with bytes missing, added and changed is unusable, or its events are those that a lenient JSON reader finds."""
    body = PAGE
    for place, missing, added in damages:
        body = body[:place] + added + body[place + missing :]

    try:
        events = events_of(body)
    except UnusableBody:
        return

    assert [_read(raw) for raw in events] == _read(body)["data"]


def _read(text: bytes) -> dict[str, object]:
    """By the standard library, NaN and infinities turned into text so that they compare; no number is too long."""
    read: dict[str, object] = json.loads(text.decode("latin-1"), strict=False, parse_constant=str, parse_int=str)
    return read
