"""The commands about pipeline files, as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.cli import main
from penstock.engine.lease import this_process
from penstock.pipelines import journal
from tests.unit.pipelines import ends

ENDS = '[source]\ntype = "memory"\ntable = "t"\n[sink]\ntype = "memory"\ntable = "u"\n'


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any port, and a table of thirty rows."""
    monkeypatch.setenv("PENSTOCK_PORT", "0")
    ends.TABLES["t"] = pa.table({"id": range(30)})


def test_a_run_ends_with_evidence_and_where_the_data_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was received and became of it, what a reader of the sink finds, the place and the command that shows it."""
    file.write_text("stages = [{ filter = 'id > 9' }]\n" + ENDS)

    code = main(["run", str(file)])

    out = capsys.readouterr().out
    assert code == 0
    assert " 30 records received: 20 stored, 10 left out." in out
    assert " A reader of the sink finds 20 rows." in out
    assert "Complete: nothing lost, nothing twice." in out
    assert out.endswith("To look at it:\n  show u orders\n")


def test_a_run_ends_with_one_object(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, also of a second run that has nothing to do."""
    file.write_text(ENDS)
    main(["run", str(file), "--json"])
    first = json.loads(capsys.readouterr().out)
    main(["run", str(file), "--json"])
    second = json.loads(capsys.readouterr().out)

    assert first.items() >= {"pipeline": "orders", "state": "completed", "rows_stored": 30, "complete": True, "resumed": False}.items()
    assert second.items() >= {"rows_stored": 30, "rows_stored_by_this_run": 0, "resumed": True, "complete": True}.items()


def test_a_failed_run_ends_with_one_object_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The state is failed, the message says why, and the exit code is that of the error."""
    file.write_text("stages = [{ filter = 'idd > 9' }]\n" + ENDS)

    code = main(["run", str(file), "--json"])

    said = capsys.readouterr()
    assert code == 2
    assert json.loads(said.out).items() >= {"state": "failed", "complete": False, "evidence": None}.items()
    assert "did you mean `id`" in said.err


def test_faults_are_listed_and_nothing_is_touched(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 for a run and a check alike; no state folder is made."""
    file.write_text("mode = 'apend'\n" + ENDS + "kez = 3\n")

    codes = [main([command, str(file)]) for command in ("run", "check", "plan")]

    assert codes == [2, 2, 2]
    assert capsys.readouterr().err.count("line 1: mode: `apend` is no mode") == 3
    assert not (tmp_path / "home").exists()


def test_a_check_dials_both_ends_and_moves_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The columns before and after the stages, and what the sink says; offline nothing is dialled."""
    file.write_text("stages = [{ rename = { id = 'number' } }]\n" + ENDS)

    assert main(["check", str(file)]) == 0

    assert capsys.readouterr().out == (
        f"{file}: nothing is wrong with the file.\nThe source answers: the table t of orders\n  id  int64\n"
        "After the stages:\n  number  int64\nThe sink answers: 0 rows\n"
    )
    assert main(["check", "--offline", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: nothing is wrong with the file.\n"
    assert ends.SINKS == {}


def test_a_plan_says_what_is_stored_and_what_is_not(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first run everything is to be read, after it nothing; in mode replace everything again."""
    file.write_text(ENDS)
    main(["plan", str(file)])
    before = capsys.readouterr().out
    main(["run", str(file)])
    capsys.readouterr()
    main(["plan", str(file)])
    after = capsys.readouterr().out
    file.write_text("mode = 'replace'\n" + ENDS)
    main(["plan", str(file)])
    anew = capsys.readouterr().out

    assert before.endswith("Stored already: nothing, this pipeline has not run here\nTo read: 1 partition\n")
    assert after.endswith("Stored already: 30 rows of 30 records received, in 3 stretches\nTo read: nothing\n")
    assert anew.endswith("To read: everything; the last run is complete, and mode replace begins anew\n")


