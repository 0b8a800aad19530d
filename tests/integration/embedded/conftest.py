"""A home that an unprivileged account can reach, and a server on it."""

from __future__ import annotations

import functools
import os
import pwd
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.stores.postgres.embedded import EmbeddedServer, EmbeddedSettings
from penstock.stores.postgres.embedded.account import Account, choose_account
from penstock.stores.postgres.embedded.binaries import Installation, locate
from penstock.stores.postgres.embedded.reachable import reachable
from tests.integration.embedded.places import IMPATIENT, Place, Starter, as_root, roomy_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def everywhere() -> Iterator[Path]:
    """A folder that every account can pass, unlike pytest's own under root."""
    with tempfile.TemporaryDirectory(prefix="penstock-test-", dir=roomy_folder()) as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def folder(everywhere: Path) -> Path:
    """The same, for one test."""
    path = Path(tempfile.mkdtemp(dir=everywhere))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def installation(everywhere: Path) -> Installation:
    """The programs, where every account can run them."""
    copies = everywhere / "programs"
    copies.mkdir()
    return reachable(locate(), choose_account(None), copies)


@pytest.fixture(scope="session")
def made_before(everywhere: Path, installation: Installation) -> Callable[[Account, Path], None]:
    """Put a home in place that was used before; initialising one for each test would take most of the time."""

    @functools.cache
    def template(user: Account) -> Path:
        home = everywhere / f"{user.name}-template" / "home"
        home.parent.mkdir()
        os.chown(home.parent, user.uid, user.gid)
        starter = Starter(home, installation, user)
        starter.ask("start")
        starter.ask("stop")
        starter.close()
        return home

    def copy(user: Account, home: Path) -> None:
        subprocess.run(["/bin/cp", "-a", template(user), home], check=True)

    return copy


@pytest.fixture(params=["self", pytest.param("nobody", marks=as_root)])
def new_place(request: pytest.FixtureRequest, folder: Path, installation: Installation) -> Iterator[Place]:
    """A home to be made, once for ourselves, and where we are root once for an ordinary user, who owns the folder above it."""
    uid, gid = os.geteuid(), os.getegid()
    if request.param == "nobody":
        uid, gid = pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid
        os.chown(folder, uid, gid)
    place = Place(folder / "home", installation, Account(request.param, uid, gid, borrowed=False), [])
    yield place
    place.close()


@pytest.fixture
def place(new_place: Place, made_before: Callable[[Account, Path], None]) -> Place:
    """The same, with a home that was used before."""
    made_before(new_place.user, new_place.home)
    return new_place


@pytest.fixture
def new_settings(folder: Path) -> EmbeddedSettings:
    """The defaults, on a home to be made."""
    return EmbeddedSettings(folder / "home")


@pytest.fixture
def settings(new_settings: EmbeddedSettings, made_before: Callable[[Account, Path], None]) -> EmbeddedSettings:
    """The defaults, on a home that was used before."""
    made_before(Account("self", os.geteuid(), os.getegid(), borrowed=False), new_settings.home)
    return new_settings


@pytest.fixture
def server(settings: EmbeddedSettings) -> Iterator[EmbeddedServer]:
    """A running server."""
    with EmbeddedServer(settings, IMPATIENT) as running:
        yield running
