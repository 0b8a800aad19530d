"""Looking at a log that somebody else has open: nothing is changed, and what is being written is not there yet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.model.gaps import Gap
from penstock.queue.durable import looking, opening
from penstock.queue.durable.disklog import DiskLog, LogNotAccessible
from penstock.queue.durable.lock import NAME, holder
from penstock.queue.durable.looking import Gone, NeverStill, StillDisk, StillLog, look
from penstock.queue.ingestion import IngestionQueue, QueueSettings
from penstock.queue.ingestion.looking import StillQueue
from penstock.queue.ingestion.looking import look as look_at_queue
from penstock.queue.log import DAMAGED, LogSettings


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DiskLog]:
    """A log with three entries in two blocks, which is open."""
    with closing(DiskLog(tmp_path / "log", LogSettings(min_free_bytes=0))) as log:
        log.append(0, [b"a", b"b"]).result()
        log.append(0, [b"c"]).result()
        yield log


@pytest.fixture
def folder(log: DiskLog, tmp_path: Path) -> Path:
    """Where it is."""
    assert log.kept()
    return tmp_path / "log"


def seen(log: StillLog) -> list[bytes | Gap]:
    """All that one sees."""
    (kept,) = log.kept()
    found = log.read(kept.first, 1 << 20)
    assert sum(stretch.count for stretch in found) == kept.end.offset - kept.first.offset
    return [one for stretch in found for one in ([stretch.gap] if stretch.gap else stretch.bodies)]


def everything(folder: Path) -> dict[Path, tuple[bytes, int, int]]:
    """What is in a folder, and when it was last touched."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def segment(folder: Path) -> Path:
    """The one segment."""
    (path,) = (folder / "0").iterdir()
    return path


def test_what_is_open_can_be_seen(log: DiskLog, folder: Path) -> None:
    """What was appended so far, at the places at which it is; who has it is known, and nothing is touched."""
    before = everything(folder)

    assert look(folder, seen) == [b"a", b"b", b"c"]
    assert look(folder, lambda still: still.at(0, 2)) == log.at(0, 2)
    assert look(folder, lambda still: still.holder) == os.getpid()

    assert everything(folder) == before


def test_what_is_closed_can_be_seen(log: DiskLog, folder: Path) -> None:
    """Nobody has it then, although its lock says who had."""
    log.close()

    assert look(folder, seen) == [b"a", b"b", b"c"]
    assert look(folder, lambda still: still.holder) is None


def test_what_is_being_written_is_not_there_yet(log: DiskLog, folder: Path) -> None:
    """Half a block at the end is neither an entry nor a gap."""
    whole = segment(folder).read_bytes().rstrip(b"\0")
    log.append(0, [b"d" * 5_000]).result()
    longer = segment(folder).read_bytes()

    segment(folder).write_bytes(longer[: len(whole) + 2_000])

    assert look(folder, seen) == [b"a", b"b", b"c"]


