"""`penstock simulate shop`: the simulated shop as a process, and inside a test's event loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from penstock.simulate.listing import Clock
from penstock.simulate.loopback import LOOPBACK, listening, serving, until_stopped
from penstock.simulate.shop.api import Shop
from penstock.simulate.shop.schemes import SCHEMES
from penstock.simulate.shop.settings import ShopSettings


@dataclass(frozen=True, slots=True)
class Server:
    """A simulated shop that answers at `url`."""

    url: str
    shop: Shop


@contextlib.asynccontextmanager
async def running(settings: ShopSettings, *, host: str = LOOPBACK, port: int = 0, clock: Clock | None = None) -> AsyncIterator[Server]:
    """A simulated shop in this event loop, until the block is left; port 0 takes any free one.

    Raises:
        Misconfigured: when `host` is not a loopback address, or the port is taken.
    """
    shop = Shop(settings, clock or Clock())
    with listening(host, port) as listener:
        async with serving(shop, listener, dated=False) as url:
            yield Server(url, shop)


def serve(settings: ShopSettings, *, host: str = LOOPBACK, port: int = 0, die_with_parent: bool = False) -> int:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says when it is ready and where. Returns the exit code, 143 or 130.

    Raises:
        Misconfigured: as `running`.
    """
    return until_stopped(_ready(settings, host, port), die_with_parent=die_with_parent)


@contextlib.asynccontextmanager
async def _ready(settings: ShopSettings, host: str, port: int) -> AsyncIterator[dict[str, object]]:
    async with running(settings, host=host, port=port) as server:
        listings = [server.url + path for path in SCHEMES]
        yield {"url": server.url, "api_key": settings.key, "orders": settings.orders, "seed": settings.seed, "listings": listings}
