"""The ways to page: from a query to a place in the listing, and from a page to its body and headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from penstock.simulate.shop.listing import Cursor, Listing, page_size, whole


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a page: where, with what, out of which listing, at epoch second `now_s`."""

    url: str
    query: Mapping[str, str]
    listing: Listing
    now_s: float
    cursor_ttl_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """A page's place: the first `limit` orders of the listing from `first` on; `turn` counts the empty pages before it."""

    first: int
    limit: int
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds the orders of a page: members of its body beside them, and headers."""

    members: Mapping[str, object]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to page. `path` is where the orders are in the body: nowhere means that the body is the list."""

    path: tuple[str, ...]
    parameters: frozenset[str]
    place: Callable[[Asked], Place]
    around: Callable[[Asked, Place, Sequence[int], int], Around]


def _by_cursor(asked: Asked) -> Place:
    limit = page_size(asked.query, "limit")
    if not (text := asked.query.get("cursor")):
        return Place(0, limit)
    cursor = Cursor.decoded(text, asked.now_s)
    return Place(0 if cursor.number is None else asked.listing.behind(cursor.number), limit, cursor.turn)


def _next_cursor(asked: Asked, place: Place, numbers: Sequence[int]) -> str | None:
    """The cursor behind a page; an empty page in the middle leads to its own place, one turn on."""
    reached = place.first + len(numbers)
    if reached >= len(asked.listing):
        return None
    last = asked.listing.numbers(reached - 1, 1)[0] if reached else None
    return Cursor(last, asked.now_s + asked.cursor_ttl_s, 0 if numbers else place.turn + 1).encoded()


def _cursor_around(asked: Asked, place: Place, numbers: Sequence[int], total: int) -> Around:
    following = _next_cursor(asked, place, numbers)
    return Around({"meta": {"next_cursor": following, "has_more": following is not None, "total": total}}, {})


def _next_around(asked: Asked, place: Place, numbers: Sequence[int], total: int) -> Around:
    following = _next_cursor(asked, place, numbers)
    link = {} if following is None else {"@odata.nextLink": f"{asked.url}?{urlencode({**asked.query, 'cursor': following})}"}
    return Around({"@odata.count": total, **link}, {})


def _by_page(asked: Asked) -> Place:
    limit = page_size(asked.query, "per_page")
    return Place((whole(asked.query, "page", 1, least=1) - 1) * limit, limit)


def _page_around(asked: Asked, place: Place, numbers: Sequence[int], total: int) -> Around:
    del numbers
    pages = -(-len(asked.listing) // place.limit)
    return Around({"page": place.first // place.limit + 1, "pages": pages, "total": total}, {})


def _by_offset(asked: Asked) -> Place:
    return Place(whole(asked.query, "offset", 0), page_size(asked.query, "limit"))


def _offset_around(asked: Asked, place: Place, numbers: Sequence[int], total: int) -> Around:
    return Around({"count": total, "more": place.first + len(numbers) < len(asked.listing)}, {})


def _link_around(asked: Asked, place: Place, numbers: Sequence[int], total: int) -> Around:
    number = place.first // place.limit + 1
    links = [f'<{asked.url}?{urlencode({**asked.query, "page": 1})}>; rel="first"']
    if place.first + len(numbers) < len(asked.listing):
        links.append(f'<{asked.url}?{urlencode({**asked.query, "page": number + 1})}>; rel="next"')
    return Around({}, {"Link": ", ".join(links), "X-Total-Count": str(total)})


SCHEMES: Mapping[str, Scheme] = {
    "/cursor/orders": Scheme(("data",), frozenset({"cursor", "limit"}), _by_cursor, _cursor_around),
    "/next/orders": Scheme(("value",), frozenset({"cursor", "limit"}), _by_cursor, _next_around),
    "/page/orders": Scheme(("orders",), frozenset({"page", "per_page"}), _by_page, _page_around),
    "/offset/orders": Scheme(("result", "orders"), frozenset({"offset", "limit"}), _by_offset, _offset_around),
    "/link/orders": Scheme((), frozenset({"page", "per_page"}), _by_page, _link_around),
}
