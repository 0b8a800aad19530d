"""Where state lives."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from penstock.stores.home import HomeNotWritable, NoHome, locate_home, make_folder, prepare_home


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be an ordinary user, as far as code can tell."""
    monkeypatch.setattr(os, "geteuid", lambda: 65534)


@pytest.mark.usefixtures("ordinary")
@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({"PENSTOCK_HOME": "/a/b", "XDG_DATA_HOME": "/x", "HOME": "/h"}, "/a/b"),
        ({"PENSTOCK_HOME": "", "XDG_DATA_HOME": "/x", "HOME": "/h"}, "/x/penstock"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/h"}, "/h/.local/share/penstock"),
        ({"XDG_DATA_HOME": "", "HOME": "/h"}, "/h/.local/share/penstock"),
        ({"HOME": ""}, f"{pwd.getpwuid(65534).pw_dir}/.local/share/penstock"),
        ({}, f"{pwd.getpwuid(65534).pw_dir}/.local/share/penstock"),
    ],
)
def test_the_first_place_that_is_set_counts(environ: dict[str, str], home: str) -> None:
    """PENSTOCK_HOME, then XDG_DATA_HOME, then HOME, then the password database; empty and relative ones do not count."""
    assert locate_home(environ) == Path(home)


def test_root_keeps_state_in_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's own home is closed to the account of the server, so it is not used."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert locate_home({"HOME": "/root"}) == Path("/var/lib/penstock")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without a HOME and without an entry in the password database gets an error, not a folder in odd places."""
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    with pytest.raises(NoHome, match="user id 4000000") as caught:
        locate_home({})

    assert "PENSTOCK_HOME" in caught.value.hint


@pytest.mark.parametrize(("uid", "mode"), [(0, 0o711), (65534, 0o700)])
def test_only_folders_that_are_made_get_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, mode: int) -> None:
    """Whatever the umask, what is made can be passed under root and is private otherwise; what was there stays as it was."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    tmp_path.chmod(0o750)
    before = os.umask(0o077)
    try:
        prepare_home(tmp_path / "a" / "b")
    finally:
        os.umask(before)

    assert [path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [0o750, mode, mode]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way is an error that names the folder and the remedy."""
    (tmp_path / "file").touch()

    with pytest.raises(HomeNotWritable, match=r"file/home \(.*/file: File exists\)") as caught:
        prepare_home(tmp_path / "file" / "home")

    assert "PENSTOCK_HOME" in caught.value.hint


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    """So is a file that bears the name itself."""
    (tmp_path / "home").touch()

    with pytest.raises(HomeNotWritable, match="File exists"):
        prepare_home(tmp_path / "home")


def test_a_folder_that_refuses_writes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing folder is checked before anything relies on it."""
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(HomeNotWritable, match=str(tmp_path)):
        prepare_home(tmp_path)


def test_another_process_may_be_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that appears between looking and making is fine."""
    make = Path.mkdir

    def made_twice(path: Path) -> None:
        make(path)
        make(path)

    monkeypatch.setattr(Path, "mkdir", made_twice)

    make_folder(tmp_path / "home")

    assert (tmp_path / "home").is_dir()
