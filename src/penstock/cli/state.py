"""What is known of pipelines: what is stored, what is missing, who is at work; and begin one from nothing.

With a pipeline FILE this is the pipeline of that file, wherever its state is kept; without one, those of a PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.cli.losses import lost
from penstock.model.counts import counted

if TYPE_CHECKING:
    from penstock.ports.bookkeeping import Bookkeeping, State


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`list`, `show` and `reset`."""
    from penstock.cli.place import add_file, add_place  # noqa: PLC0415 - as light as this module

    name = "a pipeline of the database, such as extract/ingested_events; or a pipeline file, to look where that one keeps its state"
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|reset")
    listing = actions.add_parser("list", help="all pipelines of the database, or the one of a file, a line each")
    listing.add_argument("--json", action="store_true", help="one JSON object a line instead")
    add_file(listing)
    show = actions.add_parser("show", help="one of them: its source, table, coverage, lease and last runs")
    show.add_argument("name", metavar="NAME|FILE", help=name)
    show.add_argument("--json", action="store_true", help="one JSON object instead")
    reset = actions.add_parser("reset", help="forget its positions, dead letters and history, so that it begins from nothing")
    reset.add_argument("name", metavar="NAME|FILE", help=name)
    reset.add_argument("--drop-table", action="store_true", help="drop the PostgreSQL table too that it made, with all rows in it")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    for action in (listing, show, reset):
        add_place(action)


def run(arguments: argparse.Namespace) -> int:
    """Show or forget."""
    asyncio.run({"list": _list, "show": _show, "reset": _reset}[arguments.action](arguments))
    return 0


async def _list(arguments: argparse.Namespace) -> None:
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.cli.place import books  # noqa: PLC0415

    async with books(arguments, arguments.file) as (found, name):
        states = await found.pipelines(name)
    if arguments.json:
        answer("".join(f"{json.dumps(as_json(state))}\n" for state in states))
    else:
        answer("".join(f"{_line(state)}\n" for state in states) or _nothing(arguments.file))


def _nothing(file: Path | None) -> str:
    if file is not None:
        return f"{file} has not run yet.\n"
    return "There are no pipelines yet; `penstock state list FILE` shows the one of a pipeline file.\n"


async def _show(arguments: argparse.Namespace) -> None:
    from penstock.cli import answer  # noqa: PLC0415

    async with _named(arguments) as (_, state):
        answer(f"{json.dumps(as_json(state))}\n" if arguments.json else "".join(f"{line}\n" for line in _shown(state)))


async def _reset(arguments: argparse.Namespace) -> None:
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.cli.asking import agreed  # noqa: PLC0415

    async with _named(arguments) as (found, state):
        table = f" and drop the table {state.table}" if arguments.drop_table and state.table else ""
        kept = f"{state.sums.stored:,} rows' positions, {counted(state.dead_letters, 'dead letter')} and its history"
        if not agreed(f"Forget {state.name}: {kept}{table}?", yes=arguments.yes):
            answer("Nothing was changed.\n")
            return
        dropped = await found.reset(state, drop_table=arguments.drop_table)
    answer(f"Forgotten: {state.name}. {_after(state, dropped=dropped, asked=arguments.drop_table)}\n")


@asynccontextmanager
async def _named(arguments: argparse.Namespace) -> AsyncIterator[tuple[Bookkeeping, State]]:
    """The pipeline of a file or of a name, and the books in which it is."""
    from penstock.cli.place import books, is_file  # noqa: PLC0415
    from penstock.ports.bookkeeping import pipeline  # noqa: PLC0415 - heavy

    async with books(arguments, Path(arguments.name) if is_file(arguments.name) else None) as (found, name):
        yield found, await pipeline(found, name or arguments.name)


def _after(state: State, *, dropped: bool, asked: bool) -> str:
    """What became of the rows, and what the next run makes of that."""
    if dropped:
        return f"The table {state.table} was dropped: the next run begins from nothing."
    if state.file is not None:
        return f"{state.file} stays as it is, and the next run refuses to write to it: remove it first, or put it away."
    if state.table is None:
        return "What it had stored, if anything, stays where it is."
    if asked:
        return f"The table {state.table} was not dropped: this pipeline did not make it, or it is gone."
    if state.name.startswith("extract/"):
        return f"The table {state.table} stays as it is. A run that makes its own table refuses to write to it: drop or rename it first."
    return (
        f"The table {state.table} stays as it is, and the next run writes all rows again: in mode append beside those that are there,"
        " in mode upsert or replace in their place."
    )


def as_json(state: State) -> Mapping[str, Any]:
    """The documented object of --json."""
    scope, sums = state.progress.scope, state.sums
    return {
        "name": state.name,
        "source": state.source,
        "table": state.table,
        "file": state.file,
        "rows_expected": None if scope is None else scope.rows,
        "rows_received": sums.received,
        "rows_stored": sums.stored,
        "rows_refused": sums.refused,
        "rows_shed": sums.shed,
        "lost": [asdict(loss) for loss in state.progress.lost],
        "stretches": len(state.progress.coverage),
        "gaps": state.gaps,
        "dead_letters": state.dead_letters,
        "dead_letters_cleared": state.cleared,
        "lease": state.lease,
        "holder": None if state.holder is None else str(state.holder),
        "silent_seconds": None if state.holder is None else round(state.silent_s, 1),
        "runs": [
            {
                "number": past.number,
                "state": past.state,
                "message": past.message,
                "began": past.began.isoformat(),
                "ended": None if past.ended is None else past.ended.isoformat(),
            }
            for past in state.runs
        ],
    }


def _line(state: State) -> str:
    last = f"last run {state.runs[0].state}" if state.runs else "never run"
    return f"{state.name}: {counted(state.sums.stored, 'row')} stored, {_missing(state)}; {last}"


def _missing(state: State) -> str:
    if state.gaps is None:
        return "nothing planned yet"
    return f"{counted(state.gaps, 'stretch', 'stretches')} missing" if state.gaps else "nothing missing"


def _shown(state: State) -> Iterator[str]:
    sums, scope = state.sums, state.progress.scope
    yield f"{state.name}, from {state.source}"
    yield f"  file          {state.file}" if state.file else f"  table         {state.table or 'none yet'}"
    became = f"{sums.stored:,} stored, {sums.refused:,} refused, {counted(sums.duplicate, 'duplicate')}"
    expected = "" if scope is None or scope.rows is None else f" of {scope.rows:,}"
    yield f"  received      {sums.received:,}{expected}: {became}"
    yield f"  coverage      {counted(len(state.progress.coverage), 'stretch', 'stretches')}, {_missing(state)}"
    yield from (f"  lost          {lost(loss)}" for loss in state.progress.lost)
    yield f"  dead letters  {state.dead_letters:,} kept, {state.cleared:,} cleared"
    yield f"  lease         {_lease(state)}"
    for past in state.runs:
        yield f"  run {past.number:<9} {past.began:%Y-%m-%d %H:%M:%S}Z {past.state}{f': {past.message}' if past.message else ''}"


def _lease(state: State) -> str:
    if state.holder is None:
        return "free"
    word = {"held": "at work", "dead": "gone, the next run replaces it"}.get(state.lease, "silent, the next run replaces it")
    return f"{state.holder}, heard of {state.silent_s:.0f} s ago: {word}"
