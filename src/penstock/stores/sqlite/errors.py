"""What a failure of SQLite means to the engine, by its primary result code (https://sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.model.errors import Fatal, Misconfigured, PenstockError, Transient, TryLater


class FileBusy(Transient):
    """Another process is writing to the SQLite file."""

    default_hint = "Wait for it to end, then run the same command again: it goes on where it stopped."


class FileCannotBeOpened(Misconfigured):
    """The SQLite file cannot be opened or written."""

    default_hint = "Check the path, and that this user may write to the file and to its folder: SQLite keeps its journal there."


class NotADatabase(Misconfigured):
    """The file is no SQLite database."""

    default_hint = "Name another file. This one was not touched."


class FileIsDamaged(Fatal):
    """The SQLite file is damaged."""

    default_hint = "Bring back a copy of it, or see what `.recover` of the sqlite3 command can save."


class NoRoom(TryLater):
    """There is no room left for the SQLite file."""

    default_hint = "Free some space on its disk, then run the same command again: it goes on where it stopped."


class SqliteFailed(Fatal):
    """SQLite cannot do what was asked."""

    default_hint = "What is stored stays. Look at the disk and at this user's limits (`ulimit -f`), then run the same command again."


MEANINGS: dict[int, type[PenstockError]] = {
    sqlite3.SQLITE_BUSY: FileBusy,
    sqlite3.SQLITE_LOCKED: FileBusy,
    sqlite3.SQLITE_CANTOPEN: FileCannotBeOpened,
    sqlite3.SQLITE_PERM: FileCannotBeOpened,
    sqlite3.SQLITE_READONLY: FileCannotBeOpened,
    sqlite3.SQLITE_AUTH: FileCannotBeOpened,
    sqlite3.SQLITE_NOTADB: NotADatabase,
    sqlite3.SQLITE_CORRUPT: FileIsDamaged,
    sqlite3.SQLITE_FULL: NoRoom,
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what sqlite3 and the file system raise into errors of ours that name the file."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        raise MEANINGS.get(code & 0xFF, SqliteFailed)(f"{path}: {error}") from error
    except OSError as error:
        raise FileCannotBeOpened(f"{path}: {error.strerror}") from error
