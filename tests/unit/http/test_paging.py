"""How pages follow each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.http.body import UnusableBody
from penstock.stores.http.page import Page
from penstock.stores.http.paging import Ask, Round, first, following
from penstock.stores.http.settings import CursorPaging, HttpSettings, OffsetPaging, PagePaging

URL = "https://api.example/rows"


def page(rows: int, link: str | None = None, **members: object) -> Page:
    """A page with so many rows."""
    return Page((b"{}",) * rows, json.dumps(members).encode(), link, None)


@pytest.mark.parametrize(
    ("settings", "asked", "there", "expected"),
    [
        ({}, {}, page(3), None),
        ({"cursor": CursorPaging("next", "after")}, {}, page(3, next="c"), {"after": "c"}),
        ({"cursor": CursorPaging("next", "after")}, {}, page(0, next="c"), {"after": "c"}),
        ({"cursor": CursorPaging("next", "after")}, {"after": "c"}, page(3, next=None), None),
        ({"cursor": CursorPaging("next", "after"), "more": "more"}, {}, page(3, next="c", more=False), None),
        ({"cursor": CursorPaging("next", "after"), "done": "done"}, {}, page(3, next="c", done=True), None),
        ({"cursor": CursorPaging("next", "after"), "done": "done"}, {}, page(3, next="c", done=False), {"after": "c"}),
        ({"page": PagePaging()}, {"page": "1"}, page(1), {"page": "2"}),
        ({"page": PagePaging()}, {"page": "7"}, page(0), None),
        ({"page": PagePaging(pages="pages")}, {"page": "6"}, page(3, pages=7), {"page": "7"}),
        ({"page": PagePaging(pages="pages")}, {"page": "7"}, page(3, pages=7), None),
        ({"page": PagePaging("p", 0, "pages")}, {"p": "6"}, page(3, pages=7), None),
        ({"page": PagePaging(), "more": "more"}, {"page": "1"}, page(0, more=True), {"page": "2"}),
        ({"page": PagePaging(), "more": "more"}, {"page": "1"}, page(3, more=False), None),
        ({"offset": OffsetPaging()}, {"offset": "100"}, page(40), {"offset": "140"}),
        ({"offset": OffsetPaging()}, {"offset": "140"}, page(0), None),
        ({"offset": OffsetPaging(), "more": "more"}, {"offset": "100"}, page(40, more=False), None),
    ],
)
def test_what_comes_next(settings: dict[str, object], asked: dict[str, str], there: Page, expected: dict[str, str] | None) -> None:
    """A page says what the next one is asked for with, or that it is the last; a short one is not taken for the last."""
    after = following(HttpSettings(url=URL, **settings), Ask(query=asked), there)  # type: ignore[arg-type]

    assert after == (None if expected is None else Ask(query=expected))


@pytest.mark.parametrize("settings", [{"cursor": CursorPaging("next")}, {"link": True}])
def test_addresses(settings: dict[str, object]) -> None:
    """Without a parameter, and in a header, what comes next is a whole address."""
    api = HttpSettings(url=URL, **settings)  # type: ignore[arg-type]

    assert following(api, first(api), page(3, link="/2", next="/2")) == Ask(url="/2")
    assert following(api, first(api), page(3)) is None


@pytest.mark.parametrize(
    ("settings", "there"),
    [
        ({"cursor": CursorPaging("next", "after"), "more": "more"}, page(3, more=True)),
        ({"link": True, "more": "more"}, page(3, more=True)),
        ({"offset": OffsetPaging(), "more": "more"}, page(0, more=True)),
        ({"cursor": CursorPaging("next", "after"), "more": "more"}, page(3, next="c")),
        ({"page": PagePaging(pages="pages")}, page(3)),
    ],
)
def test_contradictions(settings: dict[str, object], there: Page) -> None:
    """More without saying where, and nothing where the end should be said, are no answers: the end is never guessed."""
    api = HttpSettings(url=URL, **settings)  # type: ignore[arg-type]

    with pytest.raises(UnusableBody):
        following(api, first(api), there)


def served(settings: HttpSettings, rows: int, cap: int) -> Iterator[int]:
    """The rows that are read of an API that gives at most `cap` at a time."""
    ask: Ask | None = first(settings)
    while ask is not None:
        start = int(ask.query.get("offset") or ask.query.get("after") or int(ask.query.get("page") or 0) * cap)
        numbers = range(start, min(start + cap, rows))
        yield from numbers
        end = start + len(numbers)
        ask = following(settings, ask, page(len(numbers), next=end if end < rows else None, more=end < rows, pages=-(-rows // cap)))


SCHEMES = st.sampled_from(
    [
        {"cursor": CursorPaging("next", "after")},
        {"page": PagePaging(start=0)},
        {"page": PagePaging(start=0, pages="pages")},
        {"offset": OffsetPaging()},
    ]
)


@given(scheme=SCHEMES, more=st.booleans(), rows=st.integers(0, 60), cap=st.integers(1, 9))
def test_every_row_once(scheme: dict[str, object], more: bool, rows: int, cap: int) -> None:  # noqa: FBT001 - drawn
    """Whatever the size of pages, following them gives every row once and ends."""
    settings = HttpSettings(url=URL, more="more" if more else "", **scheme)  # type: ignore[arg-type]

    assert list(served(settings, rows, cap)) == list(range(rows))


@given(before=st.integers(0, 40), length=st.integers(1, 40))
def test_a_round_is_noticed(before: int, length: int) -> None:
    """Pages that lead back are noticed within three rounds, and others never are."""
    asks = [Ask(query={"cursor": str(number)}) for number in range(before + length)]
    walk, seen, turns = chain(asks, cycle(asks[before:])), Round(), 0

    while not seen.closed_by(next(walk)):
        turns += 1

    assert before + length <= turns <= 3 * (before + length) + 1


@given(st.integers(0, 300))
def test_no_round(pages: int) -> None:
    """Pages that do not lead back never close a round."""
    seen = Round()

    assert not any(seen.closed_by(Ask(query={"cursor": str(number)})) for number in range(pages))
