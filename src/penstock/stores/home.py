"""Where state lives: one folder per machine or user, made with the permissions its tenants need."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_HOME = Path("/var/lib/penstock")


class NoHome(Misconfigured):
    """There is no folder to keep state in."""

    default_hint = "Set PENSTOCK_HOME to a folder you may write to."


class HomeNotWritable(Misconfigured):
    """The folder for state cannot be written to."""

    default_hint = "Set PENSTOCK_HOME to a folder you may write to, or give this one to the user that runs penstock."


def locate_home(environ: Mapping[str, str] = os.environ) -> Path:
    """`PENSTOCK_HOME`; else `/var/lib/penstock` for root; else `penstock` in `XDG_DATA_HOME` or `~/.local/share`.

    Nothing is made. An empty variable counts as unset, and so does a relative `XDG_DATA_HOME` or `HOME`.

    Raises `NoHome` where a user has neither `HOME` nor an entry in the password database.
    """
    if chosen := environ.get("PENSTOCK_HOME"):
        return Path(os.path.realpath(Path(chosen)))
    if os.geteuid() == 0:
        return Path(os.path.realpath(SYSTEM_HOME))
    shared = environ.get("XDG_DATA_HOME", "")
    data = Path(shared) if shared.startswith("/") else _own_folder(environ) / ".local" / "share"
    return Path(os.path.realpath(data / "penstock"))


def prepare_home(home: Path) -> Path:
    """Make the folder and what is missing above it; what exists keeps its permissions.

    Folders made are 0700, for root 0711: servers that root starts run as another account and must pass through.

    Raises `HomeNotWritable`.
    """
    try:
        make_folder(home)
    except OSError as error:
        raise HomeNotWritable(f"{home} ({error.filename}: {error.strerror})") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise HomeNotWritable(str(home))
    return home


def make_folder(path: Path) -> None:
    """Like `mkdir -p`, whatever the umask; see `prepare_home` for the permissions."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir()
    except FileExistsError:
        if path.is_dir():  # another process was faster
            return
        raise
    path.chmod(folder_mode())


def owner_only(path: str, flags: int) -> int:
    """For `open(…, opener=owner_only)`: a file that is made is 0600."""
    return os.open(path, flags, 0o600)


def folder_mode() -> int:
    """The permissions of a folder we make."""
    return 0o711 if os.geteuid() == 0 else 0o700


def _own_folder(environ: Mapping[str, str]) -> Path:
    if (home := environ.get("HOME", "")).startswith("/"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError as error:
        raise NoHome(f"HOME is not set and user id {os.geteuid()} has no entry in the password database") from error
