"""Records that could not be stored: look at them as they were received, and why; try them again; clear them.

With a pipeline FILE these are the records of that pipeline, wherever its state is kept; with the FOLDER of an ingestion queue, those of its
items that failed for good; without either, those of a PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.cli.limit import add_limit
from penstock.model.counts import counted
from penstock.model.errors import Misconfigured

if TYPE_CHECKING:
    from penstock.ports.bookkeeping import Bookkeeping, Choice, DeadLetter

WIDTH = 100
"""Characters of a record that a list shows."""

ITEM = re.compile(r"\d+-[0-9a-f]{20}-\d+")
"""The id of an item of a queue."""


class OfAQueue(Misconfigured):
    """This is an item of a queue."""

    default_hint = "Name the folder of its queue as well."


class OfOneQueue(Misconfigured):
    """This is no item of that queue."""

    default_hint = "Dead letters of a queue are called by the ids that `penstock dead list FOLDER` shows, one queue at a time."


RETRY = """Read events again that were refused, and store those that can be stored by now; or put items back into their queue.

This is for letters of `penstock extract`, and of an ingestion queue. Records of a pipeline file are read again when the pipeline begins
from nothing: mend its source or its stages, then `penstock state reset FILE` and `penstock run FILE`. Mode upsert or replace takes no row
twice then."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`list`, `show`, `retry` and `clear`."""
    from penstock.cli.place import FILE_HELP, add_place  # noqa: PLC0415 - as light as this module

    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|retry|clear")
    listing = actions.add_parser("list", help="how many there are of each kind, and the newest ones")
    add_limit(listing, "how many of the newest to show")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, for each of the newest")
    show = actions.add_parser("show", help="one of them whole: its bytes on stdout, what is known about it on stderr")
    show.add_argument("id", type=_number_or_item, metavar="ID", help="what the list calls it")
    for action in (listing, show):
        action.add_argument("file", type=Path, nargs="?", metavar="FILE|FOLDER", help=f"{FILE_HELP}; or the folder of a queue")
    what = "read events of an extraction again that were refused, or put items back into their queue"
    retry = actions.add_parser("retry", help=what, description=RETRY, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = "what the list calls them (default: all that fit), and the folder of the queue"
    retry.add_argument("which", type=_word, nargs="*", metavar="ID|FOLDER", help=which)
    clear = actions.add_parser("clear", help="delete letters that are not needed any more; proofs go on counting them")
    which = "what the list calls them (default: all that fit), and the pipeline file, or the folder of the queue"
    clear.add_argument("which", type=_word, nargs="*", metavar="ID|FILE", help=which)
    clear.add_argument("--yes", action="store_true", help="do not ask")
    for action in (retry, clear):
        action.add_argument("--pipeline", metavar="NAME", help="those of one pipeline, such as extract/ingested_events")
        action.add_argument("--reason", metavar="TEXT", help="those refused for exactly this reason")
    for action in (listing, show, retry, clear):
        add_place(action)


def _number_or_item(word: str) -> int | str:
    if ITEM.fullmatch(word):
        return word
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is neither a number nor the id of an item") from None


def _word(word: str) -> int | str | Path:
    from penstock.cli.place import is_file  # noqa: PLC0415 - as light as this module

    if is_file(word) or Path(word).is_dir():
        return Path(word)
    try:
        return _number_or_item(word)
    except argparse.ArgumentTypeError:
        what = "neither a number, nor the id of an item, nor a pipeline file (NAME.toml), nor a folder"
        raise argparse.ArgumentTypeError(f"{word!r} is {what}") from None


def _parted(which: Sequence[int | str | Path]) -> tuple[list[int], list[Path]]:
    if items := [one for one in which if isinstance(one, str)]:
        raise OfAQueue(", ".join(items))
    return [one for one in which if isinstance(one, int)], [one for one in which if isinstance(one, Path)]


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    words = arguments.which if arguments.action in ("retry", "clear") else [getattr(arguments, "id", None), arguments.file]
    folders = [word for word in words if isinstance(word, Path) and word.is_dir()]
    if folders:
        from penstock.cli import letters  # noqa: PLC0415 - a queue is more than its help

        numbers = [str(word) for word in words if isinstance(word, int)]
        if numbers or folders[1:]:
            raise OfOneQueue(", ".join([*numbers, *map(str, folders[1:])]))
        arguments.folder = folders[0]
        letters.run(folders[0], [word for word in words if isinstance(word, str)], arguments)
    else:
        asyncio.run({"list": _list, "show": _show, "retry": _retry, "clear": _clear}[arguments.action](arguments))
    return 0


async def _list(arguments: argparse.Namespace) -> None:
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.cli.place import books  # noqa: PLC0415
    from penstock.ports.bookkeeping import Choice  # noqa: PLC0415 - heavy

    async with books(arguments, arguments.file) as (found, name):
        counts, latest = await found.count(Choice(name)), await found.latest(Choice(name), arguments.limit)
    if arguments.json:
        answer("".join(f"{_json(letter)}\n" for letter in latest))
    else:
        answer("".join(_lines(counts, latest, arguments.file)))


async def _show(arguments: argparse.Namespace) -> None:
    from penstock.cli.place import books  # noqa: PLC0415
    from penstock.ports.bookkeeping import Choice, letter  # noqa: PLC0415 - heavy

    numbers, _ = _parted([arguments.id])
    async with books(arguments, arguments.file) as (found, name):
        one = await letter(found, Choice(name, numbers=numbers))
    sys.stderr.write(f"{one.pipeline}, run {one.run}, {one.refused_at:%Y-%m-%d %H:%M:%S}Z\n{one.reason}{_several(one)}\n{one.origin}\n")
    sys.stderr.flush()
    sys.stdout.buffer.write(one.raw + b"\n")


async def _retry(arguments: argparse.Namespace) -> None:
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.cli.place import database_url  # noqa: PLC0415
    from penstock.extract.letters import NotEvents, retry  # noqa: PLC0415 - heavy
    from penstock.ports.bookkeeping import Choice, chosen, pipeline  # noqa: PLC0415
    from penstock.ports.checkpoints import Pipeline  # noqa: PLC0415
    from penstock.stores.postgres.bookkeeping import PostgresBookkeeping  # noqa: PLC0415
    from penstock.stores.postgres.place import connected  # noqa: PLC0415

    numbers, files = _parted(arguments.which)
    if files:
        raise NotEvents(str(files[0]))
    choice = Choice(arguments.pipeline, arguments.reason, numbers or None)
    async with connected(database_url(arguments)) as connections:
        found = PostgresBookkeeping(connections)
        for name in dict.fromkeys(name for name, _, _ in await chosen(found, choice)):
            state = await pipeline(found, name)
            answer(f"{name}: {await retry(connections, Pipeline(name, state.source), choice)}.\n")


async def _clear(arguments: argparse.Namespace) -> None:
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.cli.place import SaidByFile, books  # noqa: PLC0415
    from penstock.ports.bookkeeping import Choice  # noqa: PLC0415 - heavy

    numbers, files = _parted(arguments.which)
    if files and (files[1:] or arguments.pipeline):
        raise SaidByFile(f"{files[0]} and {files[1] if files[1:] else '--pipeline'}")
    async with books(arguments, files[0] if files else None) as (found, name):
        answer(await _cleared(found, Choice(name or arguments.pipeline, arguments.reason, numbers or None), yes=arguments.yes))


async def _cleared(found: Bookkeeping, choice: Choice, *, yes: bool) -> str:
    from penstock.cli.asking import agreed  # noqa: PLC0415
    from penstock.ports.bookkeeping import chosen  # noqa: PLC0415 - heavy

    counts = await chosen(found, choice)
    sys.stderr.write("".join(_counted(counts)))
    if not agreed(f"Delete these {sum(number for _, _, number in counts):,} records for good?", yes=yes):
        return "Nothing was changed.\n"
    cleared = await found.clear(choice)
    return f"{counted(cleared, 'dead letter')} cleared; proofs go on counting {'it' if cleared == 1 else 'them'} as refused.\n"


def _counted(counts: Sequence[tuple[str, str, int]]) -> Iterator[str]:
    for pipeline, reason, number in counts:
        yield f"{number:>9,}  {pipeline}  {reason}\n"


def _lines(counts: Sequence[tuple[str, str, int]], latest: Sequence[DeadLetter], file: Path | None) -> Iterator[str]:
    if not counts:
        yield "There are no dead letters"
        yield "; `penstock dead list FILE` shows those of a pipeline file.\n" if file is None else f" of {file}.\n"
        return
    yield from _counted(counts)
    yield f"\nThe newest; `penstock dead show ID{'' if file is None else f' {shlex.quote(str(file))}'}` prints one whole:\n"
    for letter in latest:
        yield f"{letter.id:>9}  {letter.reason}{_several(letter)}\n           {_start(letter.raw)}\n"


def _several(letter: DeadLetter) -> str:
    return f" ({letter.records:,} records)" if letter.records > 1 else ""


def _start(raw: bytes) -> str:
    text = ascii(raw.decode(errors="backslashreplace"))[1:-1]
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"


def _json(letter: DeadLetter) -> str:
    facts = {name: getattr(letter, name) for name in ("id", "pipeline", "run", "reason", "origin", "records")}
    return json.dumps(facts | {"refused_at": letter.refused_at.isoformat(), "raw": letter.raw.decode(errors="backslashreplace")})
