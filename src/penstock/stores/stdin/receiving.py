"""Lines out of a pipe, as they come."""

from __future__ import annotations

import array
import fcntl
import os
import select
import stat
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from threading import Event

from penstock.model.errors import Fatal
from penstock.model.gaps import Gap
from penstock.ports.live import Append

CHUNK_BYTES = 1 << 20
"""As much is taken in one go; a pipe is asked to hold as much, so that a program need not stop while the disk is written to."""

LOOK_EVERY_S = 0.1

TOO_LONG = "a line was too long"
"""Cause of a gap where a line had more bytes than one may have."""

TORN = "stopped in the middle of a line"
"""Cause of a gap where the end of a line was not there when receiving was to stop."""


class InputUnreadable(Fatal):
    """Standard input cannot be read."""

    default_hint = "What was received before is kept. See that a program writes into this one: program | penstock run FILE"


@dataclass(slots=True)
class Lines:
    """The lines that a file descriptor gives, without their line ends; where not `blank`, those of nothing but blanks are none.

    A last line without a line end counts where the other side has ended.
    """

    descriptor: int
    max_line_bytes: int
    blank: bool
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000
    _rest: bytes = field(default=b"", init=False)
    _too_long: bool = field(default=False, init=False)

    def receive(self, append: Append, stop: Event) -> None:
        """Until its end, or until `stop`: then what is in the pipe at that moment is taken, and no more.

        Raises:
            InputUnreadable: the operating system says so, and would say it again.
        """
        try:
            self._receive(append, stop)
        except InputUnreadable:
            self._leave_rest(append)
            raise

    def _receive(self, append: Append, stop: Event) -> None:
        _widen(self.descriptor)
        while not stop.is_set():
            if not self._is_ready():
                append([])
            elif not self._take(append, CHUNK_BYTES):
                self._end(append)
                return
        with _naming():
            left = waiting_bytes(self.descriptor)
        while left > 0 and (taken := self._take(append, min(left, CHUNK_BYTES))):
            left -= taken
        self._leave_rest(append)

    def _is_ready(self) -> bool:
        with _naming():
            return bool(select.select([self.descriptor], [], [], LOOK_EVERY_S)[0])

    def _take(self, append: Append, most_bytes: int) -> int:
        """How many bytes came; none at the end."""
        with _naming():
            data = os.read(self.descriptor, most_bytes)
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = b""
            self._append(append, lines)
        self._rest += rest
        if len(self._rest) > self.max_line_bytes:
            self._rest, self._too_long = b"", True
        return len(data)

    def _append(self, append: Append, lines: Sequence[bytes]) -> None:
        if self._too_long:
            self._gap(append, TOO_LONG)
            lines = lines[1:]
        if all(len(line) <= self.max_line_bytes for line in lines):
            self._put(append, lines)
            return
        for too_long, some in groupby(lines, lambda line: len(line) > self.max_line_bytes):
            if too_long:
                for _ in some:
                    self._gap(append, TOO_LONG)
            else:
                self._put(append, list(some))

    def _put(self, append: Append, lines: Sequence[bytes]) -> None:
        if found := lines if self.blank else list(filter(bytes.strip, lines)):
            append(found)

    def _end(self, append: Append) -> None:
        last, self._rest = self._rest, b""
        if last or self._too_long:
            self._append(append, [last])

    def _leave_rest(self, append: Append) -> None:
        """Half a line is none."""
        if self._rest or self._too_long:
            self._gap(append, TORN)

    def _gap(self, append: Append, cause: str) -> None:
        self._rest, self._too_long = b"", False
        append.gap(Gap(cause, 1, self.clock_us(), self.clock_us()))


@contextmanager
def _naming() -> Iterator[None]:
    """Turn what the operating system says of the input into an error that names it."""
    try:
        yield
    except BlockingIOError:  # another program reads here as well, and was faster: it is tried again
        raise
    except OSError as error:
        raise InputUnreadable(str(error.strerror)) from error


def waiting_bytes(descriptor: int) -> int:
    """How many bytes can be read at this moment, of a pipe, a socket or a terminal; a file is not waited for, nor is it gone."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return 0
    found = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, found)
    return found[0]


def _widen(descriptor: int) -> None:
    with suppress(OSError):  # what is no pipe, or may not be so large, stays as it is
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)
