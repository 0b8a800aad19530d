"""The simulated shop is strict, the same every time, and troubled only as it is told."""

from __future__ import annotations

import argparse
import base64
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from penstock.model.errors import Misconfigured
from penstock.simulate.faults import PROFILES
from penstock.simulate.shop import options
from penstock.simulate.shop.orders import first_since, order, updated_s
from penstock.simulate.shop.serve import Server, running
from penstock.simulate.shop.settings import ShopSettings

KEY = {"X-API-Key": "shop-key"}


@asynccontextmanager
async def asking(settings: ShopSettings) -> AsyncIterator[tuple[Server, aiohttp.ClientSession]]:
    """A shop, and a client with its key."""
    async with running(settings) as server, aiohttp.ClientSession(server.url, headers=KEY) as session:
        yield server, session


async def body(session: aiohttp.ClientSession, path: str, **query: object) -> Any:  # noqa: ANN401 - it is JSON
    """The body of a page."""
    async with session.get(path, params={name: str(value) for name, value in query.items()}) as response:
        assert response.status == 200
        return await response.json()


async def test_the_same_orders_everywhere() -> None:
    """Each listing holds the same orders, which are those of the seed."""
    async with asking(ShopSettings(orders=3, seed=7)) as (server, session):
        listed = [
            (await body(session, "/cursor/orders"))["data"],
            (await body(session, "/next/orders"))["value"],
            (await body(session, "/page/orders"))["orders"],
            (await body(session, "/offset/orders"))["result"]["orders"],
            await body(session, "/link/orders"),
        ]

    assert listed == [[order(number, server.shop.settings) for number in range(3)]] * 5


async def test_an_order_that_is_filtered_by_time() -> None:
    """The first moment belongs to what is asked for, the last one does not."""
    window = {"updated_since": "2024-01-01T00:00:20Z", "updated_until": updated_s(5)}
    async with asking(ShopSettings(orders=9)) as (_, session):
        found = await body(session, "/link/orders", **window)

    assert [one["id"] for one in found] == [3, 4, 5]
    assert [first_since(updated_s(number)) for number in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"Authorization": "Bearer shop-key"}, "", 200),
        ({"Authorization": f"Basic {base64.b64encode(b'shop:shop-key').decode()}"}, "", 200),
        ({}, "?api_key=shop-key", 200),
        ({}, "", 401),
        ({"Authorization": "Bearer other"}, "", 401),
        ({"X-API-Key": "other"}, "", 401),
        (KEY, "?limit=0", 400),
        (KEY, "?limit=x", 400),
        (KEY, "?cursor=x", 400),
        (KEY, "?page=2", 400),
        (KEY, "?updated_since=soon", 400),
    ],
)
async def test_strictness(headers: Mapping[str, str], query: str, status: int) -> None:
    """Only those with the key get something, and only for parameters that there are."""
    async with (
        running(ShopSettings(orders=1)) as server,
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{server.url}/cursor/orders{query}") as response,
    ):
        assert response.status == status


async def test_nothing_else() -> None:
    """There is nothing but the listings, and they are only read."""
    async with asking(ShopSettings()) as (_, session):
        async with session.get("/orders") as response:
            assert response.status == 404
        async with session.post("/link/orders") as response:
            assert response.status == 405


async def test_a_budget() -> None:
    """Requests past the budget are refused; the headers say how it stands, unless it is silent about it."""
    for silent in (False, True):
        async with asking(ShopSettings(budget=(1, 60.0), silent=silent)) as (_, session):
            seen = []
            for _ in range(2):
                async with session.get("/link/orders") as response:
                    seen.append((response.status, response.headers.get("X-RateLimit-Remaining")))

        assert seen == [(200, None if silent else "0"), (429, None if silent else "0")]


async def test_troubles_are_the_same_every_time() -> None:
    """The same seed meets the same troubles."""

    async def troubles() -> Mapping[str, int]:
        async with asking(ShopSettings(orders=100, faults=PROFILES["hostile"])) as (server, session):
            for first in range(0, 100, 5):
                try:
                    async with session.get("/offset/orders", params={"offset": str(first), "limit": "5"}) as response:
                        await response.read()
                except aiohttp.ClientError:
                    continue
            return dict(server.shop.troubles)

    assert await troubles() == await troubles() != {}


@pytest.mark.parametrize(
    "settings",
    [
        {"orders": -1},
        {"live": -1},
        {"undecodable": 1.5},
        {"empty_pages": 1.0},
        {"first": "best"},
        {"budget": (0, 1.0)},
        {"cursor_ttl_s": 0},
    ],
)
def test_settings_out_of_range(settings: Mapping[str, Any]) -> None:
    """What makes no sense is told."""
    with pytest.raises(Misconfigured):
        ShopSettings(**settings)


def test_options() -> None:
    """Every setting has its option."""
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    given = "--orders 5 --seed 2 --api-key k --first newest --live 3 --undecodable 0.1 --faults rough --empty-pages 0.2 --total-off 1"

    parsed = options.settings_from(parser.parse_args([*given.split(), "--cursor-ttl", "9", "--rate-limit", "10/60", "--silent"]))

    assert parsed == ShopSettings(
        orders=5,
        seed=2,
        key="k",
        first="newest",
        live=3,
        undecodable=0.1,
        faults=PROFILES["rough"],
        empty_pages=0.2,
        total_off=1,
        cursor_ttl_s=9,
        budget=(10, 60.0),
        silent=True,
    )
    with pytest.raises(SystemExit):
        parser.parse_args(["--rate-limit", "often"])


def test_the_command() -> None:
    """`penstock simulate shop` says in one line of JSON where it is, and ends with SIGTERM."""
    command = [sys.executable, "-m", "penstock", "simulate", "shop", "--orders", "3", "--die-with-parent"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=20) == 143

    assert ready["listings"][0] == f"{ready['url']}/cursor/orders"
    assert (ready["api_key"], ready["orders"], ready["seed"]) == ("shop-key", 3, 1)