def test_a_file_that_changes_while_it_is_read_is_read_again(log: DiskLog, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block in the middle that was not there yet when the bytes after it were is no damage."""
    assert log.kept()
    once = altered_once(monkeypatch, ".seg", lambda data: data.replace(b"\x01\0\0\0\x01\0\0\0ab", bytes(10)))

    assert look(folder, seen) == [b"a", b"b", b"c"]
    assert once == [True]


def test_a_document_that_is_replaced_while_it_is_read_is_read_again(log: DiskLog, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it says nothing, and would be taken for lost."""
    log.register("somebody")
    once, looks = altered_once(monkeypatch, "consumers.json", lambda data: data[:-3]), counted(monkeypatch)

    assert look(folder, seen) == [b"a", b"b", b"c"]
    assert once == [True]
    assert looks == [[folder / "consumers.json"], []]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[list[Path]]:
    """Which files were damaged at each look."""
    found, real = list[list[Path]](), opening.contents

    def contents(disk: StillDisk, folder: Path, lanes: int, first: int) -> opening.Contents:
        found.append((what := real(disk, folder, lanes, first)).damaged)
        return what

    monkeypatch.setattr(looking, "contents", contents)
    return found


def altered_once(monkeypatch: pytest.MonkeyPatch, name: str, alter: Callable[[bytes], bytes]) -> list[bool]:
    """Let something else be read of a file once; whether it was."""
    real, done = StillDisk.read, list[bool]()

    def read(disk: StillDisk, path: Path, position: int, length: int) -> bytes:
        data = real(disk, path, position, length)
        if path.name.endswith(name) and not done and alter(data) != data:
            done.append(True)
            return alter(data)
        return data

    monkeypatch.setattr(StillDisk, "read", read)
    return done


def test_damage_is_seen_and_left(log: DiskLog, folder: Path) -> None:
    """It is a gap; who looks puts nothing aside."""
    log.close()
    path = segment(folder)
    path.write_bytes(path.read_bytes().replace(b"\x01\0\0\0\x01\0\0\0ab", b"\x01\0\0\0\x01\0\0\0xb"))
    before = everything(folder)

    lost, rest = look(folder, seen)

    assert isinstance(lost, Gap)
    assert (lost.cause, lost.count, rest) == (DAMAGED, 2, b"c")
    assert everything(folder) == before


@pytest.mark.parametrize("left_bytes", [0, 20])
def test_an_end_that_is_missing_is_seen(log: DiskLog, folder: Path, left_bytes: int) -> None:
    """Where a log that was closed has lost its end, so many entries are a gap, whether their header is there or not."""
    log.close()
    path = segment(folder)
    os.truncate(path, path.read_bytes().index(b"\x01\0\0\0c") - left_bytes)

    first, second, lost = look(folder, seen)

    assert isinstance(lost, Gap)
    assert (first, second, lost.cause, lost.count) == (b"a", b"b", DAMAGED, 1)


def test_damage_without_a_seal_is_seen_too(log: DiskLog, folder: Path) -> None:
    """What still cannot be read after a few looks is damaged."""
    assert log.kept()
    path = segment(folder)
    path.write_bytes(path.read_bytes().replace(b"\x01\0\0\0\x01\0\0\0ab", b"\x01\0\0\0\x01\0\0\0xb"))

    lost, rest = look(folder, seen)

    assert isinstance(lost, Gap)
    assert (lost.cause, lost.count, rest) == (DAMAGED, 2, b"c")


def test_a_file_that_is_removed_meanwhile(log: DiskLog, folder: Path) -> None:
    """One looks again: what it held is needed by nobody, and what follows it says more."""
    log.register("reader")
    looks = list[int]()

    def see(still: StillLog) -> list[bytes | Gap]:
        looks.append(len(looks))
        if looks == [0]:
            segment(folder).rename(folder / "gone")
        elif looks == [0, 1]:
            (folder / "gone").rename(folder / "0" / name)
        return seen(still)

    name = segment(folder).name
    with pytest.raises(IndexError):  # nothing of the lane is left at the second look
        look(folder, lambda still: see(still)[0])
    assert looks == [0, 1]
    assert look(folder, seen) == [b"a", b"b", b"c"]


def test_what_goes_while_one_looks_is_noticed(log: DiskLog, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was in its folder before and is not after it may have held what one did not see."""
    assert log.kept()
    real, answers = looking._files, [{folder / "0" / "removed.seg"}]
    monkeypatch.setattr(looking, "_files", lambda *where: answers.pop() if answers else real(*where))
    looks = counted(monkeypatch)

    assert look(folder, seen) == [b"a", b"b", b"c"]
    assert looks == [[], []]


def test_what_never_stands_still_is_left_alone(log: DiskLog, folder: Path) -> None:
    """One does not look for ever."""
    assert log.kept()

    def see(_: StillLog) -> None:
        raise Gone

    with pytest.raises(NeverStill):
        look(folder, see)


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it is opened."""

    def names(*_: object) -> list[str]:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(StillDisk, "names", names)

    with pytest.raises(LogNotAccessible, match="Permission denied"):
        look(tmp_path, seen)


def test_who_has_it_is_known_while_it_lives(tmp_path: Path) -> None:
    """Neither a process that has ended nor one that has something else open; a lock that says nothing says nothing."""
    assert holder(tmp_path) is None
    (tmp_path / NAME).write_text("")
    assert holder(tmp_path) is None
    (tmp_path / NAME).write_text(f"{os.getpid()}\n")
    assert holder(tmp_path) is None
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / NAME).write_text(f"{ended.pid}\n")
    assert holder(tmp_path) is None


def test_a_file_that_is_closed_while_one_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are asked all the same."""
    (tmp_path / NAME).write_text(f"{os.getpid()}\n")
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([tmp_path / "closed", tmp_path]))

    assert holder(tmp_path) == os.getpid()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[IngestionQueue]:
    """A queue with three items, one of which is leased, and a dead letter."""
    with IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=tmp_path / "queue")) as queue:
        queue.enqueue_batch([("s", number) for number in range(4)])
        first, second = queue.lease(2)
        queue.reject([second], "no good")
        assert first.data == 0
        yield queue


def told(still: StillQueue) -> tuple[int, int, list[object], list[object]]:
    """What is there, how much of it is leased, what waits, and the dead letters."""
    stats = still.get_stats()
    letters = [letter.data for letter in still.get_dead_letter_items(9)]
    return stats.current_size, stats.leased, [item.data for item in still.peek(9)], letters


def test_what_is_leased_does_not_wait(queue: IngestionQueue, tmp_path: Path) -> None:
    """As long as its process has the queue; then nobody has it."""
    assert look_at_queue(tmp_path / "queue", told) == (3, 1, [2, 3], [1])
    assert look_at_queue(tmp_path / "queue", StillQueue.get_stats) == queue.get_stats()

    queue.close()

    assert look_at_queue(tmp_path / "queue", told) == (3, 0, [0, 2, 3], [1])


def test_a_killed_process_has_nothing_any_more(queue: IngestionQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had leased waits, tried once."""
    assert queue.get_stats().leased == 1
    monkeypatch.setattr(looking, "holder", lambda _: None)

    assert look_at_queue(tmp_path / "queue", told) == (3, 0, [0, 2, 3], [1])
    assert look_at_queue(tmp_path / "queue", lambda still: still.peek(1)[0].attempts) == 1


def test_gaps_are_seen(queue: IngestionQueue, tmp_path: Path) -> None:
    """The newest first."""
    queue.record_gap(Gap("one", 1))
    queue.record_gap(Gap("two", 2))

    assert look_at_queue(tmp_path / "queue", lambda still: still.gaps(1)) == [Gap("two", 2)]
