"""Whether two records are the same event in the words of two endpoints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.extract.alike import alike

from .bodies import A_TIME, A_UUID, event, raw_event

ISO = "2026-01-27T19:14:08.380Z"
UNDECODABLE = [b'"score":Infinity', b'"name":"\xff"', b'"name":"\\ud800"', b'"score":01', b'"deep":' + b"[" * 100_000]


@given(st.sampled_from([A_TIME, str(A_TIME), A_TIME / 1000, ISO]), st.sampled_from([A_TIME, ISO, None]), st.text(), st.booleans())
def test_times_in_two_notations(one: object, other: object, name: str, as_text: bool) -> None:  # noqa: FBT001
    """The notation of the time makes no difference, anything else does, in bytes as in text."""
    records = [
        event(stamp=stamp, properties={"timestamp": 1}, name=called) for stamp, called in ((one, name), (other, name), (one, name + "x"))
    ]
    texts = [record.decode() for record in records] if as_text else records

    assert alike(texts[0], texts[1])
    assert not alike(texts[0], texts[2])
    assert not alike(texts[1], texts[2])


@pytest.mark.parametrize("members", UNDECODABLE)
def test_what_does_not_decode(members: bytes) -> None:
    """Records that no strict reader takes are compared, too."""
    one, other, third = (raw_event(members + rest, stamp=stamp) for rest, stamp in ((b"", b"1"), (b"", b'"x"'), (b',"y":1', b"1")))

    assert alike(one, other)
    assert not alike(one, third)
    assert not alike(one, b"[]")


def test_no_objects() -> None:
    """What is no event is only like itself."""
    assert alike("[1]", "[1]")
    assert not alike("[1]", f'"{A_UUID}"')
