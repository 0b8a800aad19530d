"""How far a written file is confirmed, beside the position in the SQLite file of the checkpoints."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from penstock.ports.checkpoints import Run
from penstock.stores.files import stream
from penstock.stores.files.errors import FileLost, ForeignFile

LOOK = "select length, mark, published from penstock_written_files where pipeline = ? and path = ?"

KEEP = """
    insert into penstock_written_files (pipeline, path, length, mark, published) values (?, ?, ?, ?, ?)
    on conflict do update set length = excluded.length, mark = excluded.mark, published = excluded.published"""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a pipeline has confirmed of a file: its length in bytes, and the mark of that part.

    `published` is the mark of what was put in the place of an earlier file, empty where nothing was.
    """

    length: int = 0
    mark: str = ""
    published: str = ""


def look(connection: sqlite3.Connection, pipeline: str, path: Path) -> Confirmed | None:
    """What is confirmed of a file; None where the pipeline has not claimed it."""
    found = connection.execute(LOOK, (pipeline, str(path))).fetchone()
    return Confirmed(*found) if found else None


def claimed(connection: sqlite3.Connection, path: Path) -> Confirmed | None:
    """What is confirmed of a file by whichever pipeline keeps its positions in this SQLite file."""
    found = connection.execute("select length, mark, published from penstock_written_files where path = ?", (str(path),)).fetchone()
    return Confirmed(*found) if found else None


def keep(connection: sqlite3.Connection, run: Run, path: Path, confirmed: Confirmed) -> None:
    """Confirm, within the transaction of the position."""
    connection.execute(KEEP, (run.pipeline.name, str(path), confirmed.length, confirmed.mark, confirmed.published))


def has_coverage(connection: sqlite3.Connection, run: Run) -> bool:
    """Whether anything of the pipeline is stored; nothing is, once it was forgotten."""
    sql = "select exists (select 1 from penstock_coverage where pipeline = ?)"
    return bool(connection.execute(sql, (run.pipeline.name,)).fetchone()[0])


def require_own(path: Path, confirmed: Confirmed | None) -> None:
    """Hold a file against what is confirmed of it.

    Raises:
        ForeignFile: it was never claimed, or holds something else.
        FileLost: it is gone, or shorter.
    """
    length = confirmed.length if confirmed else 0
    if not path.exists():
        if length:
            raise FileLost(f"{path}, of which {length:,} bytes were confirmed")
        return
    if confirmed is None:
        raise ForeignFile(str(path))
    if path.stat().st_size < length:
        raise FileLost(f"{path}: it has {path.stat().st_size:,} bytes, {length:,} were confirmed")
    if length and stream.mark(path, length) != confirmed.mark:
        raise ForeignFile(f"{path} is not what was written")


def require_published(path: Path, confirmed: Confirmed | None) -> None:
    """The same for a file that is replaced as a whole; it may be gone.

    Raises:
        ForeignFile: it is not the one that was put there.
    """
    if path.exists() and (confirmed is None or stream.mark(path, path.stat().st_size) != confirmed.published):
        raise ForeignFile(str(path))