def test_a_list_tells_how_last_runs_ended(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each pipeline of the folder with its last state; other files are passed over."""
    file.write_text(ENDS)
    (file.parent / "pyproject.toml").write_text("[tool]\n")
    (file.parent / "broken.toml").write_text("[")
    main(["list", str(file.parent)])
    before = capsys.readouterr().out
    main(["run", str(file)])
    capsys.readouterr()
    main(["list", str(file.parent)])
    after = capsys.readouterr().out
    file.write_text(ENDS.replace('"t"', '"none"'))

    assert before == f"{file}  never run here\n"
    assert after.startswith(f"{file}  completed, 20")
    assert after.endswith(", 30 rows stored\n")


def test_a_list_tells_why_a_run_failed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the message of the error."""
    file.write_text("stages = [{ filter = 'idd > 9' }]\n" + ENDS)
    main(["run", str(file)])
    capsys.readouterr()

    main(["list", str(file.parent)])

    assert "failed, " in (said := capsys.readouterr().out)
    assert "there is no column `idd`" in said


def test_the_example_runs_at_once_and_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It comes with its data, checks, runs, and shows every kind of end that a record can take."""
    folder = tmp_path / "new" / "folder"
    assert main(["init", str(folder)]) == 0
    written = (folder / "orders.toml").read_text()

    assert main(["init", str(folder)]) == 2
    assert "orders.toml" in capsys.readouterr().err
    assert main(["check", str(folder / "orders.toml")]) == 0
    assert main(["run", str(folder / "orders.toml")]) == 0
    out = capsys.readouterr().out
    assert " 102 records received: 90 stored, 1 duplicate, 10 left out, 1 rejected." in out
    assert f"the reason: `penstock dead list {folder}/orders.toml` shows them." in out
    assert (folder / "orders.toml").read_text() == written
    assert len((folder / "orders.csv").read_text().splitlines()) == 91


def test_a_run_that_brought_no_row_may_bring_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is new only where nothing was received: not where a record was rejected or left out."""
    main(["init", str(tmp_path / "shop")])
    data, said = tmp_path / "shop" / "orders.jsonl", []
    for more in ("", "{ no JSON }\n", "", '{"id": 200, "ts": "2026-02-01T09:00:00Z", "status": "void", "amount": "7.50"}\n', ""):
        with data.open("a") as file:
            file.write(more)
        main(["run", str(tmp_path / "shop" / "orders.toml")])
        said.append(capsys.readouterr().out)

    assert ["Nothing new: 90 rows were stored before" in one for one in said] == [False, False, True, False, True]
    assert ["0 new rows in" in one for one in said] == [False, True, False, True, False]
    assert " 104 records received: 90 stored, 1 duplicate, 11 left out, 2 rejected." in said[-1]


def test_an_example_takes_the_name_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in a folder; where it cannot be written, the reason."""
    assert main(["init", str(tmp_path / "mine.toml")]) == 0
    assert f"penstock run {tmp_path}/mine.toml" in capsys.readouterr().out

    assert main(["init", str(tmp_path / "mine.toml" / "below")]) == 2
    assert "Not a directory" in capsys.readouterr().err


def test_two_runs_of_one_pipeline_do_not_go_together(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one ends with exit code 75, says who is at work, and disturbs nothing."""
    ends.TABLES["t"] = pa.table({"id": range(3_000)})
    file.write_text(ENDS.replace('"t"', '"t"\nbatch_rows = 1\n'))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[3])])}
    codes = list[subprocess.CompletedProcess[str]]()

    def second() -> None:
        time.sleep(0.3)
        command = [sys.executable, "-c", f"import tests.unit.pipelines.ends as e, pyarrow as pa; {SECOND}", "run", str(file)]
        codes.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=False))

    other = threading.Thread(target=second)
    monkeypatch.setattr(ends, "STARTED", other.start)

    assert main(["run", str(file)]) == 0

    other.join()
    assert codes[0].returncode == 75
    assert f"run/orders is held by process {os.getpid()}" in codes[0].stderr
    assert " A reader of the sink finds 3,000 rows." in capsys.readouterr().out


SECOND = "e.TABLES['t'] = pa.table({'id': [1]}); from penstock.cli import main; import sys; sys.exit(main(sys.argv[1:]))"


def test_a_folder_without_pipelines_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It leads to `penstock init`."""
    assert main(["list", str(tmp_path)]) == 0

    assert "`penstock init` writes one" in capsys.readouterr().out


def test_a_run_that_was_killed_was_interrupted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in a process that is gone is told as interrupted; beside a run that is alive another one notes nothing."""
    journal.note(file, journal.RUNNING)
    running = journal.last(file)
    alive = this_process()
    monkeypatch.setattr(journal, "this_process", lambda: type(alive)(alive.host, alive.boot, alive.pid, alive.started + 1))
    assert running is not None
    assert running.told == "running"

    journal.note(file, "failed", "held")

    assert journal.last(file) == running


def test_what_cannot_be_read_of_a_journal_is_not_known(file: Path, tmp_path: Path) -> None:
    """A list is no place to fail."""
    journal.note(file, "completed")
    next((tmp_path / "home" / "journal").iterdir()).write_text("{")

    assert journal.last(file) is None


def test_a_signal_ends_a_run_drained(file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 143, no evidence, and the hint to run it again; which then goes on."""
    ends.TABLES["t"] = pa.table({"id": range(20_000)})
    monkeypatch.setattr(ends, "STARTED", lambda: threading.Thread(target=_terminate).start())
    file.write_text(ENDS.replace('"t"', '"t"\nbatch_rows = 1\n'))

    assert main(["run", str(file)]) == 143
    stopped = capsys.readouterr().out
    monkeypatch.setattr(ends, "STARTED", lambda: None)
    file.write_text(ENDS.replace('"t"', '"t"\nbatch_rows = 1000\n'))

    assert "Run the same command again: it goes on where it stopped." in stopped
    assert main(["run", str(file)]) == 0
    assert " A reader of the sink finds 20,000 rows." in capsys.readouterr().out


def _terminate() -> None:
    time.sleep(0.3)
    signal.raise_signal(signal.SIGTERM)
