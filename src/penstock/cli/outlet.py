"""Standard error, as something that a run must never wait for and never fail from."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where displays write. Once its reader is gone, writing raises `OSError`."""

    stream: TextIO

    @property
    def open(self) -> bool:
        """Whether a write would arrive without waiting: not while somebody holds the terminal with Ctrl-S, or lets a pipe fill up."""
        if self.stream.closed:
            return False
        try:
            descriptor = self.stream.fileno()
        except OSError:
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return bool(poll.poll(0))

    def give_up(self) -> None:
        """Nobody reads any more: what is left in the buffer goes nowhere, instead of failing the exit of the process."""
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def line(self, text: str) -> bool:
        """Write a line if that is possible now; whether it was written."""
        if not self.open:
            return False
        self.stream.write(text + "\n")
        self.stream.flush()
        return True
