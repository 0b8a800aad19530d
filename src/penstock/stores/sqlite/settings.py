"""What a pipeline file says about SQLite."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqliteSourceSettings:
    """A `table` of the file at `path`, read by its column `key`: by default its primary key, or else the number of the row."""

    path: str
    table: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class SqliteSinkSettings:
    """A `table` of the file at `path`; both are made if there are none."""

    path: str
    table: str
