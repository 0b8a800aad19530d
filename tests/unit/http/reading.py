"""Reading an API to its end, and what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
from aiohttp import web

from penstock.model.coverage import Interval
from penstock.model.metrics import Counters
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Plan, Progress
from penstock.simulate.shop.serve import Server
from penstock.stores.http.settings import Auth, CursorPaging, HttpSettings, OffsetPaging, PagePaging, TimeFilter
from penstock.stores.http.source import HttpSource, opened
from tests.unit.extract.answering import Answer, Answering

COLUMNS = {"id": "int64", "amount": "float64", "items": "json"} | dict.fromkeys(("customer", "status", "note", "updated_at"), "string")
SCHEMES: dict[str, dict[str, object]] = {
    "cursor": {"rows": "data", "cursor": CursorPaging("meta.next_cursor", "cursor"), "more": "meta.has_more"},
    "next": {"rows": "value", "cursor": CursorPaging("@odata.nextLink")},
    "page": {"rows": "orders", "page": PagePaging()},
    "offset": {"rows": "result.orders", "offset": OffsetPaging()},
    "link": {"link": True},
}
SIZES = {"cursor": "limit", "next": "limit", "page": "per_page", "offset": "limit", "link": "per_page"}
SINCE = TimeFilter("updated_at", "updated_since", "updated_until", lag_s=0)


def of(server: Server, scheme: str, size: int = 5, **more: object) -> HttpSettings:
    """The orders of a shop, `size` to a page."""
    url = f"{server.url}/{scheme}/orders?{SIZES[scheme]}={size}"
    return HttpSettings(url=url, auth=Auth(bearer="shop-key"), columns=COLUMNS, **{**SCHEMES[scheme], **more})  # type: ignore[arg-type]


async def batches(source: HttpSource, partition: Partition) -> list[Batch]:
    """All of a partition."""
    return [batch async for batch in source.read(partition)]


async def read(settings: HttpSettings, done: Progress | None = None) -> tuple[Progress, list[Batch]]:
    """One run to its end: what is covered then, and what was read."""
    done, found = done or Progress(), list[Batch]()
    async with opened(settings, Counters.zero()) as source:
        while (plan := await source.plan(done)).partitions:
            for partition in plan.partitions:
                found += await batches(source, partition)
            done = whole(plan)
    return done, found


def whole(plan: Plan) -> Progress:
    """All of the scope is stored."""
    return Progress(plan.scope, (Interval(plan.scope.span.start, plan.scope.span.end),))


def up_to(plan: Plan, batch: Batch) -> Progress:
    """What is stored once a batch is."""
    return Progress(plan.scope, (Interval(plan.scope.span.start, batch.upto),))


def ids(found: Iterable[Batch]) -> Counter[int]:
    """The orders that were read, and how often."""
    return Counter(number for batch in found for number in batch.rows.column("id").to_pylist())


def once(orders: int) -> Counter[int]:
    """Each order once."""
    return Counter(range(1, orders + 1))


@asynccontextmanager
async def answering(answers: Sequence[Answer], **more: object) -> AsyncIterator[tuple[Answering, HttpSettings]]:
    """A server on loopback that answers as it is told, at any path, and the settings of it."""
    server = Answering(list(answers))
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        given = {"url": f"http://{host}:{port}/rows", "rows": "data", "columns": {"id": "int64"}} | more
        yield server, HttpSettings(**given)  # type: ignore[arg-type]
    finally:
        server.held.set()
        await runner.cleanup()


def told(*numbers: int, **members: object) -> Answer:
    """A page with rows of these ids."""
    return Answer(body=msgspec.json.encode({"data": [{"id": number} for number in numbers], **members}))


def at(settings: HttpSettings, path: str) -> HttpSettings:
    """The same at another path."""
    return replace(settings, url=settings.url.removesuffix("/rows") + path)
