"""The calls to a real disk."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from penstock.queue.durable.disk import RealDisk, replaced


def test_a_write_that_is_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may write less than it was asked to: all of it is written."""
    whole, single = os.pwritev, os.pwrite
    parts = [bytes(range(100)), bytes(range(50, 250))]

    def some(descriptor: int, buffers: Sequence[bytes], position: int) -> int:
        return whole(descriptor, [b"".join(buffers)[:130]], position)

    monkeypatch.setattr(os, "pwritev", some)
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, position: single(descriptor, content[:40], position))
    file = RealDisk().create(tmp_path / "file")
    file.write(7, parts)
    file.close()

    assert (tmp_path / "file").read_bytes() == bytes(7) + b"".join(parts)


def test_a_file_is_cut(tmp_path: Path) -> None:
    """What was written and is not wanted is gone, and the time of that is known."""
    disk = RealDisk()
    file = disk.create(tmp_path / "file")
    file.write(0, [b"0123456789"])
    file.truncate(4)
    file.close()

    assert disk.read(tmp_path / "file", 0, 100) == b"0123"
    assert abs(disk.modified_us(tmp_path / "file") - time.time() * 1_000_000) < 60_000_000


def test_settling_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of any size is written once more, byte for byte."""
    monkeypatch.setattr("penstock.queue.durable.disk._COPIED_BYTES", 1_000)
    content = os.urandom(3_500)
    (tmp_path / "file").write_bytes(content)

    RealDisk().settle(tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == content


def test_a_file_is_replaced_or_not(tmp_path: Path) -> None:
    """What was there before stays until the new content is whole; what a killed process left is no hindrance."""
    (tmp_path / ".file.unfinished").write_bytes(b"half")

    assert replaced(RealDisk(), tmp_path / "file", b"one")
    assert not replaced(RealDisk(), tmp_path / "nowhere" / "file", b"two")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"one"


@pytest.mark.parametrize("target", ["nowhere", "link", "x" * 300, "/dev/null/x", "/dev/null"])
def test_what_leads_nowhere(tmp_path: Path, target: str) -> None:
    """A link to nothing, to itself, or through what is no folder: it is neither a folder nor a file, and it is there."""
    (tmp_path / "link").symlink_to(target)

    with pytest.raises(NotADirectoryError):
        RealDisk().names(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        RealDisk().size(tmp_path / "link")
    assert RealDisk().names(tmp_path / "nothing") == []
    assert RealDisk().names(tmp_path) == ["link"]


def test_what_may_not_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said, and is not taken for nothing."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(Path, "stat", denied)
    monkeypatch.setattr(Path, "iterdir", denied)

    for look in (RealDisk().names, RealDisk().size):
        with pytest.raises(PermissionError):
            look(tmp_path)
