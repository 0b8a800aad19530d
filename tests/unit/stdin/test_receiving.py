"""Lines out of a pipe: whole ones, and what becomes of those that are not."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.model.gaps import Gap
from penstock.stores.stdin.receiving import TOO_LONG, TORN, InputUnreadable, Lines
from penstock.testing.live import Kept


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Its reading end, and its writing end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:  # a test has closed it
            continue


def received(pipe: tuple[int, int], *parts: bytes, blank: bool = False, stopped: bool = False, most: int = 10) -> list[bytes | Gap]:
    """What is appended of these parts, each written when the one before was read."""
    kept, stop, lines = Kept(), threading.Event(), Lines(pipe[0], most, blank=blank, clock_us=lambda: 5)
    reading, writing = pipe
    for part in parts:
        os.write(writing, part)
        lines._take(kept, len(part))
    if stopped:
        stop.set()
    else:
        os.close(writing)
    lines.receive(kept, stop)
    assert reading == lines.descriptor
    return kept.records


def test_lines_are_put_together(pipe: tuple[int, int]) -> None:
    """However a line comes, it is one record, without its line end."""
    assert received(pipe, b"a", b"b\nc", b"\n", b"d\ne\n") == [b"ab", b"c", b"d", b"e"]


def test_a_last_line_needs_no_line_end(pipe: tuple[int, int]) -> None:
    """Where the program has ended, what it wrote last is a line."""
    assert received(pipe, b"a\nb") == [b"a", b"b"]


def test_a_line_that_is_not_finished_when_it_is_stopped(pipe: tuple[int, int]) -> None:
    """Half a line is none; that it was there is said."""
    assert received(pipe, b"a\nhal", stopped=True) == [b"a", Gap(TORN, 1, 5, 5)]


def test_a_stop_takes_what_the_pipe_holds(pipe: tuple[int, int]) -> None:
    """What a program had written by then is received, also much of it."""
    os.write(pipe[1], b"x\n" * 20_000)

    assert received(pipe, stopped=True) == [b"x"] * 20_000


@pytest.mark.parametrize(("blank", "wanted"), [(True, [b"a", b"", b"  ", b"b"]), (False, [b"a", b"b"])])
def test_blank_lines(pipe: tuple[int, int], blank: bool, wanted: list[bytes]) -> None:  # noqa: FBT001 - drawn by pytest
    """They are lines of a text, and nothing between objects."""
    assert received(pipe, b"a\n\n  \nb\n", blank=blank) == wanted


def test_a_line_may_be_too_long(pipe: tuple[int, int]) -> None:
    """It is left out, wherever it was cut, and counted where it stood; the lines around it are not touched."""
    long = b"x" * 11

    assert received(pipe, b"a\n" + long + b"\nb\n", b"c\n" + long, long, long + b"\nd\n") == [
        b"a",
        Gap(TOO_LONG, 1, 5, 5),
        b"b",
        b"c",
        Gap(TOO_LONG, 1, 5, 5),
        b"d",
    ]


@pytest.mark.parametrize("stopped", [True, False])
def test_a_long_line_at_the_end(pipe: tuple[int, int], stopped: bool) -> None:  # noqa: FBT001 - drawn by pytest
    """One that never ended is counted as well."""
    found = received(pipe, b"a\n" + b"x" * 11, b"y", stopped=stopped)

    assert found == [b"a", Gap(TORN if stopped else TOO_LONG, 1, 5, 5)]


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    """A file in the place of a pipe is read like one; a stop leaves the rest of it."""
    (tmp_path / "lines").write_bytes(b"a\nb\n")
    descriptor = os.open(tmp_path / "lines", os.O_RDONLY)
    kept, stop = Kept(), threading.Event()

    Lines(descriptor, 10, blank=False).receive(kept, stop)
    os.lseek(descriptor, 0, os.SEEK_SET)
    stop.set()
    Lines(descriptor, 10, blank=False).receive(kept, stop)

    assert kept.records == [b"a", b"b"]
    os.close(descriptor)


@pytest.mark.parametrize("stopped", [True, False])
def test_what_cannot_be_read_ends_it(tmp_path: Path, stopped: bool) -> None:  # noqa: FBT001 - drawn by pytest
    """A file that is open to be written to: the operating system's word is given, and nothing is tried again."""
    descriptor, stop = os.open(tmp_path / "lines", os.O_WRONLY | os.O_CREAT), threading.Event()
    lines = Lines(descriptor, 10, blank=False)
    os.close(descriptor)
    if stopped:
        stop.set()

    with pytest.raises(InputUnreadable, match="Bad file descriptor"):
        lines.receive(Kept(), stop)


def test_what_came_before_it_cannot_be_read_is_kept(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines, and that there was half a one."""
    kept, lines = Kept(), Lines(pipe[0], 10, blank=False, clock_us=lambda: 5)
    os.write(pipe[1], b"a\nhal")
    lines._take(kept, 10)
    os.write(pipe[1], b"f")

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(InputUnreadable, match="Input/output error"):
        lines.receive(kept, threading.Event())

    assert kept.records == [b"a", Gap(TORN, 1, 5, 5)]


def test_what_somebody_else_was_faster_to_read(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """That passes: it is tried again, and the half line that is here already is gone on with."""
    kept, lines, real = Kept(), Lines(pipe[0], 10, blank=False), os.read

    def busy(*_: object) -> bytes:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    os.write(pipe[1], b"a\nhal")
    lines._take(kept, 10)
    os.write(pipe[1], b"f\n")
    os.close(pipe[1])
    monkeypatch.setattr(os, "read", busy)

    with pytest.raises(BlockingIOError):
        lines.receive(kept, threading.Event())
    monkeypatch.setattr(os, "read", real)
    lines.receive(kept, threading.Event())

    assert kept.records == [b"a", b"half"]
