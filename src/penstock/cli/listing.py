"""List the pipelines of a folder, and how the last run of each one ended on this machine."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="DIR", help="the folder (default: this one)")


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    from penstock.cli import answer  # noqa: PLC0415

    lines = [_line(file) for file, document in _found(arguments.folder) if document]
    answer("".join(f"{line}\n" for line in lines) or f"There are no pipeline files in {arguments.folder}; `penstock init` writes one.\n")
    return 0


def _found(folder: Path) -> Iterator[tuple[Path, bool]]:
    """TOML files by name, and whether each one looks like a pipeline: it names a source and a sink."""
    for file in sorted(folder.glob("*.toml")):
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        yield file, {"source", "sink"} <= document.keys()


def _line(file: Path) -> str:
    from penstock.pipelines import journal  # noqa: PLC0415 - heavy

    entry = journal.last(file)
    if entry is None:
        return f"{file}  never run here"
    return f"{file}  {entry.told}, {entry.at:%Y-%m-%d %H:%M:%S}Z, {entry.rows_stored:,} rows stored{_because(entry.state, entry.message)}"


def _because(state: str, message: str) -> str:
    return f"\n  {message}" if state == "failed" else ""
