"""What a pipeline file says about PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PostgresSourceSettings:
    """A `table` to be read by its column `key`, by default its primary key; without `url` it is the embedded server's."""

    table: str
    key: str | None = None
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PostgresSinkSettings:
    """A `table` to be written, made if there is none. Without `url` it is the embedded server's."""

    table: str
    url: str | None = field(default=None, repr=False)
