"""`run-tests.sh`: what it runs, in which order, and what it makes of failures."""

from __future__ import annotations

import re

import pytest

from .machine import ROOT, Machine


def test_every_check_runs_the_quick_ones_first(checks: Machine) -> None:
    """The order is style, types, imports, tests, coverage of the whole and of each room; the last line is pytest's."""
    done = checks.run(script="run-tests.sh")

    ran = checks.journal()
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "=== 3 passed in 0.01s ==="
    assert ran[:7] == [
        "ruff format --check .",
        "ruff check .",
        "mypy ",
        "lint-imports ",
        "coverage erase",
        "coverage run -m pytest --numprocesses=3 --dist=load --maxschedchunk=1",
        "coverage combine --quiet",
    ]
    assert {re.sub(r".*/(\w+)/\* --fail-under=", r"\1 ", line) for line in ran[8:]} == {
        "model 100",
        "ports 100",
        "reliability 100",
        "engine 100",
        "extract 90",
        "instruments 90",
        "queue 100",
        "pipelines 90",
        "stores 90",
    }


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ("ruff check", "ruff check"),
        ("mypy ", "mypy"),
        ("coverage run", "pytest"),
        ("src/penstock/ports/", "coverage of the core"),
        ("src/penstock/extract/", "coverage of wings, pipelines and stores"),
    ],
)
def test_a_failed_check_does_not_hide_the_others(checks: Machine, broken: str, name: str) -> None:
    """After a failure the rest still runs; the end names what failed, and the script fails."""
    checks.run(script="run-tests.sh")
    all_of_them = checks.journal()

    done = checks.run(script="run-tests.sh", BROKEN=broken)

    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == [f"failed: {name}", "=== 3 passed in 0.01s ==="]
    assert checks.journal() == all_of_them


def test_a_choice_of_tests_is_not_asked_for_coverage(checks: Machine) -> None:
    """Arguments go to pytest as they are, and part of the tests is not held to the thresholds of all."""
    checks.run("tests/unit", "-k", "a or b", script="run-tests.sh")

    assert checks.journal()[4:] == ["pytest tests/unit -k a or b"]


@pytest.mark.parametrize(("args", "scale"), [([], "unset"), (["--long"], "long")])
def test_long_is_told_to_the_tests_through_the_environment(checks: Machine, args: list[str], scale: str) -> None:
    """`--long` sets the one setting that counts of random cases come from, and everything else stays as it is."""
    done = checks.run(*args, script="run-tests.sh")

    assert f"scale {scale}" in done.stdout
    assert "coverage run -m pytest --numprocesses=3 --dist=load --maxschedchunk=1" in checks.journal()


def test_ci_runs_the_tests_and_nothing_else() -> None:
    """What CI does is what `sh run-tests.sh` does."""
    commands = [line for line in (ROOT / ".ci/run").read_text().splitlines() if not line.startswith("#")]

    assert commands == ['exec sh "$(dirname "$0")/../run-tests.sh"']
