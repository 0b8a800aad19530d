"""An installation that the server's account cannot reach is copied, once, to where it can."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.stores.home import folder_mode
from penstock.stores.postgres.embedded.account import barrier
from penstock.stores.postgres.embedded.binaries import PROGRAMS, Installation, examine
from penstock.stores.postgres.embedded.disk import require_free_space
from penstock.stores.postgres.embedded.process import flush_filesystem

if TYPE_CHECKING:
    from penstock.stores.postgres.embedded.account import Account

COPIED = ("bin", "lib", "share")
COPY_BYTES = 128 << 20
PREFIX = "postgresql-"


def reachable(installation: Installation, account: Account, home: Path) -> Installation:
    """The installation itself when the account can run it, else its copy in `home`.

    A copy carries version and origin in its name, so an upgrade makes a new one and removes the old. Call it with the start lock held and
    no server running: a running one loads libraries from its copy.

    Raises `BinariesUnusable` where the copy does not run either, and `DiskTooFull`.
    """
    if all(barrier(path, account) is None for path in _places(installation)):
        return installation
    copy = home / f"{PREFIX}{installation.version}-{_fingerprint(installation)}"
    if not copy.is_dir():
        _remove_copies(home)
        _copy(installation, copy)
    return examine(copy / installation.bin.parent.parent.name / installation.bin.parent.name / installation.bin.name, account)


def _places(installation: Installation) -> list[Path]:
    named = [installation.bin / name for name in PROGRAMS]
    return [*named, *(path.resolve() for path in named)]


def _fingerprint(installation: Installation) -> str:
    """Changes whenever the programs do, even under the same version number."""
    status = (installation.bin / "postgres").stat()
    return hashlib.sha256(f"{installation.bin} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:8]


def _remove_copies(home: Path) -> None:
    for stale in (*home.glob(f"{PREFIX}*"), *home.glob(f".{PREFIX}*")):
        shutil.rmtree(stale, ignore_errors=True)


def _copy(installation: Installation, copy: Path) -> None:
    """Copy under another name and rename, so that what bears the name is complete."""
    require_free_space(copy.parent, COPY_BYTES)
    partial = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=copy.parent))
    try:
        prefix = installation.bin.parent
        for part in COPIED:
            if (prefix / part).is_dir():
                shutil.copytree(prefix / part, partial / prefix.parent.name / prefix.name / part)
        # A wheel keeps the shared libraries it brings beside the package; the programs look for them by relative path.
        libraries = prefix.parent.parent / f"{prefix.parent.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name)
        _open_up(partial)
        flush_filesystem(partial)
        partial.rename(copy)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _open_up(folder: Path) -> None:
    """Let everybody read what was copied; the originals may have been made with a umask that does not."""
    folder.chmod(folder_mode())
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
