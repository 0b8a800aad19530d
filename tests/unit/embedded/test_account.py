"""As whom the server runs, and what that account can reach."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Never

import pytest

from penstock.stores.postgres.embedded.account import Account, barrier, choose_account
from penstock.stores.postgres.embedded.errors import AccountMissing

if TYPE_CHECKING:
    from pathlib import Path

STRANGER = Account("stranger", 4_000_000, 4_000_000, borrowed=True)


def nobody_there(_: object) -> Never:
    """A password database without entries."""
    raise KeyError


def test_an_ordinary_user_is_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root there is nothing to borrow, whatever is wanted, and no entry in the password database is needed."""
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    assert choose_account("postgres") == Account("4000000", 4_000_000, os.getegid(), borrowed=False)


def test_root_prefers_postgres_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root takes `postgres` where it exists and `nobody` otherwise."""
    entries = {"postgres": pwd.struct_passwd(("postgres", "x", 101, 104, "", "", "")), "nobody": pwd.getpwnam("nobody")}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", entries.__getitem__)

    assert choose_account(None) == Account("postgres", 101, 104, borrowed=True)
    del entries["postgres"]
    assert choose_account(None).name == "nobody"


def test_without_any_account_root_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither account gets an error that names both and the setting."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", nobody_there)

    with pytest.raises(AccountMissing, match="tried postgres, nobody") as caught:
        choose_account(None)

    assert "PENSTOCK_PG_USER" in caught.value.hint


def test_the_first_closed_folder_on_the_way_is_the_barrier(tmp_path: Path) -> None:
    """The folder that has to be opened is named, the outermost first; whoever borrows nothing meets no barrier."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a").chmod(0o750)
    closed = [path for path in (*reversed(inner.parents), inner) if not path.stat().st_mode & 0o001]

    assert barrier(inner, STRANGER) == closed[0]
    assert barrier(inner, Account("self", os.geteuid(), os.getegid(), borrowed=False)) is None


@pytest.mark.parametrize(("mode", "passable"), [(0o100, "owner"), (0o010, "group"), (0o001, "others")])
def test_one_class_of_permissions_counts(tmp_path: Path, mode: int, passable: str) -> None:
    """As the kernel does it: the owner's bits for the owner, else the group's for the group, else the others'."""
    status = tmp_path.stat()
    tmp_path.chmod(mode)
    accounts = {
        "owner": Account("owner", status.st_uid, status.st_gid, borrowed=True),
        "group": Account("group", STRANGER.uid, status.st_gid, borrowed=True),
        "others": STRANGER,
    }

    stopped = {name for name, account in accounts.items() if barrier(tmp_path, account) == tmp_path}
    tmp_path.chmod(0o700)

    assert passable not in stopped
    assert stopped <= set(accounts) - {passable}
