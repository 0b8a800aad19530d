"""What goes wrong with files, told with their names."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.model.errors import Fatal, Misconfigured, PenstockError, TryLater
from penstock.ports.source import PositionLost


class NoSuchFile(Misconfigured):
    """No file is there."""

    default_hint = "Check `path`: it starts at the folder of the pipeline file, and may be a pattern such as `orders/*.jsonl`."


class FileNotAccessible(Misconfigured):
    """A file cannot be opened."""

    default_hint = "Check the path, and that this user may read it, or for a sink write it and its folder."


class FileReplaced(PositionLost):
    """A file is not the one that was read before."""

    default_hint = (
        "It was cut short, or another one took its name. Bring it back; or give new files new names and let `path` match them; "
        "or begin from nothing: `penstock state reset FILE`."
    )


class NoColumns(Misconfigured):
    """The columns cannot be told from the first rows."""

    default_hint = 'State them: `columns = { id = "int64", name = "string" }`.'


class NotReadable(Fatal):
    """A file cannot be read to its end."""

    default_hint = "What was stored stays. Bring a whole copy of the file back; then run the same command again."


class NoSuchFolder(Misconfigured):
    """The folder of a file to be written is not there."""

    default_hint = "Make it, or name another `path`; it starts at the folder of the pipeline file."


class ForeignFile(Misconfigured):
    """There is a file that this pipeline did not write."""

    default_hint = "Nothing was changed. Name another `path`, or put this file away."


class FileLost(Fatal):
    """A file that was written is gone, or a part of it."""

    default_hint = "Bring it back; or begin from nothing: `penstock state reset FILE`."


class OtherMode(Misconfigured):
    """The files there were written in another mode."""

    default_hint = "Nothing was changed. Name another `path`, or go on in the mode before."


class FileDoesNotFit(Misconfigured):
    """A file has other columns than the rows."""

    default_hint = "Nothing was changed. Name another `path`, or make the rows what they were with stages."


class NeedsFile(Misconfigured):
    """Positions of a file have to be kept in a SQLite file."""

    default_hint = "Run it from a pipeline file: positions are then kept in the state folder."


class DiskFull(TryLater):
    """There is no room left on the disk."""

    default_hint = "Free some space; then run the same command again: it goes on where it stopped, and what was half-written is removed."


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what the operating system raises into errors of ours that name the file."""
    try:
        yield
    except OSError as error:
        raise meaning(path, error) from error


def meaning(path: Path, error: OSError) -> PenstockError:
    """What a failure of the operating system means to the engine."""
    detail = f"{path}: {error.strerror or error}"
    if error.errno == errno.ENOENT:
        return NoSuchFile(str(path))
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(detail)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EROFS):
        return FileNotAccessible(detail)
    return NotReadable(detail)
