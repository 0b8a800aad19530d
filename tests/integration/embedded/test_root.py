"""What only root has to do: borrow an account, and reach with it what it needs."""

from __future__ import annotations

import dataclasses
import os
import pwd
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.stores.postgres.embedded import EmbeddedServer, EmbeddedSettings
from penstock.stores.postgres.embedded.account import Account
from penstock.stores.postgres.embedded.cluster import Cluster
from penstock.stores.postgres.embedded.errors import AccountMissing, FolderForeign, FolderUnreachable
from penstock.stores.postgres.embedded.postmaster import living
from tests.integration.embedded.places import IMPATIENT, Starter, as_root, command_line

if TYPE_CHECKING:
    from penstock.stores.postgres.embedded.binaries import Installation

pytestmark = as_root


def program(settings: EmbeddedSettings) -> Path:
    """What the running postmaster was executed from."""
    postmaster = living(Cluster(settings.home).data)
    assert postmaster is not None
    return Path(command_line(postmaster.pid).split()[0])


@pytest.fixture
def out_of_reach(folder: Path, installation: Installation) -> Path:
    """The programs below a folder that only root may pass, as in a virtual environment in root's home."""
    locked = folder / "locked"
    locked.mkdir(mode=0o700)
    package = installation.bin.parent.parent
    for part in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / part, locked / part, ignore=shutil.ignore_patterns("include", "pginstall"))
    return locked / package.name / installation.bin.parent.name / "bin"


def test_folders_of_others_keep_their_permissions(folder: Path) -> None:
    """Whatever lies above the home is as it was; the folders we made ourselves can be passed, not listed."""
    parent = folder / "theirs"
    parent.mkdir()
    parent.chmod(0o751)
    above = [parent, *parent.parents]
    before = [path.stat().st_mode for path in above]

    with EmbeddedServer(EmbeddedSettings(parent / "made" / "home"), IMPATIENT) as server:
        assert server.alive

    assert [path.stat().st_mode for path in above] == before
    assert [(parent / made).stat().st_mode & 0o777 for made in ("made", "made/home", "made/home/postgres")] == [0o711] * 3


def test_a_home_out_of_reach_is_told(folder: Path) -> None:
    """A folder that the account may not pass is named, and stays closed."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(FolderUnreachable, match=f"may not pass {closed} on the way"):
        EmbeddedServer(EmbeddedSettings(closed / "home"), IMPATIENT).start()

    assert closed.stat().st_mode & 0o777 == 0o700


def test_programs_out_of_reach_are_copied_once(new_settings: EmbeddedSettings, out_of_reach: Path) -> None:
    """Programs that the account cannot reach run from a copy, which is made once and made again after an upgrade."""
    new_settings = dataclasses.replace(new_settings, binaries=out_of_reach)
    programs = []
    for upgraded in (False, False, True):
        if upgraded:
            os.utime(out_of_reach / "postgres", ns=(1, 1))
        with EmbeddedServer(new_settings, IMPATIENT):
            programs.append(program(new_settings))
    first, second, third = programs

    assert first.is_relative_to(new_settings.home)
    assert first == second != third
    assert not first.exists()
    assert not list(new_settings.home.glob(".postgresql-*"))


def test_a_folder_that_is_not_writable_is_told(folder: Path, installation: Installation) -> None:
    """An ordinary user is told which folder it may not write to, before anything else."""
    nobody = pwd.getpwnam("nobody")
    starter = Starter(folder / "home", installation, Account("nobody", nobody.pw_uid, nobody.pw_gid, borrowed=False))

    answer = starter.ask("start")
    starter.close()

    assert answer == {
        "error": "HomeNotWritable",
        "text": f"The folder for state cannot be written to: {folder}/home ({folder}/home: Permission denied)",
    }


@pytest.mark.parametrize("name", ["root", "no-such-account"])
def test_an_account_of_no_use_is_told(new_settings: EmbeddedSettings, name: str) -> None:
    """An account that does not exist, or is root, is named in the error."""
    with pytest.raises(AccountMissing, match=f"tried {name}"):
        EmbeddedServer(dataclasses.replace(new_settings, account=name)).start()


def test_the_owner_of_the_data_stays_the_account(new_settings: EmbeddedSettings) -> None:
    """Existing data is served as its owner; asking for another account is an error, not a change of owner."""
    nobody = dataclasses.replace(new_settings, account="nobody")
    with EmbeddedServer(nobody, IMPATIENT):
        owner = Cluster(new_settings.home).data.stat().st_uid
    with EmbeddedServer(new_settings, IMPATIENT):
        assert Cluster(new_settings.home).data.stat().st_uid == owner

    with pytest.raises(FolderForeign, match="the server would run as daemon"):
        EmbeddedServer(dataclasses.replace(new_settings, account="daemon")).start()
