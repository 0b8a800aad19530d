"""Entries out of a segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.queue.durable.disk import Disk
from penstock.queue.durable.extents import POINT_BYTES, Extent, SegmentFile
from penstock.queue.durable.frames import Damaged, Header, entries_of, is_whole
from penstock.queue.durable.scanning import blocks
from penstock.queue.log import Entries

BLOCK_WINDOW_BYTES = 4_096
"""What is read at once where a single block is wanted."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What to read of a file, by the name it had at that moment: from an offset, which is at or behind a position, to an end."""

    file: SegmentFile
    path: Path
    offset: int
    end: int
    position: int
    stop: int

    def read(self, disk: Disk, max_bytes: int) -> Sequence[Entries]:
        """The stretches from the offset on, about that many bytes of them and at least one.

        Raises `Damaged` where a block is not what was written, `OSError`.
        """
        found: list[Entries] = []
        expected = self.offset
        for position, header, body in blocks(self._bytes(disk), self.position, self.stop, max_bytes + POINT_BYTES):
            if header.end <= self.offset:
                continue
            if found and (max_bytes <= 0 or expected >= self.end):
                break
            found.append(self._entries(position, header, body, expected).since(self.offset))
            expected = header.end
            max_bytes -= header.length
        return found

    def block(self, disk: Disk) -> Entries:
        """The stretch that the block at the position holds. Raises `Damaged`, `OSError`."""
        position, header, body = next(blocks(self._bytes(disk), self.position, self.stop, BLOCK_WINDOW_BYTES))
        return self._entries(position, header, body, header.first)

    def _bytes(self, disk: Disk) -> Callable[[int, int], bytes]:
        return lambda position, length: disk.read(self.path, position, length)

    def _entries(self, position: int, header: Header, body: memoryview, expected: int) -> Entries:
        belongs = (header.lane, header.epoch) == (self.file.lane, self.file.epoch) and header.first <= expected
        if not belongs or not is_whole(header, body):
            raise Damaged(position)
        return entries_of(header, body)


def passage(extent: Extent, offset: int) -> Passage:
    """From an offset of the extent to its end."""
    return Passage(extent.file, extent.file.path, offset, extent.end, extent.near(offset), extent.stop)
