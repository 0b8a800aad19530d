"""Files of text as a format: records that end with a line, positions in bytes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa

from penstock.ports.flow import Refusal
from penstock.stores.files import stream
from penstock.stores.files.catalogue import Extent
from penstock.stores.files.format import Part
from penstock.stores.files.stream import Chunk, Limits


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that is no row: its number and its line in the block, counted from nought, its bytes, and why."""

    record: int
    line: int
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The rows of a block, and the records in it that are none."""

    rows: pa.RecordBatch
    bad: tuple[Bad, ...]


class Decoder(Protocol):
    """Makes rows out of the records of one file."""

    @property
    def body(self) -> int:
        """Where in the file the records begin, behind a byte order mark and a header."""
        ...

    def decode(self, block: bytes) -> Decoded:
        """The rows of whole records."""
        ...


@dataclass(frozen=True, slots=True)
class TextFormat:
    """Files of records that end with a line.

    `decoder` is made from the first bytes of each file. `whole` says how many bytes of a block, which begins with a record, hold whole
    ones; `finished` where in a file the last one ends whose line end is written. A file that is `complete` ends with a record all the same.
    Where every line is a record, the file is `cuttable`.
    """

    schema: pa.Schema
    decoder: Callable[[bytes], Decoder]
    whole: Callable[[bytes], int] = stream.whole_lines
    finished: Callable[[Path, int], int] = stream.last_line_end
    complete: bool = False
    cuttable: bool = True
    limits: Limits = field(default_factory=Limits)

    @property
    def units(self) -> Literal["bytes", "rows"]:
        """Positions are byte offsets; inside of a packed file, which cannot be entered but at its beginning, those of its contents."""
        return "bytes"

    def measure(self, path: Path, start: int) -> int:
        """Up to the end of the last record that is finished; all of a packed file."""
        size = path.stat().st_size
        return size if self.complete or stream.is_packed(path) else self.finished(path, min(start, size))

    def mark(self, path: Path, end: int) -> str:
        """Of its bytes as they are on the disk."""
        return stream.mark(path, end)

    def seam(self, path: Path, near: int, end: int) -> int:
        """The next line."""
        return stream.next_line(path, near, end) if self.cuttable and not stream.is_packed(path) else end

    def read(self, path: Path, extent: Extent) -> Generator[Part, None, None]:
        """Block by block; see `Format.read`."""
        decoder, at = self.decoder(stream.head(path)), extent.start
        body = decoder.body if extent.start == 0 else 0
        for chunk, lines, place in self._unpacked(path, extent, body) if stream.is_packed(path) else self._plain(path, extent, body):
            yield _part(path, decoder, chunk, lines, place)
            at = place.upto
        if at < extent.end and not extent.until:  # nothing but a header, or the clean end of what was packed
            yield Part(pa.RecordBatch.from_pylist([], schema=self.schema), (), extent.end)

    def _plain(self, path: Path, extent: Extent, body: int) -> Iterator[_Placed]:
        with path.open("rb") as file:
            first = file.seek(min(extent.end, max(extent.start, body)))
            for chunk in stream.chunks(file, first, extent.end, self.whole, self.limits):
                yield chunk, lambda: stream.line_ends(path, first), _Place(chunk.end)

    def _unpacked(self, path: Path, extent: Extent, body: int) -> Iterator[_Placed]:
        first, last = max(body, int.from_bytes(extent.inside, "big")), int.from_bytes(extent.until, "big") if extent.until else None
        with stream.unpacked(path, extent.start, extent.end) as file:
            lines = stream.skip(file, first)
            for chunk in stream.chunks(file, first, last, self.whole, self.limits):
                yield chunk, lambda: lines, _Place(extent.start, chunk.end.to_bytes(8, "big"))


@dataclass(frozen=True, slots=True)
class _Place:
    upto: int
    inside: bytes = b""


_Placed = tuple[Chunk, Callable[[], int], _Place]
"""A chunk, how many lines end before the first one that was read, and where the chunk ends."""


def _part(path: Path, decoder: Decoder, chunk: Chunk, lines: Callable[[], int], place: _Place) -> Part:
    """The rows of a chunk; the line numbers of what is none are counted only where there is such."""
    if chunk.too_long:
        decoded = Decoded(decoder.decode(b"").rows, (Bad(0, 0, chunk.data, f"it is too long: {chunk.end - chunk.start:,} bytes"),))
    else:
        decoded = decoder.decode(chunk.data)
    first = 1 + chunk.line + lines() if decoded.bad else 0
    refused = (Refusal(bad.record, bad.raw, bad.reason, f"{path.name}, line {first + bad.line:,}") for bad in decoded.bad)
    return Part(decoded.rows, tuple(refused), place.upto, place.inside)
