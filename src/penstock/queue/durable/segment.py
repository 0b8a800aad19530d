"""The segment that a lane is writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from penstock.queue.durable.disk import Disk
from penstock.queue.durable.extents import Extent, SegmentFile, begun
from penstock.queue.durable.frames import HEADER, Block, Header, entries_block, gap_block, seal_block, start_block
from penstock.queue.durable.tail import Tail
from penstock.queue.log import Entries, Place
from penstock.queue.pending import Pending

BLOCK_BYTES = 1 << 20
"""Appends that wait together become blocks of about this size at most; so much is read, and held in memory, at once."""


AHEAD_BYTES = 256 << 10
"""So many zeros are written behind the blocks of a segment that grows by less than `SMALL_BYTES` at a time.

What is written over them changes nothing but the data: a sync has only that to write, and takes half as long.
"""

SMALL_BYTES = AHEAD_BYTES // 4
_ZEROS = bytes(AHEAD_BYTES)


def blocks_of(pendings: Sequence[Pending]) -> Iterator[Block]:
    """The appends of one lane, joined to blocks; one that is too large for a block becomes several."""
    bodies: list[bytes] = []
    size, marked = 0, False
    for pending in pendings:
        if bodies and (pending.gap or pending.marked != marked or size + pending.size_bytes > BLOCK_BYTES):
            yield entries_block(bodies, marked=marked)
            bodies, size = [], 0
        if pending.gap:
            yield gap_block(pending.gap)
            continue
        marked = pending.marked
        for part_bytes, part in _parts(pending):
            if bodies and size + part_bytes > BLOCK_BYTES:
                yield entries_block(bodies, marked=marked)
                bodies, size = [], 0
            bodies.extend(part)
            size += part_bytes
    if bodies:
        yield entries_block(bodies, marked=marked)


def _parts(pending: Pending) -> Iterable[tuple[int, Sequence[bytes]]]:
    if pending.size_bytes <= BLOCK_BYTES:
        return ((pending.size_bytes, pending.bodies),)
    return ((len(body), (body,)) for body in pending.bodies)


class Segment:
    """A new file, and the extent of what is written to it. Not durable, and not to be read, before `sync`.

    Behind the blocks there may be zeros, up to `full_bytes`, which are gone when it is sealed.
    """

    def __init__(self, disk: Disk, file: SegmentFile, full_bytes: int) -> None:
        self.file = file
        self.extent: Extent | None = None
        self._full_bytes = full_bytes
        self._synced_bytes = self._prepared_bytes = 0
        self._written: list[tuple[int, Header, Sequence[bytes]]] = []
        self._file = disk.create(file.path)

    @property
    def prepared_bytes(self) -> int:
        """How many zeros are behind the blocks; fewer than none where blocks are behind them."""
        return self._prepared_bytes - self.file.size_bytes

    def start(self, log: bytes, now_us: int) -> None:
        """Write the first block, which names the log."""
        self._write(self._place(self.file.first), start_block(log), now_us)

    def write(self, first: int, block: Block, now_us: int) -> None:
        """Write one block behind the others. After an `OSError` none of it is there, and the next one takes its place."""
        position = self.file.size_bytes
        header = self._write(self._place(first), block, now_us)
        self._written.append((position, header, block.bodies))

    def sync(self) -> None:
        """Make durable what was written. Raises `OSError`, after which nobody knows what is."""
        grown = self.file.size_bytes - self._synced_bytes
        if self.prepared_bytes < 0 and grown < SMALL_BYTES:
            self._prepare()
        self._file.sync()
        self._synced_bytes = self.file.size_bytes

    def publish(self, tail: Tail) -> Extent | None:
        """Let what was written be read, the entries of it from the tail as well; the extent of it if there was none before."""
        before = self.extent
        for position, header, bodies in self._written:
            if bodies:
                tail.add(Entries(self._place(header.first), header.offsets, header.appended_us, bodies, header.marked))
            if self.extent is None:
                self.extent = begun(self.file, header, position)
            else:
                self.extent.grow(header, position)
        self._written.clear()
        return self.extent if before is None else None

    def seal(self) -> None:
        """Write down what an opening needs to know of a full segment. That is not synced: without it, opening looks at every block."""
        if self.extent is not None:
            self._file.truncate(self.file.size_bytes)
            self._write(self.extent.end_place, seal_block(self.extent.seal()), self.extent.until_us)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _prepare(self) -> None:
        """Write zeros behind the blocks, where there is room for them."""
        length = min(AHEAD_BYTES, self._full_bytes - self.file.size_bytes)
        if length <= 0:
            return
        try:
            self._file.write(self.file.size_bytes, [_ZEROS[:length]])
        except OSError:
            with suppress(OSError):
                self._file.truncate(self.file.size_bytes)
        self._prepared_bytes = self.file.size_bytes + length

    def _place(self, offset: int) -> Place:
        return Place(self.file.lane, self.file.epoch, offset)

    def _write(self, first: Place, block: Block, now_us: int) -> Header:
        parts = block.encoded(first, now_us)
        try:
            self._file.write(self.file.size_bytes, parts)
        except OSError:
            with suppress(OSError):
                self._file.truncate(self.file.size_bytes)
            raise
        self.file.size_bytes += sum(map(len, parts))
        return Header._make(HEADER.unpack(parts[0]))
