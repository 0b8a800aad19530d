"""The one place where an SQL identifier is quoted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.model.errors import Misconfigured

_PART = r'"(?:[^"]|"")+"|[^".]+'
_NAME = re.compile(rf"(?:(?P<schema>{_PART})\.)?(?P<name>{_PART})")


class UnusableName(Misconfigured):
    """A table or column cannot have this name."""

    default_hint = "PostgreSQL takes names of 1 to 63 bytes without a NUL."


@dataclass(frozen=True, slots=True)
class TableName:
    """A table, in a schema or wherever the role's search path leads."""

    name: str
    schema: str | None = None

    @classmethod
    def parsed(cls, text: str) -> TableName:
        """`orders` or `sales.orders`; a name with a dot in it stands in double quotes. Capitals are kept as they are.

        Raises:
            UnusableName: where that is no name.
        """
        found = _NAME.fullmatch(text)
        if found is None:
            raise UnusableName(repr(text), hint='Write orders, sales.orders, or sales."name with a dot".')
        return cls(_unquoted(found["name"]), _unquoted(found["schema"]) if found["schema"] else None)

    @property
    def sql(self) -> str:
        """In SQL text."""
        return quoted(self.name) if self.schema is None else f"{quoted(self.schema)}.{quoted(self.name)}"

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


def quoted(name: str) -> str:
    """`name` as an identifier in SQL text (PostgreSQL manual, 4.1.1).

    Raises:
        UnusableName: where PostgreSQL would refuse it, or cut it short and so name something else.
    """
    if not 0 < len(name.encode()) <= 63 or "\0" in name:
        raise UnusableName(repr(name))
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a string constant in SQL text, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
