"""What is kept of an open log, and for whom: consumers, and the removal of what none of them needs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from penstock.queue.consumers import Consumer, Consumers
from penstock.queue.durable.displacing import QUARANTINE
from penstock.queue.durable.documents import CONSUMERS, record_of
from penstock.queue.durable.extents import SegmentFile
from penstock.queue.durable.opening import give_back, tidy
from penstock.queue.durable.state import State
from penstock.queue.durable.writing import LaneWriter
from penstock.queue.log import Place

SAVED_EVERY_US = 1_000_000
"""How far the consumers' cursors on disk may lag behind while nothing is removed."""


class Keeper:
    """Keeps each entry until every consumer has released it."""

    def __init__(self, state: State, known: Mapping[str, Consumer]) -> None:
        self._state = state
        self._consumers = Consumers(int(state.settings.retention_s * 1_000_000), dict(known))
        self._turn = threading.Lock()
        self._saved_us = 0
        self._remove([file for lane in state.lanes for file in lane.drop(lane.released)])
        self._save()

    def register(self, consumer: str) -> Sequence[Place]:
        """As in `Log`."""
        with self._turn:
            with self._state.lock:
                cursors = self._consumers.register(consumer, [lane.released for lane in self._state.lanes], self._now_us)
            self._save()
        return cursors

    def release(self, consumer: str, upto: Iterable[Place]) -> None:
        """As in `Log`."""
        with self._turn:
            with self._state.lock:
                self._consumers.release(consumer, upto, self._now_us)
            state = self._state
            if state.is_here:
                self._collect(worth_bytes=state.segment_bytes // 4 if state.has_room(state.segment_bytes) else 1)

    def collect(self) -> None:
        """Remove what nobody needs, because room is wanted: also of segments that are hardly begun."""
        with self._turn:
            self._collect(worth_bytes=1)

    def spare_bytes(self) -> int:
        """How much `collect` would give back."""
        with self._state.lock:
            return sum(
                writer.lane.spare_bytes(least, keep=None if writer.is_synced else writer.file)
                for writer in self._state.writers
                if (least := self._consumers.least(writer.lane.number, self._now_us))
            )

    def close(self) -> None:
        """Write down where the consumers are."""
        with self._turn:
            self._save()

    @property
    def _now_us(self) -> int:
        return self._state.machine.clock_us()

    def _collect(self, worth_bytes: int) -> None:
        """Remove what nobody needs, of segments that are being written those which have that size at least.

        The cursors are written before that if there is room for it, or else after it.
        """
        self._leave_spent(worth_bytes)
        files = self._drop()
        saved = self._save() if files or abs(self._now_us - self._saved_us) >= SAVED_EVERY_US else True
        self._remove(files)
        if not saved:
            self._save()

    def _leave_spent(self, worth_bytes: int) -> None:
        """Let go of segments that are being written and of which everything was released."""
        state = self._state
        with state.lock:
            spent = [one for one in state.writers if one.file and one.file.size_bytes >= worth_bytes and self._is_spent(one)]
        if spent:
            with state.writing:
                for writer in filter(self._is_spent, spent):
                    writer.leave()

    def _is_spent(self, writer: LaneWriter) -> bool:
        least = self._consumers.least(writer.lane.number, self._now_us)
        return writer.is_synced and least is not None and writer.lane.end <= least

    def _drop(self) -> Sequence[SegmentFile]:
        files: list[SegmentFile] = []
        with self._state.lock:
            for writer in self._state.writers:
                if least := self._consumers.least(writer.lane.number, self._now_us):
                    files += writer.lane.drop(least, keep=writer.file)
        return files

    def _remove(self, files: Sequence[SegmentFile]) -> None:
        """Remove segments; damaged ones are kept for a person to look at as long as there is room for that."""
        state = self._state
        has_room = state.has_room(state.segment_bytes)
        for file in files:
            with suppress(OSError):  # what cannot be removed now is found, and removed, when the log is opened again
                give_back(state.disk, file, keep_damaged=has_room)
        if not has_room:
            for lane in state.lanes:
                needed = {file.path for file in lane.files()}
                tidy(state.disk, state.folder / QUARANTINE / str(lane.number), needed, self._now_us)
        state.count()

    def _save(self) -> bool:
        with self._state.lock:
            record = record_of([lane.released for lane in self._state.lanes], self._consumers.known)
        self._saved_us = self._now_us
        return self._state.save(CONSUMERS, record)
