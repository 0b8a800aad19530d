"""Numbered .sql files beside a store's code."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files


def numbered(package: str) -> Iterator[tuple[int, str, str]]:
    """(number, name, SQL) of the files in `migrations/` of a package, in the order of their numbers."""
    for path in sorted((files(package) / "migrations").iterdir(), key=lambda file: file.name):
        if path.name.endswith(".sql"):
            yield int(path.name.partition("_")[0]), path.name.removesuffix(".sql"), path.read_text()
