"""Paths into JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.http.path import UNDECODABLE, elements, found

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=3)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8"), max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def paths(tree: object, before: str = "") -> Iterator[tuple[str, object]]:
    """Every place of a tree, and what stands there."""
    yield before, tree
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, one in inner:
        yield from paths(one, f"{before}.{name}" if before else str(name))


@given(TREES)
def test_every_place_is_found(tree: object) -> None:
    """Whatever JSON holds is found by the names and numbers that lead to it, as it was written."""
    text = json.dumps(tree, indent=1, ensure_ascii=False).encode()

    for path, expected in paths(tree):
        there = found(text, path)

        assert there is not None
        assert json.loads(bytes(there)) == expected


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("data.-1.id", b"2"),
        ("data.0.id", b"1"),
        ("data.2.id", None),
        ("data.-3.id", None),
        ("data.first", None),
        ("data.0.id.more", None),
        ("meta.@odata.nextLink", b'"x"'),
        ("meta.@odata.next", None),
        ("nothing", None),
    ],
)
def test_a_place(path: str, there: bytes | None) -> None:
    """Elements count from the end, too, names may hold points, and where nothing is nothing is found."""
    text = b' {"data": [{"id":1}, {"id":2}], "meta": {"@odata": 5, "@odata.nextLink": "x"}}'

    assert found(text, path) == (there if there is None else msgspec.Raw(there))


def test_no_json() -> None:
    """What is no JSON is told."""
    with pytest.raises(UNDECODABLE):
        found(b'{"data": [', "data")


def test_elements() -> None:
    """Each element of a list keeps its bytes."""
    assert [bytes(one) for one in elements(b'[1, {"a" : 2},null]')] == [b"1", b'{"a" : 2}', b"null"]
