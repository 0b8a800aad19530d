"""Check a pipeline file: list everything that is wrong with it, then dial both ends. Nothing is moved."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.pipelines.looking import Seen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and whether anything may be dialled."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the pipeline file")
    parser.add_argument("--offline", action="store_true", help="look at the file only, dial nothing")


def run(arguments: argparse.Namespace) -> int:
    """Check it."""
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.model.redaction import redacted  # noqa: PLC0415
    from penstock.pipelines.looking import look  # noqa: PLC0415 - heavy
    from penstock.pipelines.reading import read  # noqa: PLC0415

    definition = read(arguments.file)
    answer(f"{arguments.file}: nothing is wrong with the file.\n")
    if not arguments.offline:
        sink = asyncio.run(look(definition, lambda seen: answer("".join(f"{redacted(line)}\n" for line in _lines(seen)))))
        answer(
            f"The sink answers: {redacted(sink)}\n" if sink else "The sink is asked with the first records: their columns have to fit.\n"
        )
    return 0


def _lines(seen: Seen) -> Iterator[str]:
    yield f"The source answers: {seen.source}"
    if seen.columns is None or seen.stored is None:
        yield "  its columns are learned from the first records that it receives"
        return
    yield from _columns(seen.columns)
    if not seen.stored.equals(seen.columns):
        yield "After the stages:"
        yield from _columns(seen.stored)


def _columns(schema: pa.Schema) -> Iterator[str]:
    from penstock.stores.columns import said  # noqa: PLC0415 - heavy

    width = max((len(name) for name in schema.names), default=0)
    for field in schema:
        yield f"  {field.name:<{width}}  {said(field)}{'' if field.nullable else ', never null'}"
