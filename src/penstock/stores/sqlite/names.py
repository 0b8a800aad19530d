"""The one place where an SQL identifier is quoted for SQLite."""

from __future__ import annotations

from penstock.model.errors import Misconfigured


class UnusableName(Misconfigured):
    """A table or column cannot have this name."""

    default_hint = "A name has at least one character and no NUL; those that begin with sqlite_ or penstock_ are taken."


def quoted(name: str) -> str:
    """`name` as an identifier in SQL text (https://sqlite.org/lang_keywords.html).

    Raises:
        UnusableName: where it is none.
    """
    if not name or "\0" in name:
        raise UnusableName(repr(name))
    return '"' + name.replace('"', '""') + '"'


def table_name(name: str) -> str:
    """`name`, which may be that of a table that a pipeline names.

    Raises:
        UnusableName: where it is none, or belongs to SQLite or to us.
    """
    if name.lower().startswith(("sqlite_", "penstock_")):
        raise UnusableName(name)
    quoted(name)
    return name
