"""Say what a run of a pipeline would read, and what of it is stored already. Nothing is moved."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.pipelines.looking import Outlook


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the pipeline file")


def run(arguments: argparse.Namespace) -> int:
    """Plan it."""
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.model.redaction import redacted  # noqa: PLC0415
    from penstock.pipelines.looking import outlook  # noqa: PLC0415 - heavy
    from penstock.pipelines.reading import read  # noqa: PLC0415

    definition = read(arguments.file)
    anew = definition.intake.mode == "replace"
    answer("".join(f"{redacted(line)}\n" for line in _lines(asyncio.run(outlook(definition)), anew=anew)))
    return 0


def _lines(found: Outlook, *, anew: bool) -> Iterator[str]:
    counts, stated = found.counts, None if found.plan is None else found.plan.scope.rows
    yield f"Source: {found.source}"
    yield "Records: " + ("the source does not say how many" if stated is None else f"{stated:,}")
    if found.done.scope is None:
        yield "Stored already: nothing, this pipeline has not run here"
    else:
        stretches = len(found.done.coverage)
        within = f"{stretches} {'stretch' if stretches == 1 else 'stretches'}"
        yield f"Stored already: {counts.stored:,} rows of {counts.received:,} records received, in {within}"
    if found.plan is None:
        yield "To read: what is received, until a run is stopped or the source ends"
    elif partitions := len(found.plan.partitions):
        yield f"To read: {partitions} {'partition' if partitions == 1 else 'partitions'}"
    elif anew:
        yield "To read: everything; the last run is complete, and mode replace begins anew"
    else:
        yield "To read: nothing"
