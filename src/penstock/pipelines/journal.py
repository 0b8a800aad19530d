"""How the last run of each pipeline file ended on this machine, kept in the state folder: it can be told without asking any store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from penstock.engine.lease import LeaseSettings, judge, this_process
from penstock.ports.checkpoints import Holder
from penstock.stores.home import locate_home, owner_only, prepare_home

RUNNING, INTERRUPTED = "running", "interrupted"


@dataclass(frozen=True, slots=True)
class Entry:
    """The last run of a pipeline file: its state and what it said, when that was (UTC), and the process that ran it."""

    state: str
    message: str
    rows_stored: int
    at: datetime
    holder: Holder

    @property
    def told(self) -> str:
        """The state as it is by now: what was running, in a process that is gone, was interrupted."""
        return INTERRUPTED if self.state == RUNNING and not self._alive else self.state

    @property
    def _alive(self) -> bool:
        return judge(self.holder, 0.0, LeaseSettings(), this_process()) == "held"


def last(file: Path) -> Entry | None:
    """The last run of a pipeline file; None where there was none, or nothing that can be read is known of it."""
    try:
        return msgspec.json.decode(_place(file).read_bytes(), type=Entry)
    except (OSError, msgspec.DecodeError):
        return None


def note(file: Path, state: str, message: str = "", rows_stored: int = 0) -> None:
    """Keep how a run of this process stands; beside another one that is at work, nothing: that one is the run to tell about."""
    known = last(file)
    if known is not None and known.told == RUNNING and known.holder != this_process():
        return
    entry = Entry(state, message, rows_stored, datetime.now(UTC), this_process())
    place = _place(file)
    prepare_home(place.parent)
    written = place.with_suffix(f".{os.getpid()}")
    with open(written, "wb", opener=owner_only) as new:
        new.write(msgspec.json.encode(asdict(entry)))
    written.replace(place)


def _place(file: Path) -> Path:
    return locate_home() / "journal" / f"{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:24]}.json"
