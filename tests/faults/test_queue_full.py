"""A log on a disk that is really full: it takes nothing more, loses nothing, opens, and is emptied by releasing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from penstock.queue.durable.disklog import DiskLog
from penstock.queue.log import LogFull, LogSettings
from penstock.testing.logs import WAIT_S, bodies

SETTINGS = LogSettings(lanes=2, min_free_bytes=0, segment_bytes=200_000)
ENTRY = b"x" * 1_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "penstock", str(tmp_path)], capture_output=True, check=False)  # noqa: S607 - Debian's
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S607 - Debian's


def fill(log: DiskLog) -> int:
    """Append until there is no room; how many entries that were."""
    filled = 0
    with suppress(LogFull):
        while True:
            log.append(0, [ENTRY] * 10).result(WAIT_S)
            filled += 10
    return filled


def test_a_full_disk_is_emptied_by_releasing(small_disk: Path) -> None:
    """Also when not one more byte can be written, and after the log was opened again so."""
    ballast = small_disk / "ballast"
    for _ in range(3):
        with closing(DiskLog(small_disk / "log", SETTINGS)) as log:
            log.register("reader")
            filled = fill(log)
            assert filled > 2_000
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(512)):
                    pass

        with closing(DiskLog(small_disk / "log", SETTINGS)) as log:
            log.register("reader")
            assert bodies(log, 0) == [ENTRY] * filled
            log.release("reader", [log.kept()[0].end])

            assert os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize > 2_000_000
            log.append(0, [ENTRY]).result(WAIT_S)
            log.release("reader", [log.kept()[0].end])
        ballast.unlink()
