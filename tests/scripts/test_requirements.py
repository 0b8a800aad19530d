"""The requirement files: exact, vouched for, and what the package asks for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .machine import ROOT

PINS = ["run", "test"]


@pytest.mark.parametrize("name", PINS)
def test_pins_name_no_place_and_carry_hashes(name: str) -> None:
    """Each requirement is one exact version with its hashes, and where packages come from is left to the machine."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    lines = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "").splitlines()

    assert lines
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+( +--hash=sha256:[0-9a-f]{64})+ *", line)] == []
    assert "://" not in text


def test_both_files_pin_shared_packages_alike() -> None:
    """Installing the tests' packages changes none that the main job was pinned to."""
    run, test = (pins(name) for name in PINS)

    assert {name: run[name] for name in run.keys() & test.keys()} == {name: test[name] for name in run.keys() & test.keys()}


def test_the_pins_of_the_main_job_are_what_the_package_asks_for() -> None:
    """Every dependency in pyproject.toml, of the build and of each extra that the main job uses, is pinned within its range."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    used = ["arrow", "postgres", "http", "server", "terminal", "settings"]
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"], *(line for extra in used for line in extras[extra])]
    run = pins("run")

    outside = [line for line in others(asked) if not line.specifier.contains(run.get(canonicalize_name(line.name), "0"))]

    assert outside == []


def pins(name: str) -> dict[str, str]:
    """Packages and versions of one requirement file."""
    found = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in found}


def others(lines: Sequence[str]) -> Iterator[Requirement]:
    """Requirements but those on our own extras."""
    return (line for line in map(Requirement, lines) if line.name != "penstock")
