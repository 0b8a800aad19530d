"""Serve a stand-in for a system that cannot be installed, on loopback, until it is stopped."""

from __future__ import annotations

import argparse

from penstock.simulate import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each stand-in."""
    systems = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")
    options.add_arguments(systems.add_parser("datasync", help="the DataSync analytics API", description="Serve a simulated DataSync API."))


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = options.settings_from(arguments)
    from penstock.simulate.datasync import serve  # noqa: PLC0415 - heavy

    return serve(settings, host=arguments.host, port=arguments.port, die_with_parent=arguments.die_with_parent)
