"""`penstock extract`, from the shell to the table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign import PENSTOCK

PROMISED = {
    "rows_stored",
    "duplicates",
    "rejected",
    "gaps",
    "complete",
    "seconds",
    "events_per_second",
    "requests",
    "throttled",
    "resumed",
}


@pytest.fixture
def home(reachable_folder: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """An environment with a state folder of its own and no settings."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHONPATH", "COVERAGE", "LANG"))}
    return kept | {
        "PENSTOCK_HOME": str(reachable_folder / f"cli-{abs(hash(request.node.name))}"),
        "PENSTOCK_PORT": "0",
        "HOME": "/nonexistent",
    }


def penstock(environment: dict[str, str], *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([*PENSTOCK, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120, cwd=folder)


def test_a_first_run_a_second_run_and_what_they_print(home: dict[str, str]) -> None:
    """The first run ends with the proof and the command that shows the data; the second one verifies it and has nothing to do."""
    first = penstock(home, "extract", "--events", "5000")
    second = penstock(home, "extract", "--events", "5000", "--json")
    shown = penstock(home, "db", "shell", "-Atc", "select count(*) from ingested_events")
    result = json.loads(second.stdout)

    assert (first.returncode, second.returncode) == (0, 0)
    assert "Complete: nothing lost, nothing twice." in first.stdout
    assert "penstock db shell -c 'select count(*)" in first.stdout
    assert "postgresql://penstock:***@127.0.0.1" in first.stdout
    assert result.keys() >= PROMISED
    assert (result["rows_stored"], result["rows_stored_by_this_run"], result["complete"], result["resumed"]) == (5_000, 0, True, True)
    assert result["gaps"] == result["duplicates"] == result["rejected"] == 0
    assert shown.stdout.strip() == "5000"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_drains_and_the_next_run_goes_on(home: dict[str, str], number: signal.Signals, code: int) -> None:
    """Stopped in the middle, everything read is stored; the next run carries the rest and says that it resumed."""
    arguments = ["extract", "--events", "20000", "--batch-size", "100", "--json", "--simulator", "--latency 0.05"]
    with subprocess.Popen([*PENSTOCK, *arguments], env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        url = _pages(run)
        while _status(url)["rows_stored"] < 1_000:
            time.sleep(0.02)
        run.send_signal(number)
        out, _ = run.communicate(timeout=60)
    stopped, resumed = json.loads(out), json.loads(penstock(home, *arguments[:-1], "--latency 0").stdout)

    assert run.returncode == code
    assert stopped["state"] == "cancelled"
    assert 1_000 <= stopped["rows_stored"] < 20_000
    assert resumed["resumed"] is True
    assert resumed["complete"] is True
    assert resumed["rows_stored_by_this_run"] + stopped["rows_stored"] == resumed["rows_stored"] == 20_000


def test_a_second_signal_stops_at_once_with_its_own_code(home: dict[str, str]) -> None:
    """Whoever does not want to wait for the drain sends the signal again; what was not stored is read again next time."""
    arguments = ["extract", "--events", "20000", "--batch-size", "100", "--simulator", "--latency 1"]
    with subprocess.Popen([*PENSTOCK, *arguments], env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        _pages(run)
        run.send_signal(signal.SIGTERM)
        assert run.stderr is not None
        while "once more stops at once" not in run.stderr.readline():
            pass
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)

    assert run.returncode == 143


def test_nobody_reads_the_result(home: dict[str, str]) -> None:
    """A reader of standard output that has gone away is no failure, and leaves no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [*PENSTOCK, "extract", "--events", "2000"], env=home, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)

    assert run.returncode == 0
    assert "Traceback" not in run.stderr


def test_rejected_rows_are_kept_and_can_be_looked_at(home: dict[str, str]) -> None:
    """The run ends with exit code 0 and says so; each bad record can be listed and shown byte for byte."""
    options = ["--simulator", "--undecodable 0.003 --undecodable-kind infinity"]
    run = penstock(home, "extract", "--events", "5000", "--json", *options)
    listed = penstock(home, "dead", "list", "--json", "--limit", "1")
    letter = json.loads(listed.stdout)
    shown = penstock(home, "dead", "show", str(letter["id"]))
    none = penstock(home, "dead", "show", "999999")

    assert run.returncode == 0
    assert json.loads(run.stdout)["state"] == "completed with rejected rows"
    assert shown.stdout.rstrip("\n") == letter["raw"]
    assert "Infinity" in shown.stdout
    assert none.returncode == 2
    assert "penstock dead list" in none.stderr


def test_too_many_rejected_rows_fail_and_a_higher_limit_goes_on(home: dict[str, str]) -> None:
    """Above one percent the exit code is 1 and the hint names the flag; with it, the same command completes."""
    command = ["extract", "--events", "12000", "--json", "--simulator", "--undecodable 0.05"]
    failed = penstock(home, *command)
    allowed = penstock(home, *command, "--max-refused-percent", "20")

    assert failed.returncode == 1
    assert "--max-refused-percent" in failed.stderr
    assert json.loads(failed.stdout).items() >= {"state": "failed", "complete": False, "gaps": None}.items()
    assert allowed.returncode == 0
    assert json.loads(allowed.stdout)["complete"] is True


@pytest.mark.parametrize(
    ("settings", "arguments", "said"),
    [
        ({"TARGET_API_KEY": "k"}, [], "API_BASE_URL is missing"),
        ({"API_BASE_URL": "http://127.0.0.1:9"}, [], "TARGET_API_KEY is missing"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:9/x"}, [], "--simulate"),
        ({"BATCH_SIZE": "5001"}, [], "BATCH_SIZE in the environment"),
        ({}, ["--batch-size", "0", "--partition-count", "many"], "--partition-count"),
        ({"PG_SYNC_COMMIT": "maybe"}, [], "PG_SYNC_COMMIT in the environment"),
        ({}, ["--no-such-flag"], "--no-such-flag"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_touched(
    home: dict[str, str], settings: dict[str, str], arguments: list[str], said: str
) -> None:
    """Exit code 2, the place and the remedy, and no state folder."""
    run = penstock(home | settings, "extract", *arguments)

    assert run.returncode == 2
    assert said in run.stderr
    assert not Path(home["PENSTOCK_HOME"]).exists()


def test_settings_in_a_file_are_named_with_their_line(home: dict[str, str], tmp_path: Path) -> None:
    """A fault in `.env` is reported with file and line, and its value is not shown."""
    (tmp_path / ".env").write_text("# a comment\nBATCH_SIZE=secret-looking\n")

    run = penstock(home, "extract", folder=tmp_path)

    assert run.returncode == 2
    assert "BATCH_SIZE in .env, line 2" in run.stderr
    assert "secret-looking" not in run.stderr


def test_an_api_that_is_not_there_is_told_soon(home: dict[str, str]) -> None:
    """A wrong address ends the run after a few attempts, with exit code 75 and what to check."""
    run = penstock(home | {"API_BASE_URL": "http://127.0.0.1:9", "TARGET_API_KEY": "a-secret-key"}, "extract")

    assert run.returncode == 75
    assert "API_BASE_URL" in run.stderr
    assert "a-secret-key" not in run.stdout + run.stderr


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    """`penstock --help` answers without importing a database driver, Arrow, a web server or even asyncio."""
    program = "import sys; from penstock.cli import main; main(['--help']); print(*sorted(sys.modules), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert all(name in run.stdout for name in ("extract", "dead", "db", "simulate"))
    assert {"asyncio", "asyncpg", "pyarrow", "numpy", "aiohttp", "starlette", "pydantic", "rich"}.isdisjoint(run.stderr.split())


def _pages(run: subprocess.Popen[str]) -> str:
    """Where the run serves its pages, from its first line."""
    assert run.stderr is not None
    line = run.stderr.readline()
    return line.split()[1].removesuffix("/health,")


def _status(url: str) -> Any:  # noqa: ANN401
    with urllib.request.urlopen(f"{url}/status", timeout=5) as answer:  # noqa: S310 - it is ours
        return json.load(answer)


def test_submitting(home: dict[str, str]) -> None:
    """With a repository the ids are submitted and the attempts left are told; without one nothing is begun."""
    missing = penstock(home, "extract", "--auto-submit")
    text = penstock(home | {"AUTO_SUBMIT": "true", "REPOSITORY_URL": "https://example.org/repository"}, "extract", "--events", "2000")
    again = penstock(home, "extract", "--events", "2000", "--auto-submit", "--repository-url", "https://example.org/repository", "--json")

    assert (missing.returncode, missing.stdout) == (2, "")
    assert "REPOSITORY_URL" in missing.stderr
    assert text.returncode == 0
    assert "Submitted 2,000 ids for https://example.org/repository.\nAttempts left: 4." in text.stdout
    assert json.loads(again.stdout)["submission"]["state"] == "held back"


def test_the_stream_is_not_open(home: dict[str, str]) -> None:
    """That events come from another endpoint is told on standard error while it runs, and in the result."""
    run = penstock(home, "extract", "--events", "2000", "--json", "--simulator", "--stream-refused 403")

    (notice,) = json.loads(run.stdout)["notices"]
    assert run.returncode == 0
    assert "reading /events instead" in notice
    assert run.stderr.count(notice) == 1


@pytest.mark.parametrize("columns", [40, 80])
def test_exploring_on_a_narrow_terminal(home: dict[str, str], columns: int) -> None:
    """What an API has and does is printed as wide as the terminal is; how many requests it may take is said before the first."""
    run = penstock(home | {"MODE": "explore", "COLUMNS": str(columns)}, "extract", "--events", "9000", "--simulator", "--ties 0.2")
    closed = ("Endpoints", "Cursor", "Stream", "Latency of a full page")

    assert (run.returncode, "with at most 40 requests" in run.stderr) == (0, True)
    assert [part for part in closed if f"\n{part}\n" not in run.stdout] == []
    assert max(map(len, run.stdout.splitlines())) <= columns


def test_exploring_as_json(home: dict[str, str]) -> None:
    """The findings are one object; no database is started for them."""
    run = penstock(home, "extract", "--explore", "--json", "--events", "9000", "--explore-requests", "12")
    found = json.loads(run.stdout)

    assert run.returncode == 0
    assert (found["requests"], found["most"]) == (12, 12)
    assert {"endpoints", "cursor", "stream", "latency", "notes"} < set(found)
    assert not Path(home["PENSTOCK_HOME"]).exists()


def test_exploring_what_is_not_there(home: dict[str, str]) -> None:
    """An API that does not answer is told as such, with what to check."""
    run = penstock(home | {"API_BASE_URL": "http://127.0.0.1:1", "TARGET_API_KEY": "top-secret"}, "extract", "--explore")

    assert (run.returncode, run.stdout) == (75, "")
    assert "API_BASE_URL" in run.stderr
    assert "top-secret" not in run.stderr
    assert "Traceback" not in run.stderr
