"""Where a command looks that asks what is known of pipelines: into a database, or to where a pipeline file keeps its state."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.errors import Misconfigured

if TYPE_CHECKING:
    from penstock.ports.bookkeeping import Bookkeeping

FILE_HELP = "a pipeline file, to look where that pipeline keeps its state (default: a PostgreSQL)"


class SaidByFile(Misconfigured):
    """A pipeline file says this itself."""

    default_hint = "Leave out the flag, or the file."


def add_place(parser: argparse.ArgumentParser) -> None:
    """Flags that name a database."""
    parser.add_argument("--database-url", metavar="URL", help="the PostgreSQL to look into (default: DATABASE_URL, else the embedded one)")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with settings (default: .env)")


def add_file(parser: argparse.ArgumentParser) -> None:
    """An argument that names a pipeline file instead."""
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help=FILE_HELP)


def is_file(word: str) -> bool:
    """Whether a word that may be something else names a pipeline file."""
    return word.endswith(".toml")


def database_url(arguments: argparse.Namespace) -> str | None:
    """The URL of the database, None for the embedded one."""
    from penstock.engine import configuration  # noqa: PLC0415 - heavy
    from penstock.extract.settings import ExtractSettings  # noqa: PLC0415

    given = configuration.gather(ExtractSettings, {"database_url": arguments.database_url}, env_file=arguments.env_file)
    return given["database_url"].value if "database_url" in given else None


@asynccontextmanager
async def books(arguments: argparse.Namespace, file: Path | None) -> AsyncIterator[tuple[Bookkeeping, str | None]]:
    """The books of a pipeline file, and the name of its pipeline in them; or those of the database.

    Raises:
        SaidByFile: both are named.
    """
    from penstock.pipelines import books as kept  # noqa: PLC0415 - heavy
    from penstock.pipelines.reading import read  # noqa: PLC0415
    from penstock.stores.postgres.bookkeeping import PostgresBookkeeping  # noqa: PLC0415
    from penstock.stores.postgres.place import connected  # noqa: PLC0415

    if file is None:
        async with connected(database_url(arguments)) as connections:
            yield PostgresBookkeeping(connections), None
        return
    if arguments.database_url is not None:
        raise SaidByFile(f"{file} and --database-url")
    definition = read(file)
    async with kept.books(definition) as found:
        yield found, definition.kept_as
