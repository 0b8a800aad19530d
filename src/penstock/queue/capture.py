"""Receiving into the log: a live source in a thread of its own, started again after whatever it raises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, cast

from penstock.model.counts import counted
from penstock.model.errors import Fatal
from penstock.model.gaps import SHED, Gap
from penstock.ports.live import LiveSource
from penstock.queue.log import AppendUnknown, Log, LogClosed, LogFull
from penstock.queue.pending import Pending

READER_FAILED = "reader failed"
"""Cause of the gap from when a live source raised an exception until it had something again."""

KILLED = "the last run was killed"
"""Cause of the gap from the last entry of a run that could not end until the next one had something."""

LANE = 0

Overflow = Literal["block", "shed"]
"""What becomes of records for which the log has no room: they wait, and so does who sends them; or they are let go and counted."""


Load: TypeAlias = Sequence[bytes] | Sequence[Gap]
"""What is appended in one go: entries, or one gap."""


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """What happens where the log is full, how often it is tried again then, and how soon a reader that failed is started again."""

    overflow: Overflow = "block"
    retry_full_s: float = 0.1
    restart_first_s: float = 0.2
    restart_cap_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Capture:
    """Runs `live` into the log until it ends, or until `stop`; after `leave` nothing waits for room any more.

    `interrupted`: the last one could not end. `tell` hears of what a person has to know; `pause` waits so many seconds.
    """

    live: LiveSource
    log: Log
    settings: CaptureSettings = field(default_factory=CaptureSettings)
    interrupted: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[str], None] = lambda _: None
    pause: Callable[[float], None] = time.sleep
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000

    def run(self) -> None:
        """Return once everything that was received is durable. Raises `Fatal` where the source or the log does."""
        tail, delay_s, told = Tail(self), self.settings.restart_first_s, ""
        if self.interrupted:
            tail.owe(Gap(KILLED, None, self._last_us()))
        while not self.stop.is_set():
            before = tail.loads
            try:
                self.live.receive(tail, self.stop)
                break
            except Fatal:
                with suppress(LogClosed):
                    self._finish(tail)
                raise
            except Exception as error:  # noqa: BLE001 - the edge of a thread, whatever a plugin may raise
                tail.owe(Gap(READER_FAILED, None, self.clock_us()))
                delay_s = self.settings.restart_first_s if tail.loads > before else min(delay_s * 2, self.settings.restart_cap_s)
                if told != (told := f"{type(error).__name__}: {error}") or tail.loads > before:
                    self.tell(f"the reader failed, and is started again: {told}")
            self.stop.wait(delay_s)
        self._finish(tail)

    def _finish(self, tail: Tail) -> None:
        """Everything that was received is durable then; a person hears of what is not."""
        tail.finish()
        if tail.left:
            self.tell(f"{counted(tail.left, 'record')} that had been read {'was' if tail.left == 1 else 'were'} let go of for want of room")
        for gap in tail.owed:
            number = "unknown how many" if gap.count is None else counted(gap.count, "record")
            self.tell(f"there was no room even to write down what is missing: {gap.cause}, {number}")

    def _last_us(self) -> int | None:
        """When the last entry was appended, as far as that is kept."""
        kept = self.log.kept()[LANE]
        if kept.first.offset == kept.end.offset:
            return None
        return self.log.read(self.log.at(LANE, kept.end.offset - 1), 1)[0].appended_us


class Tail:
    """The end of the log, to which nobody else appends; see `Append`. `loads` came, `left` records did not, although they were to wait.

    One load is on its way at a time: the next one waits until it is durable, so that the order stays what it was, whatever fails. What
    comes in meanwhile waits where it comes from, and is taken in one go.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._log = capture.log
        self._waits = capture.settings.overflow == "block"
        self._flying: tuple[Pending, Load, int] | None = None
        self._owed: dict[str, Gap] = {}
        self._has_room, self._told = True, False
        self.loads = self.left = 0

    def __call__(self, bodies: Sequence[bytes]) -> None:
        """See `Append`. What was let go of is told behind the first load for which there is room again, not while there is none."""
        self._land()
        if SHED not in self._owed:
            self._pay()
        self._put(bodies)
        if SHED in self._owed:
            self._land()
            if self._has_room:
                self._pay()

    def gap(self, gap: Gap) -> None:
        """See `Append`."""
        self._land()
        self._pay()
        self._put([gap])

    def owe(self, gap: Gap) -> None:
        """Take note of a gap that lasts until something can be appended again."""
        known = self._owed.get(gap.cause)
        self._owed[gap.cause] = gap if known is None else known.joined(gap)

    @property
    def owed(self) -> Iterable[Gap]:
        """Of what is missing, that of which the log says nothing."""
        return self._owed.values()

    def finish(self) -> None:
        """Wait until everything is durable, gaps that are owed too."""
        self._waits = True
        self._land()
        self._pay()

    def _pay(self) -> None:
        owed, self._owed = self._owed, {}
        for gap in owed.values():
            self._put([replace(gap, until=self._capture.clock_us())])
            self._land()

    def _put(self, load: Load) -> None:
        """Send it on its way, or let it go."""
        while load:
            try:
                end = self._log.kept()[LANE].end.offset
                self._flying = self._append(load), load, end
            except LogFull as full:
                load = self._without_room(load, full)
            else:
                self.loads += 1
                return

    def _append(self, load: Load) -> Pending:
        return self._log.append_gap(LANE, load[0]) if isinstance(load[0], Gap) else self._log.append(LANE, cast("Sequence[bytes]", load))

    def _land(self) -> None:
        """Wait until what is on its way is durable; what did not arrive is sent again."""
        while self._flying is not None:
            flying, self._flying = self._flying, None
            self._put(self._left(*flying))

    def _left(self, pending: Pending, load: Load, end: int) -> Load:
        """What did not arrive behind `end`. Where nobody knows, the log does: by how much its end has moved."""
        try:
            pending.result()
        except LogFull as full:
            return self._without_room(load, full)
        except AppendUnknown:
            return load[self._log.kept()[LANE].end.offset - end :]
        self._has_room = True
        return ()

    def _without_room(self, load: Load, full: LogFull) -> Load:
        """What to try again: all of it, after a while; or nothing, and what is let go is owed as a gap. A person hears of it once."""
        if not self._told:
            self._told = True
            self._capture.tell(f"{full}; until there is room, what comes {'has to wait' if self._waits else 'is let go of and counted'}")
        if self._waits and not self._capture.leave.is_set():
            self._capture.pause(self._capture.settings.retry_full_s)
            return load
        self._has_room = False
        if self._waits and not isinstance(load[0], Gap):
            self.left += len(load)
        self.owe(load[0] if isinstance(load[0], Gap) else Gap(SHED, len(load), self._capture.clock_us()))
        return ()
