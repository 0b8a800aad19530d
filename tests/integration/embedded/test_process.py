"""Children: forked, kept, reaped, with a log that stays small."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from penstock.stores.postgres.embedded import process
from penstock.stores.postgres.embedded.account import Account
from penstock.stores.postgres.embedded.process import Child
from tests.integration.embedded.places import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURSELVES = Account("self", os.geteuid(), os.getegid(), borrowed=False)


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[int]:
    """Something for the child to hold."""
    descriptor = os.open(tmp_path / "lifeline", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def test_a_program_that_cannot_be_run_is_an_error_of_the_caller(tmp_path: Path, lifeline: int) -> None:
    """What goes wrong in the keeper thread is raised where the child was asked for."""
    with pytest.raises(FileNotFoundError, match="/nowhere/postgres"):
        Child(["/nowhere/postgres"], OURSELVES, log=tmp_path / "log", lifeline=lifeline, outlives_us=False)


def test_a_talkative_child_does_not_fill_the_disk(tmp_path: Path, lifeline: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that grows while the child runs is cut, and the child goes on writing to it."""
    monkeypatch.setattr(process, "ROTATE_EVERY_S", 0.01)
    log = tmp_path / "log"
    talk = "head -c 5000000 /dev/zero; while ! test -e log.1; do sleep 0.01; done; while :; do echo after; sleep 0.05; done"

    child = Child(["/bin/sh", "-c", f"cd {tmp_path}; {talk}"], OURSELVES, log=log, lifeline=lifeline, outlives_us=False)
    until(lambda: b"after" in log.read_bytes())
    child.signal(signal.SIGTERM)

    assert child.wait(timeout_s=20)
    assert log.stat().st_size < 1000
    assert (tmp_path / "log.1").stat().st_size >= 5_000_000
    assert not child.alive
    assert not child.killed
