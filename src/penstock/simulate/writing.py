"""Writes one page as the API would, or as one of its faults would."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from penstock.simulate.cursor import Cursor
from penstock.simulate.http import JSON, Answer, Request, compact, json_answer
from penstock.simulate.keys import Span
from penstock.simulate.pages import Pages, deflated, gzip_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from penstock.simulate.dataset import Dataset
    from penstock.simulate.faults import Fault
    from penstock.simulate.settings import DataSyncSettings

_BROKEN = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to be written: `rows` out of the `visible` ones, asked for with `limit`, for a client that may take gzip."""

    rows: Span
    visible: Span
    limit: int
    gzip: bool

    @classmethod
    def behind(cls, first: int, visible: Span, limit: int, request: Request) -> Page:
        """The page that begins with row `first`."""
        return cls(Span(first, min(first + limit, visible.last)), visible, limit, request.takes_gzip)

    @property
    def has_more(self) -> bool:
        """Whether rows follow."""
        return self.rows.last < self.visible.last

    @property
    def previous(self) -> Page:
        """The page before, as long as pages are asked for with the same limit."""
        return replace(self, rows=Span(max(self.visible.first, self.rows.first - self.limit), self.rows.first))


class Writer:
    """Writes answers out of the rows of a dataset."""

    def __init__(self, settings: DataSyncSettings, dataset: Dataset) -> None:
        self._settings = settings
        self._dataset = dataset
        self._request_ids = Random(settings.seed)
        self.pages = Pages(dataset, settings.cache_bytes)

    def good(self, page: Page, now_s: float) -> Answer:
        """The page as it should be."""
        before, after = self._frame(page, now_s)
        write = self.pages.gzipped if page.gzip else self.pages.plain
        return Answer(200, write(page.rows, before, after), _headers(page), served=page.rows)

    def faulty(self, fault: Fault, page: Page, now_s: float, chances: Random) -> Answer:
        """The page, or what comes in its place, under a fault of the answer itself."""
        match fault:
            case "error_5xx":
                return _broken(chances.choice(list(_BROKEN)))
            case "reset":
                return Answer(200, b"", ending="reset")
            case "reset_mid_body":
                return replace(self.good(page, now_s), ending="cut", served=None)
            case "truncated_gzip":
                good = self.good(page, now_s)
                return replace(good, body=good.body[: len(good.body) // 2], served=None)
            case "same_page":
                return replace(self.good(page.previous, now_s), served=None)
        text = self._spoiled(fault, page, now_s, chances)
        return Answer(200, gzip_of([deflated(text)]) if page.gzip else text, _headers(page))

    def pointless(self, page: Page) -> frozenset[Fault]:
        """Faults that would change nothing about this page, or nothing that a client can see."""
        faults: set[Fault] = set()
        if not len(page.previous.rows):
            faults.add("same_page")
        if self._settings.faults.out_of_order:
            ages = self._ages(page)[self._readable(page)]
            if not len(ages) or ages[0] == ages[-1]:
                faults.add("out_of_order")
        return frozenset(faults)

    def _frame(self, page: Page, now_s: float) -> tuple[bytes, bytes]:
        """What stands before and after a page's rows."""
        total, cursor = len(page.visible), self._next_cursor(page, now_s)
        if self._settings.page_shape == "flat":
            rest: dict[str, object] = {"hasMore": page.has_more, **cursor, "total": total}
        else:
            expires_in = math.ceil(self._settings.cursor_ttl_s) if cursor.get("nextCursor") else None
            pagination = {"limit": page.limit, "hasMore": page.has_more, **cursor, "cursorExpiresIn": expires_in}
            request_id = str(UUID(int=self._request_ids.getrandbits(128), version=4))
            rest = {"pagination": pagination, "meta": {"total": total, "returned": len(page.rows), "requestId": request_id}}
        return b'{"data":[', b"]," + compact(rest)[1:]

    def _next_cursor(self, page: Page, now_s: float) -> dict[str, str | None]:
        """The field `nextCursor`; of the pages that omit their cursor half say null, half have no such field."""
        if not page.has_more:
            return {"nextCursor": None}
        chance = Random(f"{self._settings.seed}:{page.rows.last}").random()
        if chance < self._settings.omit_cursor:
            return {"nextCursor": None} if chance < self._settings.omit_cursor / 2 else {}
        expires_at_ms = int((now_s + self._settings.cursor_ttl_s) * 1000)
        return {"nextCursor": Cursor(self._dataset[page.rows.last - 1], expires_at_ms).encode()}

    def _spoiled(self, fault: Fault, page: Page, now_s: float, chances: Random) -> bytes:
        before, after = self._frame(page, now_s)
        if fault == "missing_data":
            return b"{" + after.removeprefix(b"],")
        if fault == "bad_json":
            text = self.pages.plain(page.rows, before, after)
            return text[: len(text) // 2]
        text_of_rows = self._dataset.text(page.rows)
        return before + b",".join(text_of_rows.rows(row, row + 1) for row in self._disordered(page, chances)) + after

    def _disordered(self, page: Page, chances: Random) -> list[int]:
        """Rows of a page in an order that a client can see is wrong: all shuffled, or just two of them swapped."""
        ages, readable = self._ages(page), self._readable(page)
        order = list(range(len(ages)))
        if chances.random() < 0.5:
            chances.shuffle(order)
        if (np.diff(ages[order][readable[order]]) >= 0).all():
            order = list(range(len(ages)))
            seen = np.flatnonzero(readable)
            at = chances.choice(np.flatnonzero(np.diff(ages[seen])).tolist())
            one, other = int(seen[at]), int(seen[at + 1])
            order[one], order[other] = other, one
        return order

    def _ages(self, page: Page) -> npt.NDArray[np.int64]:
        return self._dataset.keys.ages[page.rows.first : page.rows.last]

    def _readable(self, page: Page) -> npt.NDArray[np.bool_]:
        return ~self._dataset.undecodable(page.rows)


def _headers(page: Page) -> dict[str, str]:
    encoding = {"Content-Encoding": "gzip"} if page.gzip else {}
    return {"Content-Type": JSON, "Vary": "Accept-Encoding", **encoding}


def _broken(status: int) -> Answer:
    """The application answers 500 and 503 itself; 502 and 504 come from the proxy in front of it, in HTML."""
    name = _BROKEN[status]
    if status in {500, 503}:
        return json_answer(status, {"error": name, "message": name, "code": name.upper().replace(" ", "_")})
    return Answer(status, f"<html><body><h1>{status} {name}</h1></body></html>".encode(), {"Content-Type": "text/html"})
