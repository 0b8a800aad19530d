"""`penstock queue`, and `penstock dead` with the folder of a queue."""

from __future__ import annotations

import errno
import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.model.gaps import Gap
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.ingestion import IngestionQueue, QueuePriority, QueueSettings
from tests.integration.cli.conftest import Command


def opened(folder: Path) -> IngestionQueue:
    """The queue in a folder."""
    return IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A queue with two items that wait, one that was processed, and two dead letters."""
    with opened(tmp_path / "queue") as queue:
        queue.enqueue("jetdrive", {"rpm": 3500}, QueuePriority.HIGH)
        queue.enqueue_batch([("files", number) for number in range(4)])
        items = queue.lease()
        queue.ack(items[1:2])
        queue.reject(items[2:3], "no number")
        queue.reject(items[3:4], "out of range")
        queue.add_dead_letter("ecu", b"\xff raw", "no number")
        queue.record_gap(Gap("reader failed", 7, None, 1_800_000_000_000_000))
        queue.record_gap(Gap("reader failed"))
    return tmp_path / "queue"


def letters(penstock: Command, folder: Path) -> dict[str, str]:
    """Ids of dead letters by their data."""
    found = map(json.loads, penstock("dead", "list", folder, "--json").splitlines())
    return {str(one["data"]): one["id"] for one in found}


def test_stats_say_what_it_holds_and_what_it_did(folder: Path, penstock: Command) -> None:
    """For people, and as one object."""
    said = penstock("queue", "stats", folder)

    assert said.splitlines() == [
        str(folder),
        "  waiting       2: 1 high, 1 batch",
        "  dead letters  3",
        "  enqueued      5: 1 processed, 2 failed, 0 dropped",
        "  tried again   0, and 0 dead letters",
        "  newest gap    reader failed",
    ]
    found = json.loads(penstock("queue", "stats", folder, "--json"))
    assert (found["total_enqueued"], found["dead_letters"], found["items_by_priority"]["high"]) == (5, 3, 1)
    with opened(folder) as queue:
        queue.record_gap(Gap("reader failed", 7, None, 1_800_000_000_000_000))
    assert "  newest gap    reader failed: 7, 2027-01-15T08:00:00.000+00:00\n" in penstock("queue", "stats", folder)


def test_list_shows_what_waits_and_takes_nothing(folder: Path, penstock: Command) -> None:
    """The highest priority first; no attempt is counted."""
    for _ in range(3):
        penstock("queue", "list", folder)
    first, second = map(json.loads, penstock("queue", "list", folder, "--json").splitlines())
    assert (first["data"], first["priority"], first["attempts"]) == ({"rpm": 3500}, "HIGH", 0)
    assert (second["data"], second["source"]) == (3, "files")

    said = penstock("queue", "list", folder, "--limit", "1")

    assert said == f'{first["id"]}  HIGH  jetdrive\n  {{"rpm": 3500}}\nand 1 more\n'


def test_an_empty_queue_says_so(tmp_path: Path, penstock: Command) -> None:
    """Which is no error."""
    opened(tmp_path).close()

    assert penstock("queue", "list", tmp_path) == "Nothing waits.\n"
    assert penstock("dead", "list", tmp_path) == f"There are no dead letters in {tmp_path}.\n"
    assert penstock("queue", "list", tmp_path, "--json") == ""


def test_the_queue_of_a_pipeline_is_shown_too(tmp_path: Path, penstock: Command) -> None:
    """Its lanes and its entries; it is not taken for one of items."""
    with closing(DiskLog(tmp_path)) as log:
        log.append(0, [b'{"n": 1}', b"x" * 200]).result()
        log.append_gap(0, Gap("reader failed")).result()
        said = penstock("queue", "stats", tmp_path)
        assert said.splitlines()[0] == f"{tmp_path}, the queue of a pipeline, in use by process {os.getpid()}"

    assert penstock("queue", "stats", tmp_path).splitlines()[1].startswith("  lane 0  3 entries from offset 0 on, ")
    assert json.loads(penstock("queue", "stats", tmp_path, "--json"))["lanes"][0]["entries"] == 3
    listed = penstock("queue", "list", tmp_path)
    assert '{\\"n\\": 1}' in listed
    assert "x…" in listed
    assert "  a gap: reader failed\n" in listed
    found = [json.loads(line) for line in penstock("queue", "list", tmp_path, "--json").splitlines()]
    assert [one["offset"] for one in found] == [0, 1, 2]
    assert [one.get("gap", {}).get("cause") for one in found] == [None, None, "reader failed"]
    told = penstock("dead", "list", tmp_path, code=2)
    assert "is the queue of a pipeline" in told
    assert "`penstock dead list FILE`" in told
    with pytest.raises(Exception, match="holds something else"):
        opened(tmp_path)


def test_a_pipelines_queue_may_be_empty(tmp_path: Path, penstock: Command) -> None:
    """Which is no error either."""
    DiskLog(tmp_path).close()

    assert penstock("queue", "list", tmp_path) == "Nothing is kept.\n"
    assert penstock("queue", "list", tmp_path, "--json") == ""


def test_there_has_to_be_a_queue(tmp_path: Path, penstock: Command) -> None:
    """A folder that is none stays as it is."""
    assert "no queue in this folder" in penstock("queue", "stats", tmp_path, code=2)
    assert "no queue in this folder" in penstock("dead", "list", tmp_path, code=2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_be_somebody_elses(tmp_path: Path, penstock: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and why it cannot be looked into."""

    def exists(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "exists", exists)

    assert f"{tmp_path / 'log.json'}: Permission denied" in penstock("queue", "stats", tmp_path, code=2)


