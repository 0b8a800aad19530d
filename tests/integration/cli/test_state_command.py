"""`penstock state` and `penstock dead`: what they print, what they ask, and their exit codes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator

import pytest

from penstock.simulate.settings import DataSyncSettings
from tests.faults.campaign import PENSTOCK, simulator

from .test_extract_command import penstock

NAME = "extract/ingested_events"
EVENTS = DataSyncSettings(events=2_000, undecodable=0.005)


@pytest.fixture
def empty(database_url: str) -> dict[str, str]:
    """An environment that names an empty database."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHONPATH", "COVERAGE", "LANG"))}
    return kept | {"DATABASE_URL": database_url, "PENSTOCK_PORT": "0", "HOME": "/nonexistent"}


@pytest.fixture
def extracted(empty: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same after an extraction with some rejected rows."""
    with simulator(f"--events={EVENTS.events}", f"--undecodable={EVENTS.undecodable}") as api:
        environment = empty | api
        assert penstock(environment, "extract", "--json").returncode == 0
        yield environment


def test_an_empty_database(empty: dict[str, str]) -> None:
    """There is nothing to list, which is no error, and nothing to show, retry or clear, which is."""
    listed, shown = penstock(empty, "state", "list"), penstock(empty, "state", "show", NAME)
    retried, cleared = penstock(empty, "dead", "retry"), penstock(empty, "dead", "clear", "--yes")

    assert (listed.returncode, listed.stdout) == (
        0,
        "There are no pipelines yet; `penstock state list FILE` shows the one of a pipeline file.\n",
    )
    assert (shown.returncode, retried.returncode, cleared.returncode) == (2, 2, 2)
    assert f"Nothing is kept of a pipeline of this name: {NAME}" in shown.stderr
    assert "penstock state list" in shown.stderr
    assert "No dead letter is meant" in retried.stderr


def test_a_server_that_is_not_there(empty: dict[str, str]) -> None:
    """A flag wins over the environment; a server that does not answer is exit code 75, and no traceback."""
    missing = penstock(empty, "state", "list", "--database-url", "postgresql://u:secret@127.0.0.1:9/x")

    assert missing.returncode == 75
    assert "The database did not answer" in missing.stderr
    assert "secret" not in missing.stderr


def test_what_is_known_of_a_pipeline(extracted: dict[str, str]) -> None:
    """A line in the list, a paragraph when it is shown, an object with --json."""
    listed, shown = penstock(extracted, "state", "list"), penstock(extracted, "state", "show", NAME)
    (known,) = map(json.loads, penstock(extracted, "state", "list", "--json").stdout.splitlines())

    letters = known["dead_letters"]
    assert letters > 0
    assert listed.stdout == f"{NAME}: {2_000 - letters:,} rows stored, nothing missing; last run completed with rejected rows\n"
    assert json.loads(penstock(extracted, "state", "show", NAME, "--json").stdout) == known
    assert known.items() >= {"name": NAME, "rows_expected": 2_000, "gaps": 0, "lease": "free", "holder": None}.items()
    assert f"received      2,000 of 2,000: {2_000 - letters:,} stored, {letters} refused, 0 duplicates" in shown.stdout


def test_letters_are_tried_again_and_cleared(extracted: dict[str, str]) -> None:
    """Each says what became of the letters; without --yes and without a terminal nothing is deleted; the proof goes on holding."""
    retried, refused = penstock(extracted, "dead", "retry", "--pipeline", NAME), penstock(extracted, "dead", "clear")
    kept = len(penstock(extracted, "dead", "list", "--json").stdout.splitlines())
    cleared = penstock(extracted, "dead", "clear", "--yes")
    again = penstock(extracted, "extract", "--json")

    assert (retried.returncode, refused.returncode, cleared.returncode, again.returncode) == (0, 2, 0, 0)
    assert retried.stdout == f"{NAME}: 0 dead letters stored, 0 were stored before, {kept} refused again.\n"
    assert "--yes" in refused.stderr
    assert cleared.stdout.startswith(f"{kept} dead letters cleared")
    assert penstock(extracted, "dead", "list").stdout.startswith("There are no dead letters; ")
    assert json.loads(again.stdout)["complete"] is True


def test_a_pipeline_is_begun_from_nothing(extracted: dict[str, str]) -> None:
    """After its answer is yes the pipeline is forgotten, with its table where that is said, and the next run begins anew."""
    asked = answered(extracted, "n\n", "state", "reset", NAME)
    untouched = penstock(extracted, "state", "list").stdout
    forgotten = answered(extracted, "y\n", "state", "reset", NAME, "--drop-table")
    again = penstock(extracted, "extract", "--json")

    assert "[y/N]" in asked
    assert "Nothing was changed." in asked
    assert untouched.startswith(NAME)
    assert "The table ingested_events was dropped" in forgotten
    assert json.loads(again.stdout)["rows_stored_by_this_run"] > 1_900


def test_the_table_may_stay(extracted: dict[str, str]) -> None:
    """A pipeline that is forgotten without its table says what that means, and the next run refuses the table."""
    forgotten = penstock(extracted, "state", "reset", NAME, "--yes")
    again = penstock(extracted, "extract", "--json")

    assert "The table ingested_events stays as it is." in forgotten.stdout
    assert again.returncode == 2
    assert "was not made by" in again.stderr


def answered(environment: dict[str, str], answer: str, *arguments: str) -> str:
    """What a command says at a terminal whose user types this."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    done = subprocess.run([*PENSTOCK, *arguments], env=environment, stdin=theirs, capture_output=True, text=True, check=False, timeout=120)
    os.close(ours)
    os.close(theirs)
    return done.stdout + done.stderr
