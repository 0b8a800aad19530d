"""Which database a command that asks one looks into."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_place(parser: argparse.ArgumentParser) -> None:
    """Flags that name it."""
    parser.add_argument("--database-url", metavar="URL", help="the PostgreSQL to look into (default: DATABASE_URL, else the embedded one)")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with settings (default: .env)")


def database_url(arguments: argparse.Namespace) -> str | None:
    """Its URL, None for the embedded one."""
    from penstock.engine import configuration  # noqa: PLC0415 - heavy
    from penstock.extract.settings import ExtractSettings  # noqa: PLC0415

    given = configuration.gather(ExtractSettings, {"database_url": arguments.database_url}, env_file=arguments.env_file)
    return given["database_url"].value if "database_url" in given else None