@pytest.mark.parametrize("number", ["-1", "x", "1.5"])
def test_a_limit_is_a_number(folder: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is told before anything is looked at."""
    for command in ("queue", "dead"):
        with pytest.raises(SystemExit):
            main([command, "list", str(folder), "--limit", number])
        assert f"argument --limit: '{number}' is no number" in capsys.readouterr().err


def everything(folder: Path) -> dict[Path, tuple[bytes, int, int]]:
    """What is in a folder, and when it was last touched."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def test_a_queue_that_is_in_use_is_shown(folder: Path, penstock: Command) -> None:
    """Whose it is is said, nothing is changed, and its process does not notice."""
    with opened(folder) as queue:
        leased = queue.lease(1)
        before = everything(folder)

        said = penstock("queue", "stats", folder)

        assert said.splitlines()[:3] == [
            f"{folder}, in use by process {os.getpid()}",
            "  waiting       2: 1 high, 1 batch",
            "  of these      1 leased",
        ]
        found = json.loads(penstock("queue", "stats", folder, "--json"))
        assert (found["in_use_by"], found["leased"]) == (os.getpid(), 1)
        assert [json.loads(line)["data"] for line in penstock("queue", "list", folder, "--json").splitlines()] == [3]
        assert len(letters(penstock, folder)) == 3
        assert penstock("dead", "show", letters(penstock, folder)["1"], folder) == "1\n"
        assert everything(folder) == before
        queue.ack(leased)
    assert json.loads(penstock("queue", "stats", folder, "--json"))["in_use_by"] is None


def test_a_queue_that_is_in_use_is_not_changed(folder: Path, penstock: Command) -> None:
    """Try again later; whose it is is said."""
    with opened(folder):
        for words in (("retry",), ("clear", "--yes")):
            told = penstock("dead", *words, folder, code=75)
            assert f"Another process has this log open: {folder} by process {os.getpid()}" in told


def test_dead_letters_are_listed_and_shown(folder: Path, penstock: Command) -> None:
    """How many of each kind, the newest first, and one whole."""
    ids = letters(penstock, folder)
    listed = penstock("dead", "list", folder)
    assert listed.splitlines()[:2] == ["        2  no number", "        1  out of range"]
    assert listed.index(ids["2"]) < listed.index(ids["1"])

    assert penstock("dead", "show", ids["1"], folder) == "1\n"


def test_bytes_are_shown_as_they_are(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """On standard output; what is known of them is beside it."""
    with opened(folder) as queue:
        (raw,) = (letter for letter in queue.get_dead_letter_items() if isinstance(letter.data, bytes))

    assert main(["dead", "show", raw.id, str(folder)]) == 0

    said = capfdbinary.readouterr()
    assert said.out == b"\xff raw"
    assert said.err.startswith(b"ecu, NORMAL, enqueued 20")
    assert said.err.endswith(b"0 attempts\nno number\n")


def test_dead_letters_are_put_back(folder: Path, penstock: Command) -> None:
    """One, or those of a kind; they wait like any other item then."""
    ids = letters(penstock, folder)

    assert penstock("dead", "retry", ids["2"], folder) == "1 dead letter put back into the queue.\n"
    assert penstock("dead", "retry", folder, "--reason", "no number") == "2 dead letters put back into the queue.\n"

    assert penstock("dead", "list", folder) == f"There are no dead letters in {folder}.\n"
    assert "  waiting       5" in penstock("queue", "stats", folder)


def test_dead_letters_are_cleared(folder: Path, penstock: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are meant, and only when it is meant."""
    ids = letters(penstock, folder)
    assert "no terminal" in penstock("dead", "clear", folder, code=2)
    monkeypatch.setattr("penstock.cli.letters.agreed", lambda *_, yes: yes)
    assert penstock("dead", "clear", folder) == "Nothing was changed.\n"

    assert penstock("dead", "clear", ids["1"], folder, "--yes") == "1 dead letter cleared.\n"
    assert penstock("dead", "clear", folder, "--yes") == "2 dead letters cleared.\n"

    assert "  dead letters  0" in penstock("queue", "stats", folder)


def test_mistakes_are_told(folder: Path, penstock: Command, tmp_path: Path) -> None:
    """An id that is none, of nothing, or of another queue."""
    nobody = "2-00000000000000000000-7"
    assert "no such dead letter" in penstock("dead", "show", nobody, folder, code=2)
    assert "folder of its queue" in penstock("dead", "show", nobody, code=2)
    assert "no item of that queue" in penstock("dead", "retry", "7", folder, code=2)
    assert "no item of that queue" in penstock("dead", "clear", folder, tmp_path, code=2)
    for words in (("show", "abc"), ("retry", "abc"), ("clear", "abc")):
        with pytest.raises(SystemExit):
            main(["dead", *words])
