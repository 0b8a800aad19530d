"""`penstock dead` and `penstock state` with a pipeline file: they look where that pipeline keeps its state, whichever its sink."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from penstock.cli import main
from tests.integration.cli.conftest import Command

SINKS = {
    "csv": 'type = "csv"\npath = "out"',
    "jsonl": 'type = "jsonl"\npath = "out"',
    "parquet": 'type = "parquet"\npath = "out"',
    "sqlite": 'type = "sqlite"\npath = "out"\ntable = "orders"',
    "postgres": 'type = "postgres"\nurl = "${DATABASE_URL}"\ntable = "orders"',
}
FILES = ("csv", "jsonl", "parquet")


@pytest.fixture(params=SINKS)
def sink(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each type of sink."""
    kind: str = request.param
    if kind == "postgres":
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("database_url"))
    return kind


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: str) -> Path:
    """A pipeline into that sink, whose second of three records is refused."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PENSTOCK_PORT", "0")
    (tmp_path / "in.jsonl").write_text('{"id": 1}\n{ no JSON }\n{"id": 3}\n')
    made = tmp_path / "my orders.toml"
    limits = "[limits]\nmax_refused_percent = 50\n"
    made.write_text(f'name = "orders"\n[source]\ntype = "jsonl"\npath = "in.jsonl"\n[sink]\n{SINKS[sink]}\n{limits}')
    return made


def test_before_the_first_run(file: Path, penstock: Command) -> None:
    """There is nothing to list, which is no error, and nothing to show, clear or reset, which is; nothing is made."""
    assert penstock("dead", "list", file) == f"There are no dead letters of {file}.\n"
    assert penstock("state", "list", file) == f"{file} has not run yet.\n"
    assert "run/orders" in penstock("state", "show", file, code=2)
    assert "run/orders" in penstock("state", "reset", file, "--yes", code=2)
    assert "No dead letter is meant" in penstock("dead", "clear", file, "--yes", code=2)
    assert not (file.parent / "home").exists()
    assert not (file.parent / "out").exists()


def test_the_report_leads_to_the_record(file: Path, penstock: Command) -> None:
    """The command that a run names shows what was rejected, and that one the record, byte for byte."""
    report = penstock("run", file)
    assert f"`penstock dead list '{file}'` shows them." in report

    listed = penstock("dead", "list", file)
    (letter,) = map(json.loads, penstock("dead", "list", file, "--json").splitlines())

    assert re.match(r"        1  run/orders  \S", listed)
    assert listed.endswith("\n           { no JSON }\n")
    assert f"`penstock dead show ID '{file}'` prints one whole" in listed
    assert letter.items() >= {"pipeline": "run/orders", "raw": "{ no JSON }"}.items()
    assert penstock("dead", "show", letter["id"], file) == "{ no JSON }\n"
    assert "no dead letter with this number: 999" in penstock("dead", "show", 999, file, code=2)


def test_letters_of_other_pipelines_are_left_alone(file: Path, penstock: Command) -> None:
    """A file means its own pipeline, also where another one keeps its letters in the same place."""
    penstock("run", file)
    other = file.with_name("other.toml")
    other.write_text(file.read_text().replace('"orders"', '"others"').replace('"out"', '"out2"'))
    penstock("run", other)

    penstock("dead", "clear", other, "--yes")

    assert penstock("dead", "list", other) == f"There are no dead letters of {other}.\n"
    assert len(penstock("dead", "list", file, "--json").splitlines()) == 1


def test_letters_are_cleared_and_go_on_counting(file: Path, penstock: Command) -> None:
    """By their numbers or all; the next run's evidence holds, and the state says that one was cleared."""
    penstock("run", file)
    (letter,) = map(json.loads, penstock("dead", "list", file, "--json").splitlines())

    cleared = penstock("dead", "clear", letter["id"], file, "--yes")

    assert cleared == "1 dead letter cleared; proofs go on counting it as refused.\n"
    assert "3 records received: 2 stored, 1 rejected." in penstock("run", file)
    assert "dead letters  0 kept, 1 cleared" in penstock("state", "show", file)


def test_how_it_stands(file: Path, penstock: Command, sink: str) -> None:
    """A line in the list, a paragraph when it is shown, an object with --json, with the table or the file that is written."""
    penstock("run", file)

    known = json.loads(penstock("state", "show", file, "--json"))

    into = {"table": None, "file": str(file.parent / "out")} if sink in FILES else {"table": "orders", "file": None}
    assert known.items() >= {"name": "run/orders", "rows_received": 3, "gaps": 0, "dead_letters": 1, "lease": "free", **into}.items()
    assert json.loads(penstock("state", "list", file, "--json")) == known
    assert penstock("state", "list", file) == "run/orders: 2 rows stored, nothing missing; last run completed with rejected rows\n"
    assert "received      3: 2 stored, 1 refused, 0 duplicates" in penstock("state", "show", file)


def test_it_is_begun_from_nothing(file: Path, penstock: Command, sink: str) -> None:
    """What becomes of the rows is said, and the next run does as was said."""
    penstock("run", file)

    forgotten = penstock("state", "reset", file, "--yes")

    assert penstock("state", "list", file) == f"{file} has not run yet.\n"
    if sink in FILES:
        assert f"{file.parent / 'out'} stays as it is, and the next run refuses to write to it" in forgotten
        assert "did not write" in penstock("run", file, code=2)
        (file.parent / "out").rename(file.parent / "away")
        assert "A reader of the sink finds 2 rows." in penstock("run", file)
    else:
        assert "The table orders stays as it is, and the next run writes all rows again" in forgotten
        assert "A reader of the sink finds 4 rows." in penstock("run", file)


def test_tables_that_are_dropped(file: Path, penstock: Command, sink: str) -> None:
    """A table of PostgreSQL that the pipeline made goes with it; elsewhere nobody knows who made it, and nothing is forgotten."""
    penstock("run", file)

    said = penstock("state", "reset", file, "--drop-table", "--yes", code=0 if sink == "postgres" else 2)

    if sink == "postgres":
        assert "The table orders was dropped" in said
        assert "A reader of the sink finds 2 rows." in penstock("run", file)
    else:
        assert "Nothing was forgotten." in said
        assert "1 kept" in penstock("state", "show", file)


@pytest.mark.parametrize("sink", ["csv"])
def test_what_a_file_says_is_not_said_twice(file: Path, penstock: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A database, another pipeline or another file beside it is a mistake; so is a word that is neither number nor file."""
    for words in (
        ("dead", "list", file, "--database-url", "x"),
        ("dead", "clear", file, "--pipeline", "run/x"),
        ("dead", "clear", file, file),
    ):
        assert "A pipeline file says this itself" in penstock(*words, code=2)
    assert "Only letters of `penstock extract` can be tried again" in penstock("dead", "retry", file, code=2)
    with pytest.raises(SystemExit):
        main(["dead", "clear", "x"])
    assert "'x' is neither a number" in capsys.readouterr().err
