"""What of a segment can be read: through its seal where it has one, or block by block, over whatever is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from penstock.queue.durable.extents import Extent, SegmentFile, begun, unsealed
from penstock.queue.durable.frames import (
    HEADER,
    LOG_BYTES,
    MAGIC,
    TRAILER_BYTES,
    Damaged,
    Header,
    Kind,
    header_at,
    is_whole,
    seal_length,
    seal_of,
)

START_BYTES = HEADER.size + LOG_BYTES

WAITING = frozenset({Kind.ENTRIES, Kind.GAP})
"""Blocks that a reader gets to see."""

SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""

NOBODYS = b""
"""The log of a file that is not what its name says."""

Read = Callable[[int, int], bytes]
"""Bytes of a file: (position, how many at most)."""


@dataclass(slots=True)
class Scan:
    """What was found in a segment.

    `log` as its first block names it: None where that is damaged, `NOBODYS` where the file has a wrong name. `claimed` is the offset up to
    which headers say that there were entries, also those whose bodies are not whole; `torn` if the last of those was not written to its
    end. `rest` are the bytes behind the last block that can be read.
    """

    extents: list[Extent] = field(default_factory=list)
    log: bytes | None = None
    claimed: int = 0
    torn: bool = False
    rest: bytes = b""


def blocks(read: Read, start: int, stop: int, window_bytes: int) -> Iterator[tuple[int, Header, memoryview]]:
    """Position, header and body of each block between two positions of a file; bodies are not checked.

    The file is read in windows of about that size. Raises `Damaged` where no header is, or the file ends inside a block.
    """
    data, base, at = memoryview(b""), start, start
    while at < stop:
        header = header_at(data, at - base)
        if header is None or len(data) < at - base + header.size_bytes:
            wanted = max(window_bytes, HEADER.size if header is None else header.size_bytes)
            data, base = memoryview(read(at, min(wanted, stop - at))), at
            if (header := header_at(data, 0)) is not None and len(data) < header.size_bytes:
                data = memoryview(read(at, header.size_bytes))
        if header is None or len(data) < at - base + header.size_bytes:
            raise Damaged(at)
        body = at - base + HEADER.size
        yield at, header, data[body : body + header.length]
        at += header.size_bytes


def from_seal(file: SegmentFile, read: Read) -> Scan | None:
    """What a full segment's seal says, for two small reads; None where there is no seal that can be trusted."""
    length = seal_length(read(max(0, file.size_bytes - TRAILER_BYTES), TRAILER_BYTES))
    if length is None or length > file.size_bytes:
        return None
    position = file.size_bytes - length
    frame = memoryview(read(position, length))
    header = header_at(frame, 0)
    if header is None or header.kind != Kind.SEAL or not _of(file, header) or not is_whole(header, frame[HEADER.size :]):
        return None
    extent = unsealed(file, header, seal_of(frame[HEADER.size :]), position)
    if not file.first == extent.first < extent.end:
        return None
    file.sealed = True
    return Scan([extent], _log(file, read(0, START_BYTES)), extent.end)


def from_blocks(file: SegmentFile, data: bytes) -> Scan:
    """What can be read of a file, looking at every byte.

    Where a block is damaged, the next one is looked for behind it; only one that belongs here counts: of this lane and epoch, and with
    later entries. So bytes that look like a block inside an entry are not taken for one, unless the header before them is damaged as well.
    A file that says of itself that it is another one is left as it is.
    """
    view, at, end = memoryview(data), 0, 0
    scan = Scan(claimed=file.first)
    while at >= 0:
        header = header_at(view, at)
        if header is None:
            at = data.find(MAGIC, at + 1)
            continue
        if _contradicts(file, header, at):
            return Scan(claimed=file.first, log=NOBODYS, rest=data)
        behind = at + header.size_bytes
        whole = is_whole(header, view[at + HEADER.size : behind])
        if header.kind in WAITING and _of(file, header) and header.first >= scan.claimed:
            scan.claimed, scan.torn = header.end, not whole and _is_torn(data, at, behind)
            if whole:
                _take(scan, file, header, at)
        elif header.kind == Kind.START and whole:
            scan.log = _log(file, data[at:behind])
        if whole or header.kind == Kind.SEAL:
            end = behind
        at = behind
    scan.rest = data[end:]
    return scan


def _is_torn(data: bytes, start: int, end: int) -> bool:
    """Whether a block goes on behind the end of the file, or a sector of it still holds the zeros that stood there before."""
    if end > len(data):
        return True
    seams = [start, *range(start - start % SECTOR_BYTES + SECTOR_BYTES, end, SECTOR_BYTES), end]
    return any(not data[low:high].strip(b"\0") for low, high in pairwise(seams))


def _contradicts(file: SegmentFile, header: Header, position: int) -> bool:
    """Whether a block says that it is in another file: the first one, or one of this lane and epoch that should stand further in front."""
    if position == 0:
        return not _of(file, header) or header.first != file.first
    return header.first < file.first and _of(file, header)


def _take(scan: Scan, file: SegmentFile, header: Header, position: int) -> None:
    last = scan.extents[-1] if scan.extents else None
    if last and last.end == header.first and last.stop == position:
        last.grow(header, position)
    else:
        scan.extents.append(begun(file, header, position))


def _log(file: SegmentFile, data: bytes) -> bytes | None:
    header = header_at(data, 0)
    body = data[HEADER.size :]
    if header is None or header.kind != Kind.START or not _of(file, header) or header.first != file.first or not is_whole(header, body):
        return None
    return body


def _of(file: SegmentFile, header: Header) -> bool:
    return header.epoch == file.epoch and header.lane == file.lane
