"""Standard error, as something that a run must never wait for and never fail from."""

from __future__ import annotations

import select
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

    def line(self, text: str) -> bool:
        """Write a line if that is possible now; whether it was written."""
        if not self.open:
            return False
        self.stream.write(text + "\n")
        self.stream.flush()
        return True
