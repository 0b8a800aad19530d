"""What a log takes from the machine it runs on: the time, chance, and a name."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def clock_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000


def machine_id() -> str:
    """What machine-id(5) says, or the host's name where there is none."""
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return socket.gethostname()


@dataclass(frozen=True, slots=True)
class Machine:
    """The clock (microseconds since 1970), random bytes, and the machine's name."""

    clock_us: Callable[[], int] = clock_us
    random: Callable[[int], bytes] = os.urandom
    name: str = ""
