"""Records that could not be stored: look at them as they were received, and why; try them again; clear them."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.stores.postgres.dead_letters import Choice, DeadLetter, DeadLetters

WIDTH = 100
"""Characters of a record that a list shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`list`, `show`, `retry` and `clear`."""
    from penstock.cli.place import add_place  # noqa: PLC0415 - as light as this module

    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="how many there are of each kind, and the newest ones")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="how many of the newest to show (default: 20)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, for each of the newest")
    show = actions.add_parser("show", help="one of them whole: its bytes on stdout, what is known about it on stderr")
    show.add_argument("id", type=int, help="its number in the list")
    retry = actions.add_parser("retry", help="read events again that were refused, and store those that can be stored by now")
    _add_choice(retry)
    clear = actions.add_parser("clear", help="delete letters that are not needed any more; proofs go on counting them")
    _add_choice(clear)
    clear.add_argument("--yes", action="store_true", help="do not ask")
    for action in (listing, show, retry, clear):
        add_place(action)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", type=int, nargs="*", metavar="ID", help="their numbers in the list (default: all that fit)")
    parser.add_argument("--pipeline", metavar="NAME", help="those of one pipeline, such as extract/ingested_events")
    parser.add_argument("--reason", metavar="TEXT", help="those refused for exactly this reason")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.cli.place import database_url  # noqa: PLC0415
    from penstock.stores.postgres.dead_letters import DeadLetters  # noqa: PLC0415
    from penstock.stores.postgres.place import connected  # noqa: PLC0415 - heavy

    async with connected(database_url(arguments)) as connections:
        letters = DeadLetters(connections)
        if arguments.action == "retry":
            answer(await _retry(letters, _choice(arguments)))
        elif arguments.action == "clear":
            answer(await _clear(letters, _choice(arguments), yes=arguments.yes))
        elif arguments.action == "show":
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


def _choice(arguments: argparse.Namespace) -> Choice:
    from penstock.stores.postgres.dead_letters import Choice  # noqa: PLC0415

    return Choice(arguments.pipeline, arguments.reason, arguments.ids or None)


async def _retry(letters: DeadLetters, choice: Choice) -> str:
    from penstock.extract.letters import retry  # noqa: PLC0415
    from penstock.ports.checkpoints import Pipeline  # noqa: PLC0415
    from penstock.stores.postgres.states import States  # noqa: PLC0415

    lines = []
    for name in dict.fromkeys(pipeline for pipeline, _, _ in await letters.chosen(choice)):
        state = await States(letters.connections).one(name)
        lines.append(f"{name}: {await retry(letters.connections, Pipeline(name, state.source), choice)}.\n")
    return "".join(lines)


async def _clear(letters: DeadLetters, choice: Choice, *, yes: bool) -> str:
    from penstock.cli.asking import agreed  # noqa: PLC0415

    found = await letters.chosen(choice)
    sys.stderr.write("".join(_counted(found)))
    if not agreed(f"Delete these {sum(number for _, _, number in found):,} records for good?", yes=yes):
        return "Nothing was changed.\n"
    return f"{await letters.clear(choice):,} dead letters cleared; proofs go on counting them as refused.\n"


def _counted(counts: Sequence[tuple[str, str, int]]) -> Iterator[str]:
    for pipeline, reason, number in counts:
        yield f"{number:>9,}  {pipeline}  {reason}\n"


def _lines(counts: Sequence[tuple[str, str, int]], latest: Sequence[DeadLetter]) -> Iterator[str]:
    if not counts:
        yield "There are no dead letters.\n"
        return
    yield from _counted(counts)
    yield "\nThe newest; `penstock dead show ID` prints one whole:\n"
    for letter in latest:
        yield f"{letter.id:>9}  {letter.reason}\n           {_start(letter.raw)}\n"


def _start(raw: bytes) -> str:
    text = raw.decode(errors="backslashreplace")
    return ascii(text)[1 : WIDTH - 1] + ("…" if len(text) > WIDTH else "")


def _json(letter: DeadLetter) -> str:
    facts = {name: getattr(letter, name) for name in ("id", "pipeline", "run", "reason", "origin")}
    return json.dumps(facts | {"refused_at": letter.refused_at.isoformat(), "raw": letter.raw.decode(errors="backslashreplace")})
