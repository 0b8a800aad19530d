"""One SQLite file, written by one thread of its own, so that the event loop never waits for a disk or for a lock."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from penstock.stores.home import make_folder
from penstock.stores.sqlite.errors import translated
from penstock.stores.sqlite.migrate import migrate

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
"""How long one attempt waits for another writer; the engine then tries again."""


@dataclass(slots=True)
class Database:
    """The file at `path`, made and opened when it is first used. A file that we make is 0600 and in WAL mode; another one stays as it is.

    Whatever was begun ends in the order in which it was begun, also where nobody waits for it any more.
    """

    path: Path
    busy_timeout_s: float = BUSY_TIMEOUT_S
    _thread: ThreadPoolExecutor | None = field(default=None, init=False, repr=False)
    _connection: sqlite3.Connection | None = field(default=None, init=False, repr=False)

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work`, which runs in the thread, in a transaction that keeps every other writer out.

        It is on disk when this returns, and undone where `work` raises.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "penstock-sqlite")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with translated(self.path):
            if self._connection is None:
                self._connection = self._open()
            with immediate(self._connection):
                return work(self._connection)

    def _open(self) -> sqlite3.Connection:
        make_folder(self.path.parent)
        made = _make_file(self.path)
        connection = sqlite3.connect(self.path, timeout=self.busy_timeout_s, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("pragma foreign_keys = on")
            connection.execute("pragma synchronous = extra")  # FULL, and in a file that is not in WAL mode the folder is synced, too
            if made:
                connection.execute("pragma journal_mode = wal")
            with immediate(connection):
                migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Close the file once what was begun has ended; it is opened again when it is used again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that may write nothing, for one page: what it reads is of one moment. Text that is no UTF-8 keeps its bytes."""
    with translated(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
        connection.row_factory = sqlite3.Row
        connection.text_factory = lambda text: text.decode(errors="surrogateescape")
        yield connection


@contextmanager
def kept_in(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that reads what is kept in a file, all of one moment; None where there is no file, or it has none of our tables."""
    if not path.exists():
        yield None
        return
    with reading(path) as connection:
        connection.execute("begin")
        ours = connection.execute("select 1 from sqlite_schema where name = 'penstock_pipelines'").fetchone()
        yield connection if ours else None


@contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that takes the write lock when it begins."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:  # after some failures, such as a full disk, SQLite has rolled back by itself
            connection.execute("rollback")
        raise


def _make_file(path: Path) -> bool:
    """Whether the file was not there before."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True
