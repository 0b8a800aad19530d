"""Serve a stand-in for a system that cannot be installed, on loopback, until it is stopped."""

from __future__ import annotations

import argparse

from penstock.simulate import options
from penstock.simulate.shop import options as shop_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each stand-in."""
    systems = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")
    options.add_arguments(systems.add_parser("datasync", help="the DataSync analytics API", description="Serve a simulated DataSync API."))
    shop = systems.add_parser("shop", help="an API of orders, paged in every way there is", description="Serve a simulated shop's API.")
    shop_options.add_arguments(shop)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    place = {"host": arguments.host, "port": arguments.port, "die_with_parent": arguments.die_with_parent}
    if arguments.system == "shop":
        orders = shop_options.settings_from(arguments)
        from penstock.simulate.shop.serve import serve as serve_shop  # noqa: PLC0415 - heavy

        return serve_shop(orders, **place)
    settings = options.settings_from(arguments)
    from penstock.simulate.datasync import serve  # noqa: PLC0415 - heavy

    return serve(settings, **place)
