"""Gzip bodies put together out of pieces."""

from __future__ import annotations

import gzip
import zlib
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from penstock.simulate.dataset import Dataset
from penstock.simulate.keys import Span
from penstock.simulate.pages import PIECE, Pages, gzip_of
from penstock.simulate.settings import DataSyncSettings

from .client import crc_and_size

EVENTS = 5 * PIECE + 17
SPANS = st.tuples(st.integers(0, EVENTS), st.integers(0, EVENTS)).map(lambda bounds: Span(*sorted(bounds)))


@cache
def dataset() -> Dataset:
    """A dataset that ends within a piece."""
    return Dataset(DataSyncSettings(events=EVENTS, undecodable=0.01))


@given(spans=st.lists(SPANS, max_size=4), cache_bytes=st.sampled_from([0, 40_000, 10**9]))
def test_same_text(spans: list[Span], cache_bytes: int) -> None:
    """Whatever was asked for before and however little is kept, the gzipped page inflates to the plain one."""
    pages = Pages(dataset(), cache_bytes)

    bodies = [(pages.gzipped(span, b"<", b">"), pages.plain(span, b"<", b">")) for span in spans]

    for gzipped, plain in bodies:
        assert gzip.decompress(gzipped) == plain
        assert crc_and_size(gzipped) == (zlib.crc32(plain), len(plain))


def test_warm() -> None:
    """A warm cache holds every whole piece, whatever its size was to be, and changes no byte."""
    cold, warm = Pages(dataset(), 0), Pages(dataset(), 0)

    warm.warm()

    assert warm._cached.keys() == {Span(first, first + PIECE) for first in range(0, 5 * PIECE, PIECE)}
    assert warm.gzipped(Span(100, 1100), b"", b"") == cold.gzipped(Span(100, 1100), b"", b"")


def test_bounded() -> None:
    """The cache never holds more bytes than it may, and lets go of what was used longest ago."""
    piece = len(Pages(dataset(), 0).gzipped(Span(0, PIECE), b"", b""))
    pages = Pages(dataset(), 2 * piece + 1000)

    for first in (0, PIECE, 0, 2 * PIECE):
        pages.gzipped(Span(first, first + PIECE), b"", b"")

    assert list(pages._cached) == [Span(0, PIECE), Span(2 * PIECE, 3 * PIECE)]


def test_ratio() -> None:
    """A page is about 70 % smaller than its text, as a real server's is."""
    pages, span = Pages(Dataset(DataSyncSettings(events=200_000)), 0), Span(0, 5_000)

    ratio = len(pages.gzipped(span, b"", b"")) / len(pages.plain(span, b"", b""))

    assert 0.25 < ratio < 0.32


def test_empty() -> None:
    """A page without rows, and even one without text, is a valid gzip member."""
    pages = Pages(dataset(), 0)

    assert gzip.decompress(pages.gzipped(Span(3, 3), b"[", b"]")) == b"[]"
    assert gzip.decompress(gzip_of([])) == b""
