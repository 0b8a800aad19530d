"""Look at records that could not be stored: as they were received, and why."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.stores.postgres.dead_letters import DeadLetter

WIDTH = 100
"""Characters of a record that a list shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`list` and `show`."""
    parser.add_argument("--database-url", metavar="URL", help="the PostgreSQL they are in (default: DATABASE_URL, else the embedded one)")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with settings (default: .env)")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="how many there are of each kind, and the newest ones")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="how many of the newest to show (default: 20)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, for each of the newest")
    show = actions.add_parser("show", help="one of them whole: its bytes on stdout, what is known about it on stderr")
    show.add_argument("id", type=int, help="its number in the list")


def run(arguments: argparse.Namespace) -> int:
    """Show them."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.engine import configuration  # noqa: PLC0415
    from penstock.extract.settings import ExtractSettings  # noqa: PLC0415
    from penstock.stores.postgres.dead_letters import DeadLetters  # noqa: PLC0415
    from penstock.stores.postgres.place import connected  # noqa: PLC0415 - heavy

    given = configuration.gather(ExtractSettings, {"database_url": arguments.database_url}, env_file=arguments.env_file)
    url = given["database_url"].value if "database_url" in given else None
    async with connected(url) as connections:
        letters = DeadLetters(connections)
        if arguments.action == "show":
            letter = await letters.one(arguments.id)
            sys.stderr.write(
                f"{letter.pipeline}, run {letter.run}, {letter.refused_at:%Y-%m-%d %H:%M:%S}Z\n{letter.reason}\n{letter.origin}\n"
            )
            sys.stderr.flush()
            sys.stdout.buffer.write(letter.raw + b"\n")
        elif arguments.json:
            answer("".join(f"{_json(letter)}\n" for letter in await letters.latest(arguments.limit)))
        else:
            answer("".join(_lines(await letters.count(), await letters.latest(arguments.limit))))
    return 0


def _lines(counts: Sequence[tuple[str, str, int]], latest: Sequence[DeadLetter]) -> Iterator[str]:
    if not counts:
        yield "There are no dead letters.\n"
        return
    for pipeline, reason, number in counts:
        yield f"{number:>9,}  {pipeline}  {reason}\n"
    yield "\nThe newest; `penstock dead show ID` prints one whole:\n"
    for letter in latest:
        yield f"{letter.id:>9}  {letter.reason}\n           {_start(letter.raw)}\n"


def _start(raw: bytes) -> str:
    text = raw.decode(errors="backslashreplace")
    return ascii(text)[1 : WIDTH - 1] + ("…" if len(text) > WIDTH else "")


def _json(letter: DeadLetter) -> str:
    facts = {name: getattr(letter, name) for name in ("id", "pipeline", "run", "reason", "origin")}
    return json.dumps(facts | {"refused_at": letter.refused_at.isoformat(), "raw": letter.raw.decode(errors="backslashreplace")})
