"""Write an example pipeline to start from, with a small data file of its own; it runs at once. Nothing is ever overwritten."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from penstock.model.errors import Misconfigured

NAME, DATA = "orders.toml", "orders.jsonl"

EXAMPLE = """\
# A pipeline: rows from a source, through stages, to a sink.   penstock run {name}
# Every key is explained in docs/reference/pipeline-file.md.

# name = "orders"               # the default is the name of this file
mode = "append"                 # or "upsert(id)": a row takes the place of the one with its key; or "replace": of all rows
schema = "freeze"               # when columns change: stop; "evolve" takes new ones, "quarantine" puts such rows aside

[source]
type = "jsonl"                  # or csv, parquet, sqlite, postgres, http, queue, stdin
path = "{data}"                 # relative to this file

[[stages]]                      # stages come one after the other; each has one of rename, cast, filter, dedupe, python
rename = {{ ts = "ordered_at" }}

[[stages]]
cast = {{ ordered_at = "timestamp", amount = "decimal(12, 2)" }}

[[stages]]
filter = "status != 'void' and amount > 0"

[[stages]]
dedupe = ["id"]                 # repeats close to each other; mode = "upsert(id)" is for all others

[sink]
type = "csv"                    # or jsonl, parquet, sqlite, postgres
path = "orders.csv"
# type = "postgres"             # instead of the two lines above: a table of a database
# url = "${{DATABASE_URL}}"       # read from the environment; without this line, the embedded PostgreSQL
# table = "orders"

[limits]
workers = 4
max_refused_percent = 5         # rows that cannot be read become dead letters; above this share the run fails
"""


class AlreadyThere(Misconfigured):
    """This file exists, and is not overwritten."""

    default_hint = "Name another folder or file: penstock init DIR, penstock init FILE.toml"


class NotWritten(Misconfigured):
    """The example cannot be written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    where = f"folder, or name of the file (default: {NAME} in this folder)"
    parser.add_argument("where", type=Path, nargs="?", default=Path(), metavar="DIR|FILE.toml", help=where)


def run(arguments: argparse.Namespace) -> int:
    """Write it."""
    from penstock.cli import answer  # noqa: PLC0415

    file = arguments.where if arguments.where.suffix == ".toml" else arguments.where / NAME
    data = file.with_name(DATA)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for path, text in ((file, EXAMPLE.format(name=file, data=DATA)), (data, "".join(_orders()))):
            with path.open("x", encoding="utf-8") as new:
                new.write(text)
    except FileExistsError as error:
        raise AlreadyThere(str(error.filename)) from None
    except OSError as error:
        raise NotWritten(f"{error.filename}: {error.strerror}") from None
    answer(f"{file} and {data} are written. Next:\n  penstock check {file}\n  penstock run {file}\n")
    return 0


def _orders() -> Iterator[str]:
    """A hundred orders: some void, one of them twice, one that is no JSON."""
    for number in range(1, 101):
        status = "void" if number % 10 == 0 else "paid" if number % 3 else "open"
        order = {
            "id": number,
            "ts": f"2026-01-{number % 28 + 1:02}T{number % 24:02}:00:00Z",
            "status": status,
            "amount": f"{number * 1.25:.2f}",
        }
        yield f"{json.dumps(order)}\n"
        if number == 42:
            yield f"{json.dumps(order)}\n"
        if number == 77:
            yield "{ this line is no JSON }\n"
