"""A log on disk, and what it says when something is wrong."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from penstock.model.gaps import Gap
from penstock.queue.durable import disklog, documents
from penstock.queue.durable.disk import RealDisk
from penstock.queue.durable.disklog import CUT, DiskLog, LogNotAccessible
from penstock.queue.durable.documents import Identity, encoded
from penstock.queue.durable.opening import LogOfAnotherVersion
from penstock.queue.durable.store import Store
from penstock.queue.log import AppendUnknown, LogFull, LogLocked, LogSettings, Place
from penstock.queue.machine import Machine, machine_id
from penstock.testing.logs import SETTINGS, WAIT_S, bodies, numbers, stretches

OPENING = "import sys, pathlib; from penstock.queue.durable.disklog import DiskLog; DiskLog(pathlib.Path(sys.argv[1]))"


def segments(folder: Path) -> list[Path]:
    """All segments of the first lane."""
    return sorted((folder / "0").iterdir())


def written(folder: Path) -> dict[Path, tuple[int, int]]:
    """Everything in the folder: how large it is, and when it was last written."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_one_process_for_each_folder(tmp_path: Path) -> None:
    """Another one is told who has it, and takes it over when that is gone."""
    with closing(DiskLog(tmp_path)):
        with pytest.raises(LogLocked, match=f"process {os.getpid()}"):
            DiskLog(tmp_path)
        other = subprocess.run([sys.executable, "-c", OPENING, str(tmp_path)], capture_output=True, check=False)
        assert b"Another process has this log open" in other.stderr

    DiskLog(tmp_path).close()


HOLDING = f"""{OPENING}; print("open", flush=True); sys.stdin.read()"""


def test_the_lock_is_on_the_folder(tmp_path: Path) -> None:
    """Whatever becomes of the file with the number in it, no other process gets in before the one that has it ends, however it does."""
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(LogLocked, match=f"process {holder.pid}"):
            DiskLog(tmp_path)
        for make in (Path.unlink, lambda path: path.write_bytes(b"nobody"), Path.unlink, os.mkfifo, Path.unlink, Path.mkdir):
            make(tmp_path / "lock")
            with pytest.raises(LogLocked, match="process unknown"):
                DiskLog(tmp_path)
        holder.kill()

    DiskLog(tmp_path).close()


def test_a_folder_that_cannot_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some shared file systems lock no folders: that is told of the folder, before anything is written."""
    monkeypatch.setattr("penstock.queue.durable.lock.fcntl.flock", failing(errno.EBADF))

    with pytest.raises(LogNotAccessible, match="Bad file descriptor"):
        DiskLog(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_another_one_now(tmp_path: Path) -> None:
    """Moved away, and with another log in its place, nothing is written to that; put back, it goes on as if nothing had been."""
    folder, away = tmp_path / "log", tmp_path / "away"
    with closing(DiskLog(folder, SETTINGS)) as log:
        log.register("one")
        log.append(0, numbers(0, 5)).result(WAIT_S)
        end = log.kept()[0].end
        folder.rename(away)
        with pytest.raises(AppendUnknown, match="not the folder that was opened"):
            log.append(0, numbers(5, 6)).result(WAIT_S)
        with closing(DiskLog(folder, SETTINGS)) as other:
            other.append(0, [b"other"]).result(WAIT_S)
            before = written(folder)
            with pytest.raises(AppendUnknown):
                log.append(0, numbers(5, 6)).result(WAIT_S)
            log.register("two")
            log.release("one", [end])
            log.release("two", [end])
            assert written(folder) == before
        shutil.rmtree(folder)
        away.rename(folder)
        log.append(0, numbers(5, 9)).result(WAIT_S)

    with closing(DiskLog(folder, SETTINGS)) as log:
        assert log.findings == ()
        assert bodies(log, 0) == numbers(0, 9)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """Nothing is answered as durable any more, and the log closes."""
    with closing(DiskLog(tmp_path / "log", SETTINGS)) as log:
        log.append(0, numbers(0, 5)).result(WAIT_S)
        shutil.rmtree(tmp_path / "log")

        with pytest.raises(AppendUnknown):
            log.append(0, numbers(5, 6)).result(WAIT_S)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """The place is named, and nothing is held."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(LogNotAccessible, match="file"):
        DiskLog(tmp_path / "file")


