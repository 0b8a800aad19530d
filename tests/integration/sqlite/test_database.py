"""The file itself: made with care, opened with care, and never held by a loop that waits."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.model.errors import PenstockError
from penstock.stores.sqlite.database import Database
from penstock.stores.sqlite.errors import FileBusy, FileCannotBeOpened, FileIsDamaged, NoRoom, NotADatabase, SqliteFailed, translated
from penstock.stores.sqlite.migrate import FileIsNewer


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A file that is not there yet, in a folder that is not there yet."""
    database = Database(tmp_path / "new" / "state.sqlite", busy_timeout_s=0.05)
    yield database
    await database.close()


def numbers(connection: sqlite3.Connection) -> list[int]:
    """What `tally` has counted."""
    return [row[0] for row in connection.execute("select number from tally")]


def tally(connection: sqlite3.Connection) -> None:
    """Count one more."""
    connection.execute("create table if not exists tally (number integer primary key)")
    connection.execute("insert into tally default values")


async def test_nothing_is_made_before_it_is_used(database: Database) -> None:
    """Naming a file makes none, and closing it makes none either."""
    await database.close()

    assert not database.path.parent.exists()


async def test_only_its_owner_may_read_it(database: Database) -> None:
    """The file is 0600, and so is what SQLite keeps beside it."""
    await database.transact(tally)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in database.path.parent.iterdir()}
    assert modes == {"state.sqlite": 0o600, "state.sqlite-wal": 0o600, "state.sqlite-shm": 0o600}


async def test_what_raises_is_undone(database: Database) -> None:
    """A transaction is there wholly or not at all, and the next one goes on."""
    await database.transact(tally)

    def fails(connection: sqlite3.Connection) -> None:
        tally(connection)
        raise IndexError

    with pytest.raises(IndexError):
        await database.transact(fails)

    assert await database.transact(numbers) == [1]


async def test_a_file_of_somebody_else_keeps_its_journal(database: Database) -> None:
    """Only what we make ourselves is put into WAL mode."""
    database.path.parent.mkdir()
    with closing(sqlite3.connect(database.path)) as other:
        other.execute("create table theirs (a)")

    await database.transact(tally)

    with closing(sqlite3.connect(database.path)) as other:
        assert other.execute("pragma journal_mode").fetchone() == ("delete",)


async def test_the_loop_goes_on_while_a_lock_is_waited_for(database: Database) -> None:
    """Waiting for another writer stops nobody else, and ends with who is at fault."""
    await database.transact(tally)
    ticks = 0
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        waiting = asyncio.create_task(database.transact(tally))
        while not waiting.done():
            await asyncio.sleep(0)
            ticks += 1

        with pytest.raises(FileBusy, match=r"state\.sqlite: database is locked"):
            await waiting

    assert ticks > 10


async def test_a_newer_file_is_left_alone(database: Database) -> None:
    """What we do not know we do not write to."""
    await database.transact(lambda connection: connection.execute("insert into penstock_migrations values (9999, 'of tomorrow')"))
    await database.close()

    with pytest.raises(FileIsNewer, match="it knows migration 9999"):
        await database.transact(tally)


async def test_a_file_that_is_no_database_is_left_alone(database: Database) -> None:
    """Its bytes stay as they are."""
    database.path.parent.mkdir()
    database.path.write_bytes(b"a,b\n1,2\n" * 200)

    with pytest.raises(NotADatabase, match=r"state\.sqlite: file is not a database"):
        await database.transact(tally)

    assert database.path.read_bytes() == b"a,b\n1,2\n" * 200


async def test_a_folder_is_no_file(database: Database) -> None:
    """One clear error."""
    database.path.mkdir(parents=True)

    with pytest.raises(FileCannotBeOpened, match="unable to open database file"):
        await database.transact(tally)


async def test_a_place_that_cannot_be_made_is_named(database: Database) -> None:
    """Where a file stands in the way of the folder."""
    database.path.parent.write_text("in the way")

    with pytest.raises(FileCannotBeOpened, match=str(database.path)):
        await database.transact(tally)


async def test_a_full_file_is_undone(database: Database) -> None:
    """A disk that is full leaves what was there, and says what to do."""
    await database.transact(tally)

    def fill(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {pages}")
        connection.execute("create table big (bytes blob)")
        connection.execute("insert into big values (zeroblob(1000000))")

    with pytest.raises(NoRoom):
        await database.transact(fill)

    assert await database.transact(numbers) == [1]


@pytest.mark.parametrize(
    ("code", "kind"), [(sqlite3.SQLITE_CORRUPT, FileIsDamaged), (sqlite3.SQLITE_READONLY, FileCannotBeOpened), (None, SqliteFailed)]
)
def test_failures_have_a_meaning(code: int | None, kind: type[PenstockError]) -> None:
    """By the code that SQLite gives, where it gives one."""
    error = sqlite3.DatabaseError("it failed")
    if code is not None:
        error.sqlite_errorcode = code

    with pytest.raises(kind, match="some file: it failed"), translated(Path("some file")):
        raise error
