"""A log that is durable on paper: appends wait until it is told to commit, and a crash leaves what a crash would leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from penstock.model.gaps import Gap
from penstock.queue.log import AppendUnknown, Entries, LogFull, LogSettings, Place
from penstock.queue.memory import MemoryLog
from penstock.queue.pending import Group, Pending


class PaperLog(MemoryLog):
    """Commits at once, unless it is `patient`.

    The next `full` appends find no room, the next `full_later` are told so when they are committed, and of the next one it is `unknown`
    whether it is there: it is not read as long as this log lives, and may be found after a crash; or it is read at once, if `there`.
    """

    durable = True

    def __init__(self, settings: LogSettings, clock_us: Callable[[], int]) -> None:
        super().__init__(settings, clock_us=clock_us)
        self.clock_us = clock_us
        self._epoch = (1).to_bytes(10, "big")
        self.patient = False
        self.full = self.full_later = 0
        self.unknown = False
        self.there = False
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
        if self.full:
            self.full -= 1
            raise LogFull("sabotage")
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
            if self.full_later:
                self.full_later -= 1
                pending.answer(LogFull("sabotage"))
            elif self.unknown and pending.sync:
                self.unknown = False
                self._lose_sight(pending)
            else:
                self._commit(pending)
            pending.group.announce()

    def _lose_sight(self, pending: Pending) -> None:
        if self.there:
            super().append(pending.lane, pending.bodies, marked=pending.marked)
            self.synced[pending.lane] = self._lanes[pending.lane].end.offset
        else:
            self.ghosts.append(Pending(pending.lane, pending.bodies, marked=pending.marked))
        pending.answer(AppendUnknown("sabotage"))

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
