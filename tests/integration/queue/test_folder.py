"""A pipeline that reads the folder of a queue: every entry once, however often it runs, and let go of as it is stored."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.telemetry import Telemetry
from penstock.pipelines.job import Ending, perform
from penstock.pipelines.reading import read
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.log import LogLocked, LogSettings
from penstock.stores.queue.waiting import NoColumns, NoSuchQueue


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))


def appended(folder: Path, *entries: tuple[int, bytes]) -> None:
    """Append to lanes, in a process of its own as far as the queue can tell."""
    with closing(DiskLog(folder / "queue", LogSettings(lanes=3, min_free_bytes=0, segment_bytes=4_096))) as log:
        for lane, body in entries:
            log.append(lane, [body]).result()


async def carried(folder: Path, settings: str = "") -> Ending:
    """A run into a table."""
    file = folder / "drain.toml"
    file.write_text(f'[source]\ntype = "queue"\npath = "queue"\n{settings}\n[sink]\ntype = "sqlite"\npath = "out.db"\ntable = "t"\n')
    return await perform(read(file, {}), Telemetry(), asyncio.Event())


def found(folder: Path, columns: str) -> list[Any]:
    """The rows."""
    with closing(sqlite3.connect(folder / "out.db")) as connection:
        return connection.execute(f"select {columns} from t order by epoch, lane, offset").fetchall()


async def test_every_entry_comes_once(tmp_path: Path) -> None:
    """All lanes are read, with the place of each entry; what is appended later is read by the next run, and nothing twice."""
    appended(tmp_path, (1, b"b"), (0, b"a"), (2, b"\xff"))
    first = await carried(tmp_path)
    again = await carried(tmp_path)
    appended(tmp_path, (0, b"c"), (1, b"d"))

    last = await carried(tmp_path)

    assert found(tmp_path, "lane, offset, data") == [(0, 0, b"a"), (1, 0, b"b"), (2, 0, b"\xff"), (0, 1, b"c"), (1, 1, b"d")]
    assert {row[0][:2] for row in found(tmp_path, "received_at")} == {"20"}
    assert [ending.outcome.message for ending in (first, again, last)] == ["3 rows stored", "3 rows stored", "5 rows stored"]
    assert last.evidence is not None
    assert (last.evidence.stretches, last.evidence.lost, last.evidence.complete) == (1, (), True)


async def test_what_is_stored_is_let_go_of(tmp_path: Path) -> None:
    """The disk has its room back once the rows are stored."""
    appended(tmp_path, *((0, b"x" * 1_000) for _ in range(50)))

    await carried(tmp_path)

    with closing(DiskLog(tmp_path / "queue", LogSettings(min_free_bytes=0))) as log:
        assert log.kept()[0].size_bytes < 50_000
    assert len(found(tmp_path, "data")) == 50


async def test_entries_of_json_are_columns(tmp_path: Path) -> None:
    """Their members are columns, those that are stated as they are stated; what is no object is refused with its place."""
    appended(tmp_path, (0, b'{"id": 1, "at": "2026-01-01T00:00:00Z"}'), (1, b"no"), (1, b'{"id":\n 2}'))

    ending = await carried(tmp_path, 'format = "json"\ncolumns = { at = "timestamp" }\n[limits]\nmax_refused_percent = 50')

    with closing(sqlite3.connect(tmp_path / "out.db")) as connection:
        assert connection.execute("select id, at from t order by id").fetchall() == [(1, "2026-01-01 00:00:00.000000Z"), (2, None)]
        assert connection.execute("select raw, origin from penstock_dead_letters").fetchall() == [(b"no", "entry 0 of lane 1 of the log")]
    assert ending.outcome.state == "completed with rejected rows"


async def test_there_has_to_be_a_queue(tmp_path: Path) -> None:
    """A folder that is none is not made one; an empty queue does not tell the columns of JSON."""
    with pytest.raises(NoSuchQueue):
        await carried(tmp_path)
    assert not (tmp_path / "queue").exists()

    appended(tmp_path)

    with pytest.raises(NoColumns):
        await carried(tmp_path, 'format = "json"')


async def test_a_queue_that_is_in_use(tmp_path: Path) -> None:
    """Whoever appends has it for itself."""
    with closing(DiskLog(tmp_path / "queue", LogSettings(min_free_bytes=0))), pytest.raises(LogLocked):
        await carried(tmp_path)
