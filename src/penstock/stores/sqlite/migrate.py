"""Our own tables in a SQLite file: numbered .sql files, each applied once, in order."""

from __future__ import annotations

import sqlite3

from penstock.model.errors import Misconfigured
from penstock.stores.migrations import numbered


class FileIsNewer(Misconfigured):
    """The SQLite file was set up by a newer Penstock."""

    default_hint = "Use that version, or another file."


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables `penstock_…` up to date, in the caller's transaction.

    Raises:
        FileIsNewer: where a migration was applied that we do not know.
    """
    known = list(numbered(__package__))
    connection.execute("create table if not exists penstock_migrations (number integer primary key, name text not null) strict")
    applied = {row["number"] for row in connection.execute("select number from penstock_migrations")}
    if unknown := applied - {number for number, _, _ in known}:
        raise FileIsNewer(f"it knows migration {max(unknown)}, this version ends at {known[-1][0]}")
    for number, name, sql in known:
        if number not in applied:
            for statement in sql.split(";\n"):
                connection.execute(statement)
            connection.execute("insert into penstock_migrations (number, name) values (?, ?)", (number, name))
