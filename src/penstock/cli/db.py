"""The embedded PostgreSQL. It runs while a command needs it; `start` leaves it running until `stop`."""

from __future__ import annotations

import argparse

ACTIONS = {
    "url": "print the address of the running server, with its password",
    "shell": "psql on it; what follows goes to psql, such as: penstock db shell -c 'select 1'",
    "start": "start it and leave it running",
    "stop": "stop it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="url|shell|start|stop")
    for name, text in ACTIONS.items():
        if name == "shell":
            shell = actions.add_parser(name, help=text, add_help=False, prefix_chars="\0")
            shell.add_argument("psql", nargs="*")
        else:
            actions.add_parser(name, help=text, description=text)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from penstock.stores.postgres.embedded import commands  # noqa: PLC0415 - heavy
    from penstock.stores.postgres.embedded.settings import EmbeddedSettings  # noqa: PLC0415

    settings = EmbeddedSettings.from_environment()
    if arguments.action == "shell":
        return commands.shell(settings, arguments.psql)
    return {"url": commands.url, "start": commands.start, "stop": commands.stop}[arguments.action](settings)
