"""Reading an open log: what cannot be read any more is found out on the way, and becomes a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from penstock.queue.durable.disk import GONE, UNREADABLE
from penstock.queue.durable.extents import Extent
from penstock.queue.durable.frames import Damaged
from penstock.queue.durable.opening import to_quarantine
from penstock.queue.durable.passages import Passage
from penstock.queue.durable.state import State
from penstock.queue.durable.survey import look_closely
from penstock.queue.log import Entries, Place

LOST = UNREADABLE | GONE
"""What the operating system says of bytes that are gone. Whatever else it says is about this process, and is raised."""

T = TypeVar("T")


class Reader:
    """Reads what is durable. Any number of threads may."""

    def __init__(self, state: State) -> None:
        self._state = state

    def read(self, place: Place, max_bytes: int) -> Sequence[Entries]:
        """As in `Log`."""
        found: list[Entries] = []
        while max_bytes > 0 or not found:
            where = self._locate(place)
            if where is None:
                break
            if read := self._attempted(where, max_bytes):
                found += read
                max_bytes -= sum(sum(map(len, entries.bodies)) for entries in read)
                place = found[-1].end
        return found

    def marked(self, lane: int) -> Iterator[Entries]:
        """As in `Log`."""
        with self._state.lock:
            blocks = [(extent, position) for extent in self._state.lanes[lane].extents for position in extent.marked]
        for extent, position in blocks:
            entries = self._block(extent, position)
            if entries and entries.end <= extent.end_place:
                yield entries

    def _locate(self, place: Place) -> Passage | Entries | None:
        with self._state.lock:
            return self._state.lanes[place.lane].locate(place)

    def _attempted(self, where: Passage | Entries, max_bytes: int) -> Sequence[Entries]:
        """What is there; nothing where it turns out to be something else, so that one has to look again."""
        if isinstance(where, Passage):
            return self._passage(where, max_bytes)
        return [where] if where.gap is None or self._ends_there(where) else ()

    def _ends_there(self, gap: Entries) -> bool:
        """Whether what follows the gap can be read: a segment's seal may promise what is damaged as well, and then the gap is longer."""
        following = self._locate(gap.end)
        return not isinstance(following, Passage) or bool(self._passage(following, 1))

    def _passage(self, passage: Passage, max_bytes: int) -> Sequence[Entries]:
        return self._attempt(passage, partial(Passage.read, disk=self._state.disk, max_bytes=max_bytes)) or ()

    def _block(self, extent: Extent, position: int) -> Entries | None:
        for _ in range(2):  # the file may be put aside between two looks at where it is
            passage = Passage(extent.file, extent.file.path, extent.first, extent.end, position, extent.stop)
            if entries := self._attempt(passage, partial(Passage.block, disk=self._state.disk)):
                return entries
        return None

    def _attempt(self, passage: Passage, read: Callable[[Passage], T]) -> T | None:
        """What is read; None where it cannot be, and then the file is looked through, so that the next attempt finds a gap."""
        try:
            return read(passage)
        except OSError as error:
            if error.errno not in LOST:
                raise
        except Damaged:
            pass
        self._look_again(passage)
        return None

    def _look_again(self, passage: Passage) -> None:
        """Find out what can still be read of a file, unless it was given back or put aside meanwhile."""
        state, file = self._state, passage.file
        lane, writer = state.lanes[file.lane], state.writers[file.lane]
        with state.writing:
            if file.path != passage.path or file not in lane.files():
                return
            if writer.file is file:
                writer.finish()
            found = look_closely(state.disk, file).extents
            with state.lock:
                lane.replace(file, found)
            if not file.quarantined:
                state.findings.append(to_quarantine(state.disk, state.folder, file))
        state.count()
