"""The options of `penstock simulate shop`, light enough for `--help`."""

from __future__ import annotations

import argparse
from typing import get_args

from penstock.simulate.faults import PROFILES
from penstock.simulate.shop.settings import Order, ShopSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every option of the simulated shop to `parser`."""
    _server(parser.add_argument_group("the server"))
    _orders(parser.add_argument_group("the orders"))
    _troubles(parser.add_argument_group("troubles"))


def settings_from(arguments: argparse.Namespace) -> ShopSettings:
    """The settings that parsed `arguments` describe.

    Raises:
        Misconfigured: when they lie out of range.
    """
    return ShopSettings(
        orders=arguments.orders,
        seed=arguments.seed,
        key=arguments.api_key,
        first=arguments.first,
        live=arguments.live,
        undecodable=arguments.undecodable,
        empty_pages=arguments.empty_pages,
        total_off=arguments.total_off,
        budget=arguments.rate_limit,
        silent=arguments.silent,
        cursor_ttl_s=arguments.cursor_ttl,
        faults=PROFILES[arguments.faults],
    )


def _server(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    group.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes any free one (default: %(default)s)")
    group.add_argument("--die-with-parent", action="store_true", help="end when the process that started this one ends")
    group.add_argument(
        "--api-key", default="shop-key", metavar="KEY", help="key that clients send, as a bearer, in X-API-Key, as ?api_key=, or basic"
    )


def _orders(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--orders", type=int, default=1_000, metavar="N", help="number of orders (default: %(default)s)")
    group.add_argument("--seed", type=int, default=1, help="the same seed gives the same orders everywhere (default: %(default)s)")
    group.add_argument("--first", choices=get_args(Order), default="oldest", help="what a listing begins with (default: %(default)s)")
    group.add_argument("--live", type=int, default=0, metavar="N", help="let N more orders come in, one with each page (default: none)")
    group.add_argument("--undecodable", type=float, default=0.0, metavar="SHARE", help="share of orders that are no objects")


def _troubles(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--faults", choices=list(PROFILES), default="none", help="how much goes wrong (default: %(default)s)")
    group.add_argument("--empty-pages", type=float, default=0.0, metavar="SHARE", help="share of pages that are empty and lead on")
    group.add_argument("--total-off", type=int, default=0, metavar="N", help="state totals that are N too high")
    group.add_argument("--cursor-ttl", type=float, default=3_600.0, metavar="SECONDS", help="life of a cursor (default: %(default)s)")
    group.add_argument("--rate-limit", type=_budget, metavar="N/SECONDS", help="requests that a window admits, such as 10/60")
    group.add_argument("--silent", action="store_true", help="refuse with 429 without ever stating a limit")


def _budget(text: str) -> tuple[int, float]:
    requests, _, window_s = text.partition("/")
    try:
        return int(requests), float(window_s)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not requests/seconds, such as 10/60") from error