@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to("nowhere"), Path.mkdir, os.mkfifo], ids=["link to nothing", "folder", "pipe"]
)
def test_what_is_no_file_in_the_place_of_a_segment(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """It is put aside, and the log opens."""
    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        log.append(0, [b"a"]).result(WAIT_S)
    name = tmp_path / "0" / segments(tmp_path)[0].name.replace("0" * 20, "9".zfill(20))
    make(name)

    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        assert [str(finding.path) for finding in log.findings] == [str(name)]
        assert [found.first.offset for found in stretches(log, log.kept()[0].first)] == [0]


def test_a_copy_called_by_its_date_is_no_lane(tmp_path: Path) -> None:
    """Folders that cannot be lanes are left alone."""
    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        log.append(0, [b"a"]).result(WAIT_S)
    for name in ("20261120", "007"):
        shutil.copytree(tmp_path / "0", tmp_path / name)

    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        assert (log.lanes, log.findings) == (SETTINGS.lanes, ())


def test_no_room_for_the_number_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full to its last byte does not keep a log from being opened, and so from being emptied."""
    monkeypatch.setattr("penstock.queue.durable.lock.os.pwrite", failing(errno.ENOSPC))

    DiskLog(tmp_path, SETTINGS).close()


def test_a_folder_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That there is no room for a new log is told as that."""
    monkeypatch.setattr(RealDisk, "make_folder", failing(errno.ENOSPC))

    with pytest.raises(LogFull, match="No space"):
        DiskLog(tmp_path)


def failing(number: int) -> Callable[..., None]:
    """A call that fails."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "where")

    return fail


def test_a_log_of_a_newer_version(tmp_path: Path) -> None:
    """It is left alone, and can be opened by whoever understands it."""
    identity = Identity("00" * 16, "00" * 10, "", 0, 0, version=2)
    (tmp_path / documents.IDENTITY).write_bytes(encoded(identity))

    for _ in range(2):  # the lock is not kept
        with pytest.raises(LogOfAnotherVersion, match="version 2"):
            DiskLog(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "log.json"]


def test_a_copy_is_noticed(tmp_path: Path) -> None:
    """A folder that is another one than before is said to be one; what is in it is read, and goes on under a greater epoch."""
    with closing(DiskLog(tmp_path / "one", SETTINGS)) as log:
        first = log.append(0, numbers(0, 3)).result(WAIT_S)
        assert log.findings == ()
    (tmp_path / "one").rename(tmp_path / "moved")
    (tmp_path / "two").mkdir()
    for path in (tmp_path / "moved").iterdir():
        path.rename(tmp_path / "two" / path.name)

    with closing(DiskLog(tmp_path / "two", SETTINGS)) as log:
        assert [str(finding) for finding in log.findings] == [
            f"{tmp_path / 'two'}: is not the folder it was: it was copied, restored or moved. Its entries are read."
        ]
        assert bodies(log, 0) == numbers(0, 3)
        assert log.append(0, numbers(3, 4)).result(WAIT_S) > Place(0, first.epoch, 1 << 60)


def test_a_log_that_was_not_closed_is_known(tmp_path: Path) -> None:
    """Whoever receives into it has to say that something may be missing."""
    with closing(DiskLog(tmp_path / "one", SETTINGS)) as log:
        log.append(0, numbers(0, 3)).result(WAIT_S)
        assert not log.interrupted
        shutil.copytree(tmp_path / "one", tmp_path / "killed")

    for name, interrupted in (("one", False), ("killed", True)):
        with closing(DiskLog(tmp_path / name, SETTINGS)) as log:
            assert log.interrupted == interrupted
            assert bodies(log, 0) == numbers(0, 3)


def test_what_was_written_ahead_is_no_damage(tmp_path: Path) -> None:
    """A killed process leaves zeros behind its entries, of which nothing is told; a closed log has none."""
    with closing(DiskLog(tmp_path / "one")) as log:
        log.append(0, numbers(0, 3)).result(WAIT_S)
        log.append(0, numbers(3, 5)).result(WAIT_S)
        shutil.copytree(tmp_path / "one", tmp_path / "killed")
    assert segments(tmp_path / "killed")[0].read_bytes().endswith(bytes(200_000))
    assert segments(tmp_path / "one")[0].read_bytes().endswith(b"PEND")

    with closing(DiskLog(tmp_path / "killed")) as log:
        assert [finding for finding in log.findings if "copied" not in finding.what] == []
        assert [entries.gap for entries in stretches(log, log.kept()[0].first)] == [None, None]
        assert bodies(log, 0) == numbers(0, 5)


def test_nothing_is_written_ahead_of_large_appends(tmp_path: Path) -> None:
    """Every byte would be written twice."""
    with closing(DiskLog(tmp_path)) as log:
        for _ in range(3):
            log.append(0, [bytes(100_000)]).result(WAIT_S)
        assert segments(tmp_path)[0].stat().st_size < 302_000


def test_hurrying_without_anything_to_do(tmp_path: Path) -> None:
    """Another one may have done it."""
    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        log.hurry()

        assert log.append(0, numbers(0, 1)).result(WAIT_S).offset == 0


def test_rubbish_at_the_end_is_a_gap_of_unknown_size(tmp_path: Path) -> None:
    """What stands behind the last entry and is no block any more may have been entries: that is recorded, once."""
    log = DiskLog(tmp_path, SETTINGS)
    log.append(0, numbers(0, 3)).result(WAIT_S)
    with segments(tmp_path)[0].open("ab") as file:
        file.write(b"no block")
    again = tmp_path / "again"
    (again / "0").mkdir(parents=True)
    (again / "0" / segments(tmp_path)[0].name).write_bytes(segments(tmp_path)[0].read_bytes())
    log.close()

    for _ in range(2):
        with closing(DiskLog(again, SETTINGS)) as log:
            log.append(1, numbers(0, 1)).result(WAIT_S)  # what was appended before is durable, too
            read = list(stretches(log, log.kept()[0].first))

            assert [entries.gap for entries in read] == [None, Gap(CUT)]


def test_rubbish_that_cannot_be_recorded_is_found_again(tmp_path: Path) -> None:
    """A log that is full opens; the gap is recorded when there is room."""
    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        log.append(0, numbers(0, 3)).result(WAIT_S)
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes()[: 50 + 16 + 50 + 3 * (4 + len(numbers(0, 1)[0]))] + b"no block")
    (tmp_path / documents.IDENTITY).unlink()

    with closing(DiskLog(tmp_path, LogSettings(lanes=3, max_bytes=1, min_free_bytes=0))) as log:
        assert len(list(stretches(log, log.kept()[0].first))) == 1


def test_too_much_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the disk in memory is bounded: the rest is refused at once."""
    monkeypatch.setattr(disklog, "WAITING_BYTES", 1_000)
    with closing(DiskLog(tmp_path, SETTINGS)) as log, log._store.state.writing:
        first = log.append(0, [b"x" * 2_000])
        while log._waiting:
            pass
        second = log.append(0, [b"y" * 2_000])
        with pytest.raises(LogFull, match="wait for the disk"):
            log.append(0, [b"z"])
        log._store.state.writing.release()
        assert [first.result(WAIT_S).offset, second.result(WAIT_S).offset] == [0, 1]
        log._store.state.writing.acquire()


def test_a_disk_that_has_to_stay_free(tmp_path: Path) -> None:
    """An append that would use what others need is refused, also one without a body."""
    with closing(DiskLog(tmp_path, LogSettings(min_free_bytes=1 << 60))) as log:
        for pending in (log.append(0, [b"x"]), log.append(0, [b""]), log.append_gap(0, Gap("gap"))):
            with pytest.raises(LogFull, match="would stay free"):
                pending.result(WAIT_S)


def test_a_defect_is_told_to_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An error in the program hangs nobody, and the log goes on in a new epoch."""
    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        before = log.append(0, numbers(0, 1)).result(WAIT_S)
        with monkeypatch.context() as patch, caplog.at_level(logging.CRITICAL, "penstock"):
            patch.setattr(Store, "_commit", lambda *_: 1 / 0)
            with pytest.raises(AppendUnknown, match="error in the program"):
                log.append(0, numbers(1, 2)).result(WAIT_S)

        after = log.append(0, numbers(2, 3)).result(WAIT_S)

        assert (after.offset, after.epoch > before.epoch) == (1, True)


def test_an_interrupt_leaves_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the wait of the thread that writes for all; the others hear that they do not know."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        pendings = [log.append(0, [b"x"], wake=False) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(Store, "_commit", interrupted)
            with pytest.raises(KeyboardInterrupt):
                pendings[0].result(WAIT_S)

        with pytest.raises(AppendUnknown):
            pendings[1].result(WAIT_S)
        assert log.append(0, [b"y"]).result(WAIT_S).offset == 0


def test_a_folder_may_have_more_lanes(tmp_path: Path) -> None:
    """What was appended to lanes is there also for one who asks for fewer; folders that are no lanes are left alone."""
    with closing(DiskLog(tmp_path, SETTINGS)) as log:
        log.append(2, numbers(0, 3)).result(WAIT_S)
    (tmp_path / "9999").mkdir()
    (tmp_path / documents.IDENTITY).unlink()

    with closing(DiskLog(tmp_path)) as log:
        assert log.lanes == 3
        assert bodies(log, 2) == numbers(0, 3)


def test_a_machine_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's name does as well."""
    assert machine_id()
    monkeypatch.setattr(Path, "read_text", failing(errno.ENOENT))

    assert machine_id() == os.uname().nodename
    assert Machine().clock_us() > 1_700_000_000_000_000
