"""What a database knows of its pipelines: what is stored, what is missing, who is at work; and begin one from nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.stores.postgres.states import State, States


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`list`, `show` and `reset`."""
    from penstock.cli.place import add_place  # noqa: PLC0415 - as light as this module

    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="all pipelines of the database, a line each")
    listing.add_argument("--json", action="store_true", help="one JSON object a line instead")
    show = actions.add_parser("show", help="one of them: its source, table, coverage, lease and last runs")
    show.add_argument("name", metavar="NAME", help="such as extract/ingested_events")
    show.add_argument("--json", action="store_true", help="one JSON object instead")
    reset = actions.add_parser("reset", help="forget its positions, dead letters and history, so that it begins from nothing")
    reset.add_argument("name", metavar="NAME", help="such as extract/ingested_events")
    reset.add_argument("--drop-table", action="store_true", help="drop the table too that it made, with all rows in it")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    for action in (listing, show, reset):
        add_place(action)


def run(arguments: argparse.Namespace) -> int:
    """Show or forget."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.cli.place import database_url  # noqa: PLC0415
    from penstock.stores.postgres.place import connected  # noqa: PLC0415 - heavy
    from penstock.stores.postgres.states import States  # noqa: PLC0415

    async with connected(database_url(arguments)) as connections:
        states = States(connections)
        if arguments.action == "reset":
            answer(await _reset(states, arguments))
            return 0
        found = await states.all() if arguments.action == "list" else [await states.one(arguments.name)]
    if arguments.json:
        answer("".join(f"{json.dumps(as_json(state))}\n" for state in found))
    elif arguments.action == "show":
        answer("".join(f"{line}\n" for line in _shown(found[0])))
    else:
        answer("".join(f"{line}\n" for line in map(_line, found)) or "There are no pipelines yet.\n")
    return 0


async def _reset(states: States, arguments: argparse.Namespace) -> str:
    from penstock.cli.asking import agreed  # noqa: PLC0415

    state = await states.one(arguments.name)
    table = f" and drop the table {state.table}" if arguments.drop_table and state.table else ""
    kept = f"{state.sums.stored:,} rows' positions, {state.dead_letters:,} dead letters and its history"
    if not agreed(f"Forget {state.name}: {kept}{table}?", yes=arguments.yes):
        return "Nothing was changed.\n"
    dropped = await states.reset(state, drop_table=arguments.drop_table)
    return f"Forgotten: {state.name}. {_table_after(state, dropped=dropped, asked=arguments.drop_table)}\n"


def _table_after(state: State, *, dropped: bool, asked: bool) -> str:
    if state.table is None:
        return "It had no table."
    if dropped:
        return f"The table {state.table} was dropped: the next run begins from nothing."
    if asked:
        return f"The table {state.table} was not dropped: this pipeline did not make it, or it is gone."
    return f"The table {state.table} stays as it is. A run that makes its own table refuses to write to it: drop or rename it first."


def as_json(state: State) -> Mapping[str, Any]:
    """The documented object of --json."""
    scope, sums = state.progress.scope, state.sums
    return {
        "name": state.name,
        "source": state.source,
        "table": state.table,
        "rows_expected": None if scope is None else scope.rows,
        "rows_received": sums.received,
        "rows_stored": sums.stored,
        "rows_refused": sums.refused,
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
    return f"{state.name}: {state.sums.stored:,} rows stored, {_missing(state)}; {last}"


def _missing(state: State) -> str:
    if state.gaps is None:
        return "nothing planned yet"
    return f"{state.gaps} stretches missing" if state.gaps else "nothing missing"


def _shown(state: State) -> Iterator[str]:
    sums, scope = state.sums, state.progress.scope
    yield f"{state.name}, from {state.source}"
    yield f"  table         {state.table or 'none yet'}"
    expected = "" if scope is None or scope.rows is None else f" of {scope.rows:,}"
    yield f"  received      {sums.received:,}{expected}: {sums.stored:,} stored, {sums.refused:,} refused, {sums.duplicate:,} duplicates"
    yield f"  coverage      {len(state.progress.coverage)} stretches, {_missing(state)}"
    yield f"  dead letters  {state.dead_letters:,} kept, {state.cleared:,} cleared"
    yield f"  lease         {_lease(state)}"
    for past in state.runs:
        yield f"  run {past.number:<9} {past.began:%Y-%m-%d %H:%M:%S}Z {past.state}{f': {past.message}' if past.message else ''}"


def _lease(state: State) -> str:
    if state.holder is None:
        return "free"
    word = {"held": "at work", "dead": "gone, the next run replaces it"}.get(state.lease, "silent, the next run replaces it")
    return f"{state.holder}, heard of {state.silent_s:.0f} s ago: {word}"
