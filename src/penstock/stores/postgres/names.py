"""The one place where an SQL identifier is quoted."""

from __future__ import annotations

from penstock.model.errors import Misconfigured


class UnusableName(Misconfigured):
    """A table or column cannot have this name."""

    default_hint = "PostgreSQL takes names of 1 to 63 bytes without a NUL."


def quoted(name: str) -> str:
    """`name` as an identifier in SQL text (PostgreSQL manual, 4.1.1).

    Raises:
        UnusableName: where PostgreSQL would refuse it, or cut it short and so name something else.
    """
    if not 0 < len(name.encode()) <= 63 or "\0" in name:
        raise UnusableName(repr(name))
    return '"' + name.replace('"', '""') + '"'
