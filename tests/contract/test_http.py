"""A paginated API as a source keeps the contract of sources, in whichever way its pages follow each other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest

from penstock.model.metrics import Counters
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Plan, Progress, Source
from penstock.simulate.shop.orders import updated_s
from penstock.simulate.shop.serve import running
from penstock.simulate.shop.settings import ShopSettings
from penstock.stores.columns import named
from penstock.stores.http.api import Api
from penstock.stores.http.settings import Auth, CursorPaging, HttpSettings, OffsetPaging, PagePaging, TimeFilter
from penstock.stores.http.source import HttpSource
from penstock.stores.jsonl.rows import decoder_for
from penstock.testing.sources import SourceSuite
from tests.contract.threads import in_thread

if TYPE_CHECKING:
    import pyarrow as pa

SHOP = ShopSettings(orders=11, seed=3, undecodable=0.2, empty_pages=0.2)
STATED = {
    "id": "int64",
    "customer": "string",
    "amount": "float64",
    "status": "string",
    "note": "string",
    "updated_at": "string",
    "items": "json",
}
DECODER = decoder_for([], {name: named(name, kind) for name, kind in STATED.items()})


@dataclass(frozen=True)
class Connecting:
    """The source, which connects for each plan and each reading: every test has its own event loop."""

    settings: HttpSettings
    releasing = growing = None

    @property
    def schema(self) -> pa.Schema:
        """Columns of orders."""
        return DECODER.schema

    @property
    def splitting(self) -> None:
        """As the source says."""
        return

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[HttpSource]:
        async with Api.connected(self.settings, Counters.zero()) as api:
            yield HttpSource(api, DECODER, updated_s(SHOP.orders) * 1000)

    async def plan(self, done: Progress) -> Plan:
        """As the source does."""
        async with self._connected() as source:
            return await source.plan(done)

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """As the source does."""
        async with self._connected() as source, aclosing(source.read(partition)) as batches:
            async for batch in batches:
                yield batch


class HttpSourceSuite(SourceSuite):
    """Eleven orders, three to a page, some of them none."""

    shop: ClassVar[ShopSettings] = SHOP
    url: ClassVar[str]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def api(cls) -> Iterator[None]:
        """One for all tests of a class."""
        with in_thread(running(cls.shop)) as server:
            cls.url = server.url
            yield

    def settings(self) -> HttpSettings:
        """How the pages follow each other."""
        raise NotImplementedError

    def make(self) -> Source:
        """Connected anew for everything."""
        return Connecting(self.settings())


AUTH = Auth(bearer="shop-key")


class TestCursor(HttpSourceSuite):
    """The next cursor is in the body, some pages are empty."""

    def settings(self) -> HttpSettings:
        """With a total, and a flag that says whether there is more."""
        cursor = CursorPaging("meta.next_cursor", "cursor")
        url = f"{self.url}/cursor/orders?limit=3"
        return HttpSettings(url=url, rows="data", auth=AUTH, cursor=cursor, more="meta.has_more", total="meta.total", columns=STATED)


class TestNextAddress(HttpSourceSuite):
    """The address of the next page is in the body."""

    def settings(self) -> HttpSettings:
        """Orders are told apart by their ids."""
        paging = CursorPaging("@odata.nextLink")
        return HttpSettings(url=f"{self.url}/next/orders?limit=3", rows="value", auth=AUTH, cursor=paging, key=("id",), columns=STATED)


class TestNumberedPages(HttpSourceSuite):
    """Pages have numbers, and their count is stated."""

    def settings(self) -> HttpSettings:
        """The key is sent as a parameter."""
        auth, url = Auth(query="api_key", value="shop-key"), f"{self.url}/page/orders?per_page=3"
        return HttpSettings(url=url, rows="orders", auth=auth, page=PagePaging(pages="pages"), columns=STATED)


class TestOffsets(HttpSourceSuite):
    """Pages begin behind so many rows, until an empty one."""

    def settings(self) -> HttpSettings:
        """Rows are nested."""
        url, auth = f"{self.url}/offset/orders?limit=3", Auth(user="shop", password="shop-key")
        return HttpSettings(url=url, rows="result.orders", auth=auth, offset=OffsetPaging(), total="count", columns=STATED)


class TestLinks(HttpSourceSuite):
    """The header says where the next page is; the body is the list."""

    def settings(self) -> HttpSettings:
        """The key is a header."""
        auth = Auth(header="X-API-Key", value="shop-key")
        return HttpSettings(url=f"{self.url}/link/orders?per_page=3", auth=auth, link=True, columns=STATED)


class TestPulledByTime(HttpSourceSuite):
    """Only what was changed before the run began, by the API's own clock."""

    shop = ShopSettings(orders=11, seed=3)

    def settings(self) -> HttpSettings:
        """The last two orders are too young."""
        time = TimeFilter("updated_at", "updated_since", "updated_until", lag_s=15)
        return HttpSettings(
            url=f"{self.url}/page/orders?per_page=3", rows="orders", auth=AUTH, page=PagePaging(), time=time, columns=STATED
        )
