"""Page bodies, fast: rows are compressed once in small pieces, and a gzip body is put together out of pieces.

Every piece is a raw deflate stream that ends at a byte boundary (sync flush) and refers to nothing before it, so pieces may be
joined in any order (RFC 1951, 3.2.3); the checksum of the whole follows from the pieces' checksums (RFC 1952, 2.3.1).
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from isal import isal_zlib

from penstock.simulate.dataset import Dataset
from penstock.simulate.keys import Span

PIECE = 250
"""Rows compressed together: 0.4 % larger than whole pages, and at most two pieces of a page have to be cut."""
LEVEL = 1
"""About 72 % smaller than the text, as real servers' bodies are."""
STRIDE = 20 * PIECE
_HEADER = bytes.fromhex("1f8b08000000000000ff")
_END = b"\x03\x00"


@dataclass(frozen=True, slots=True)
class Piece:
    """Deflated bytes, with checksum and length of the text."""

    deflated: bytes
    crc: int
    size: int


class Pages:
    """Writes spans of a dataset as JSON rows, plain or gzipped."""

    def __init__(self, dataset: Dataset, cache_bytes: int) -> None:
        self._dataset = dataset
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[Span, Piece] = OrderedDict()
        self._cached_bytes = 0

    def plain(self, span: Span, before: bytes, after: bytes) -> bytes:
        """The rows of `span` between `before` and `after`."""
        return b"".join([before, self._dataset.text(span).rows(0, len(span)), after])

    def gzipped(self, span: Span, before: bytes, after: bytes) -> bytes:
        """What `plain` gives, gzipped."""
        return gzip_of([deflated(before), *self._with_commas(self._pieces(span)), deflated(after)])

    def warm(self) -> None:
        """Compress every row and keep it, whatever the cache's size was to be."""
        self._cache_bytes = 2**62
        for first in range(0, len(self._dataset.keys), STRIDE):
            self._pieces(Span(first, min(first + STRIDE, len(self._dataset.keys))))

    def _pieces(self, span: Span) -> list[Piece]:
        pieces = {cut: self._recalled(cut) for cut in cuts(span)}
        for missing, run in groupby(pieces, key=lambda cut: pieces[cut] is None):
            if missing:
                pieces.update(self._compressed(list(run)))
        return [piece for piece in pieces.values() if piece is not None]

    def _compressed(self, run: list[Span]) -> Iterator[tuple[Span, Piece]]:
        """Write neighbouring cuts in one go, and compress each."""
        first = run[0].first
        text = self._dataset.text(Span(first, run[-1].last))
        for cut in run:
            piece = deflated(text.rows(cut.first - first, cut.last - first))
            self._keep(cut, piece)
            yield cut, piece

    def _recalled(self, cut: Span) -> Piece | None:
        piece = self._cached.get(cut)
        if piece is not None:
            self._cached.move_to_end(cut)
        return piece

    def _keep(self, cut: Span, piece: Piece) -> None:
        if cut.first % PIECE or len(cut) < PIECE:
            return
        self._cached[cut] = piece
        self._cached_bytes += len(piece.deflated)
        while self._cached_bytes > self._cache_bytes:
            _, oldest = self._cached.popitem(last=False)
            self._cached_bytes -= len(oldest.deflated)

    def _with_commas(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        for number, piece in enumerate(pieces):
            if number:
                yield _comma()
            yield piece


def cuts(span: Span) -> Iterator[Span]:
    """`span` cut where row numbers are multiples of `PIECE`."""
    first = span.first
    while first < span.last:
        last = min(span.last, (first // PIECE + 1) * PIECE)
        yield Span(first, last)
        first = last


def deflated(text: bytes | memoryview) -> Piece:
    """Compress one piece."""
    stream = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -15)
    squeezed = stream.compress(text) + stream.flush(isal_zlib.Z_SYNC_FLUSH)
    return Piece(squeezed, isal_zlib.crc32(text), len(text))


def gzip_of(pieces: Iterable[Piece]) -> bytes:
    """One gzip member (RFC 1952) of all the pieces' text."""
    parts, crc, size = [_HEADER], 0, 0
    for piece in pieces:
        parts.append(piece.deflated)
        crc = isal_zlib.crc32_combine(crc, piece.crc, piece.size)
        size += piece.size
    return b"".join([*parts, _END, struct.pack("<II", crc, size & 0xFFFFFFFF)])


@cache
def _comma() -> Piece:
    return deflated(b",")
