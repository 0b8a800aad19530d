"""A log that is durable on paper: appends wait until it is told to commit, and a crash leaves what a crash would leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from penstock.model.errors import PenstockError
from penstock.queue.log import Entries, Gap, LogSettings, Place
from penstock.queue.memory import MemoryLog
from penstock.queue.pending import Group, Pending


class PaperLog(MemoryLog):
    """Commits at once, unless it is `patient`. `fault` is raised by the next append, `unknown` answers the next one.

    With `unknown` what was appended is not read as long as this log lives, and is there after a crash.
    """

    durable = True

    def __init__(self, settings: LogSettings, clock_us: Callable[[], int]) -> None:
        super().__init__(settings, clock_us=clock_us)
        self.clock_us = clock_us
        self._epoch = (1).to_bytes(10, "big")
        self.patient = False
        self.fault: PenstockError | None = None
        self.unknown: PenstockError | None = None
        self.synced = [0] * settings.lanes
        self.ghosts: list[Pending] = []
        self._waiting: list[Pending] = []

    def append(
        self,
        lane: int,
        bodies: Sequence[bytes],
        *,
        marked: bool = False,
        sync: bool = True,
        wake: bool = True,  # noqa: ARG002 - it commits when it is told to
    ) -> Pending:
        """As in `Log`."""
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        pending = Pending(lane, bodies, marked=marked, sync=sync)
        pending.group = Group()
        self._waiting.append(pending)
        if not self.patient:
            self.commit()
        return pending

    def append_gap(self, lane: int, gap: Gap) -> Pending:
        """As in `Log`; at once."""
        pending = super().append_gap(lane, gap)
        self.synced[lane] = self._lanes[lane].end.offset
        return pending

    def commit(self) -> None:
        """Answer everybody who waits."""
        waiting, self._waiting = self._waiting, []
        for pending in waiting:
            if self.unknown is not None and pending.sync:
                self.ghosts.append(Pending(pending.lane, pending.bodies, marked=pending.marked))
                pending.answer(self.unknown)
                self.unknown = None
            else:
                self._commit(pending)
            pending.group.announce()

    def _commit(self, pending: Pending) -> None:
        self.ghosts = [ghost for ghost in self.ghosts if ghost.lane != pending.lane]
        place: Place = super().append(pending.lane, pending.bodies, marked=pending.marked).result()
        if pending.sync:
            self.synced[pending.lane] = self._lanes[pending.lane].end.offset
        pending.answer(place)

    def crashed(self, draw: Callable[[int, int], int], *, power_cut: bool) -> Self:
        """What is found after the process, or with it the machine, has stopped: `draw` says how much of what was never answered."""
        after = type(self)(self._settings, self.clock_us)
        for pending in [*self.ghosts, *self._waiting]:
            if number := draw(0, len(pending.bodies)):
                MemoryLog.append(self, pending.lane, pending.bodies[:number], marked=pending.marked)
        for lane, (mine, found) in enumerate(zip(self._lanes, after._lanes, strict=True)):
            found.stretches = list(mine.stretches)
            found.end, found.size_bytes = mine.end, mine.size_bytes
            if power_cut:
                keep = draw(min(self.synced[lane], mine.end.offset), mine.end.offset)
                found.stretches = [_until(one, keep) for one in found.stretches if one.first.offset < keep]
                found.end = found.stretches[-1].end if found.stretches else Place(lane, mine.end.epoch, keep)
        after._epoch = (int.from_bytes(self._epoch, "big") + 1).to_bytes(10, "big")
        after.synced = [lane.end.offset for lane in after._lanes]
        self.close()
        return after


def _until(entries: Entries, offset: int) -> Entries:
    count = min(entries.count, offset - entries.first.offset)
    return Entries(entries.first, count, entries.appended_us, entries.bodies[:count], entries.marked, entries.gap)
