"""Bodies of answers are inflated within limits."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.http.body import MOST_BYTES, UnusableBody, inflated

PAGE = b'{"data":[{"id":1,"name":"one"},{"id":2,"name":"two"}],"hasMore":true,"total":7}'


def test_plain() -> None:
    """A body without gzip is taken as it is."""
    assert inflated(PAGE) == PAGE


@given(st.binary(max_size=2_000), st.integers(0, 9))
def test_gzip(body: bytes, level: int) -> None:
    """A gzip body inflates to what was compressed, of any level, empty ones too."""
    assert inflated(gzip.compress(body, level)) == body


@given(st.data())
def test_cut_gzip(data: st.DataObject) -> None:
    """A gzip body that is cut short anywhere is unusable, never a shorter page."""
    raw = gzip.compress(PAGE)
    cut = data.draw(st.integers(2, len(raw) - 1))

    with pytest.raises(UnusableBody):
        inflated(raw[:cut])


@given(st.integers(10, len(gzip.compress(PAGE)) - 1), st.integers(1, 255))
def test_damaged_gzip(place: int, change: int) -> None:
    """One wrong byte behind the header, checksum and length included, is noticed, unless it only fills up the last byte of the stream."""
    raw = bytearray(gzip.compress(PAGE))
    raw[place] ^= change

    try:
        body = inflated(bytes(raw))
    except UnusableBody:
        return

    assert (body, place) == (PAGE, len(raw) - 9)


@pytest.mark.parametrize("stated", [0, 1, len(PAGE) - 1, len(PAGE) + 1, MOST_BYTES, 2**32 - 1])
def test_a_length_that_lies(stated: int) -> None:
    """The length at the end of a gzip body is held against what comes out."""
    raw = gzip.compress(PAGE)[:-4] + stated.to_bytes(4, "little")

    with pytest.raises(UnusableBody, match="gzip"):
        inflated(raw)


@pytest.mark.parametrize("stated", [None, 2**32 - 1, 1_000])
def test_a_bomb(stated: int | None) -> None:
    """A gzip body out of all proportion is refused before the memory is spent, whatever length it states."""
    bomb = gzip.compress(bytes(64 * 2**20))
    raw = bomb if stated is None else bomb[:-4] + stated.to_bytes(4, "little")
    tracemalloc.start()

    with pytest.raises(UnusableBody, match="gzip"):
        inflated(raw)

    spent = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spent < 2**20


def test_a_repetitive_page_is_no_bomb() -> None:
    """A page that compresses well, as those of a test system do, is read."""
    page = b'{"data":[' + b",".join([b'{"name":"%s"}' % (b"x" * 300)] * 5_000) + b"]}"

    assert inflated(gzip.compress(page, 9)) == page
