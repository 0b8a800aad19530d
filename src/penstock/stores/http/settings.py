"""What a pipeline file says of an API: where its pages are, how they follow each other, and where their rows are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from penstock.model.errors import Misconfigured

TimeFormat = Literal["iso8601", "date", "epoch_s", "epoch_ms"]
"""How an API wants moments: `2026-01-31T12:00:00Z`, `2026-01-31`, or seconds or milliseconds since 1970."""


class UnfitSettings(Misconfigured, ValueError):
    """The settings of the API do not fit together."""

    default_hint = "docs/reference/ends/http.md has an example for each kind of API."


@dataclass(frozen=True, slots=True)
class Auth:
    """How requests show who sends them: `bearer`; `user` and `password`; or `value` as the `header` or the parameter `query`."""

    bearer: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    header: str = ""
    query: str = ""
    value: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if sum(map(bool, (self.bearer, self.user, self.header, self.query))) != 1:
            raise UnfitSettings("auth is one of bearer, user, header and query")
        if bool(self.header or self.query) != bool(self.value) or (self.password and not self.user):
            raise UnfitSettings("auth: value goes with header or query, password with user")
        if not all(text.isprintable() for text in (self.bearer, self.user, self.password, self.header, self.value)):
            raise UnfitSettings("auth: a secret holds a line break or another character that cannot be sent")

    @property
    def secrets(self) -> set[str]:
        """What must not be shown."""
        return {self.bearer, self.password, self.value} - {""}


@dataclass(frozen=True, slots=True)
class CursorPaging:
    """Each page says at `next` what to send as `parameter` for the following one, or, without a parameter, its whole address."""

    next: str
    parameter: str = ""


@dataclass(frozen=True, slots=True)
class PagePaging:
    """Pages have numbers, the first one is `start`. `pages` is where the body says how many there are; else an empty one ends them."""

    parameter: str = "page"
    start: int = 1
    pages: str = ""


@dataclass(frozen=True, slots=True)
class OffsetPaging:
    """A page begins behind so many rows. An empty one is behind all of them."""

    parameter: str = "offset"
    start: int = 0


@dataclass(frozen=True, slots=True)
class TimeFilter:
    """How an API is asked for what is new: `column` is when a row was made or changed, `since` and `until` are parameters.

    `start` is the moment with which the first run begins. A run reads up to `lag_s` seconds before the moment when it begins: rows that
    become visible later than that are not found.
    """

    column: str
    since: str
    until: str = ""
    format: TimeFormat = "iso8601"
    start: str = ""
    lag_s: float = 60.0

    def __post_init__(self) -> None:
        if self.lag_s < 0:
            raise UnfitSettings("time: lag_s is at least 0")
        try:
            _ = self.start_ms
        except ValueError:
            raise UnfitSettings(f"time: start is {self.start!r}, write it like 2026-01-31T12:00:00Z") from None

    @property
    def start_ms(self) -> int | None:
        """The moment with which the first run begins, in epoch milliseconds; without a zone it is UTC."""
        if not self.start:
            return None
        moment = datetime.fromisoformat(self.start)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """A paginated JSON API. Paths lead into the body, such as `data.items`, `meta.next` and `data.-1.id`; none is the body itself.

    `rows` is where the rows are, `more` or `done` where a page says whether others follow, `total` where it says how many rows there
    are. At most one of `cursor`, `page`, `offset` and `link` (the header `Link: <...>; rel="next"`) says how pages follow each other.
    `key` tells rows apart, `columns` states types. With `again` each run reads everything.
    """

    url: str
    rows: str = ""
    key: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    auth: Auth | None = None
    cursor: CursorPaging | None = None
    page: PagePaging | None = None
    offset: OffsetPaging | None = None
    link: bool = False
    more: str = ""
    done: str = ""
    total: str = ""
    time: TimeFilter | None = None
    again: bool = False

    def __post_init__(self) -> None:
        schemes = sum(map(bool, (self.cursor, self.page, self.offset, self.link)))
        if schemes > 1:
            raise UnfitSettings("at most one of cursor, page, offset and link says how pages follow each other")
        if self.more and self.done:
            raise UnfitSettings("more and done say the same: take the one that the API has")
        if (self.more or self.done) and not schemes:
            raise UnfitSettings("more and done go with one of cursor, page, offset and link")
        if self.again and self.time:
            raise UnfitSettings("again reads everything, time only what is new: take one of them")
        if not all(text.isprintable() for pair in self.headers.items() for text in pair):
            raise UnfitSettings("headers: one holds a line break or another character that cannot be sent")
        _require_address(self.url)

    @property
    def identity(self) -> str:
        """Which rows these are: the address without its parameters, and a digest of all that makes a difference."""
        paging = [self.cursor, self.page, self.offset]
        parts = [self.url, self.rows, self.link, *(part and asdict(part) for part in paging), self.time and self.time.column]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
        return f"{self.url.partition('?')[0].partition('#')[0]} ({digest})"


def _require_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        scheme, host, user, _ = parts.scheme, parts.hostname, parts.username, parts.port
    except ValueError as error:
        raise UnfitSettings(f"url: {error}") from None
    if scheme not in ("http", "https") or not host:
        raise UnfitSettings("url: it begins with http:// or https:// and names a host")
    if user is not None:
        raise UnfitSettings("url: a user and a password do not belong there; see auth")
