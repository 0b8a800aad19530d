"""As whom the server runs: PostgreSQL refuses root, so root borrows an unprivileged account."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.errors import AccountMissing, FolderForeign

if TYPE_CHECKING:
    from pathlib import Path

PREFERRED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user id with its group; `borrowed` when we are root and become it for the server only."""

    name: str
    uid: int
    gid: int
    borrowed: bool


def choose_account(wanted: str | None, data: Path | None = None) -> Account:
    """Ourselves; for root the account `wanted`, or the owner of an existing folder `data`, or `postgres`, or `nobody`.

    Raises `AccountMissing`, and `FolderForeign` where the data belongs to another account.
    """
    owner = data.stat().st_uid if data is not None else None
    account = _ourselves() if os.geteuid() else _borrowed(wanted, owner)
    if owner is not None and owner != account.uid:
        raise FolderForeign(f"{data} belongs to user id {owner}, the server would run as {account.name} ({account.uid})")
    return account


def barrier(path: Path, account: Account) -> Path | None:
    """The first folder or file on the way to `path` that the account may not pass, judged by mode bits; None when it gets there."""
    if not account.borrowed:
        return None
    return next((step for step in (*reversed(path.parents), path) if not _may_pass(step.stat(), account)), None)


def _ourselves() -> Account:
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Account(name, uid, os.getegid(), borrowed=False)


def _borrowed(wanted: str | None, owner: int | None) -> Account:
    candidates = (wanted,) if wanted else (owner,) if owner else PREFERRED
    for candidate in candidates:
        try:
            entry = pwd.getpwuid(candidate) if isinstance(candidate, int) else pwd.getpwnam(candidate)
        except KeyError:
            continue
        if entry.pw_uid:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, borrowed=True)
    raise AccountMissing(f"tried {', '.join(map(str, candidates))}: each must exist and must not be root")


def _may_pass(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
