"""Pages: good events become rows byte for byte, bad ones are refused with a reason, in the order of the API."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.extract.events import HAS_NUL, NOT_A_TIME, NOT_A_UUID, NOT_UTF8, SCHEMA, Page, page
from penstock.extract.timestamps import UNKNOWN
from penstock.simulate.undecodable import SPOIL
from penstock.stores.http.body import UnusableBody

from .bodies import A_TIME, A_UUID, event, joined, nested, raw_event

FIRST = event("00000000-0000-4000-8000-000000000001", name="first")
LAST = event("00000000-0000-4000-8000-000000000002", name="last")
UNDECODED = "it does not decode"

BAD: dict[str, tuple[bytes, str]] = {
    "Infinity": (raw_event(b'"properties":{"score":Infinity}'), UNDECODED),
    "NaN": (raw_event(b'"x":[NaN]'), UNDECODED),
    "lone surrogate": (raw_event(b'"name":"\\ud800"'), UNDECODED),
    "lone surrogate in what is not read": (raw_event(b'"x":"\\ud800"'), UNDECODED),
    "lone surrogate for an id": (raw_event(b'"x":1', identity="\\ud800"), UNDECODED),
    "lone surrogate for a time": (raw_event(b'"x":1', stamp=b'"\\ud800"'), UNDECODED),
    "control character": (raw_event(b'"x":"a\x00b"'), UNDECODED),
    "no object": (b"[1,2]", UNDECODED),
    "null": (b"null", UNDECODED),
    "no id": (b'{"timestamp":1}', UNDECODED),
    "id is a number": (event(12), UNDECODED),
    "id is null": (event(None), UNDECODED),
    "id is short": (event(A_UUID[:-1]), NOT_A_UUID),
    "id is long": (event(A_UUID + "0"), NOT_A_UUID),
    "id is empty": (event(""), NOT_A_UUID),
    "id without dashes": (event(A_UUID.replace("-", "")), NOT_A_UUID),
    "id with a wrong digit": (event("g" + A_UUID[1:]), NOT_A_UUID),
    "id with a misplaced dash": (event(A_UUID[:7] + "-0" + A_UUID[9:]), NOT_A_UUID),
    "id of 36 bytes and fewer characters": (event("é" + A_UUID[2:]), NOT_A_UUID),
    "id in braces": (event("{" + A_UUID[1:-1] + "}"), NOT_A_UUID),
    "no timestamp": (b'{"id":"%s"}' % A_UUID.encode(), UNDECODED),
    "timestamp is null": (event(stamp=None), NOT_A_TIME),
    "timestamp is true": (event(stamp=True), UNDECODED),
    "timestamp is an object": (event(stamp={}), UNDECODED),
    "timestamp is text": (event(stamp="yesterday"), NOT_A_TIME),
    "timestamp is far away": (event(stamp=10**18), NOT_A_TIME),
    "timestamp is farther than numbers go": (event(stamp=10**30), NOT_A_TIME),
    "timestamp of thousands of digits": (raw_event(b'"x":1', stamp=b"9" * 5_000), UNDECODED),
    "type is a number": (event(type=1), UNDECODED),
    "name is a list": (event(name=[]), UNDECODED),
    "NUL in a column": (event(sessionId="a\0b"), HAS_NUL),
    "NUL alone": (event(name="\0"), HAS_NUL),
    "not UTF-8 in a column": (raw_event(b'"name":"\xff"'), UNDECODED),
    "not UTF-8 in a name of a member": (raw_event(b'"\xff":1'), NOT_UTF8),
    "not UTF-8 in what is not read": (raw_event(b'"x":"\xff"'), NOT_UTF8),
    "surrogate in UTF-8": (raw_event(b'"x":"\xed\xa0\x80"'), NOT_UTF8),
    "overlong UTF-8": (raw_event(b'"x":"\xc0\x80"'), NOT_UTF8),
    "beyond Unicode": (raw_event(b'"x":"\xf4\x90\x80\x80"'), NOT_UTF8),
    **{f"as simulated: {kind}": (spoil(event(session={}, properties={"page": "/"})), "") for kind, spoil in SPOIL.items()},
}

texts = st.none() | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)
stamps = st.one_of(st.integers(10**12, 2 * 10**12), st.just("2026-01-27T19:20:12.369Z"), st.floats(1e9, 2e9))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(blacklist_categories=["Cs"])), st.lists, max_leaves=5
)


@st.composite
def good_events(draw: st.DrawFn) -> bytes:
    """A good event, with any other members, its characters escaped or not, its members in any order, blanks anywhere."""
    members: dict[str, Any] = {"id": str(draw(st.uuids())), "timestamp": draw(stamps)}
    if draw(st.booleans()):
        members["id"] = members["id"].upper()
    for name in ("type", "name", "sessionId", "userId"):
        if draw(st.booleans()):
            members[name] = draw(texts)
    members["properties"] = draw(values)
    names = draw(st.permutations(list(members)))
    text = json.dumps({name: members[name] for name in names}, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.integers(0, 1)))
    return text.encode()


def stored(read: Page) -> list[dict[str, Any]]:
    """The rows of a page."""
    rows: list[dict[str, Any]] = read.rows.to_pylist()
    return rows


def test_a_good_event() -> None:
    """Every column is what the event says, and the event itself stands beside them as it was received."""
    raw = event(A_UUID, "2026-01-27T19:14:08.380Z", type="click", name="event_e8o287", sessionId="s", userId="u", properties={"page": "/"})

    read = page(nested([raw]))

    assert stored(read) == [
        {
            "id": UUID(A_UUID),
            "occurred_at": datetime(2026, 1, 27, 19, 14, 8, 380_000, tzinfo=UTC),
            "type": "click",
            "name": "event_e8o287",
            "session_id": "s",
            "user_id": "u",
            "event": raw.decode(),
        }
    ]
    assert (read.ids, read.ts.tolist(), read.refused, len(read)) == ([A_UUID], [1_769_541_248_380], {}, 1)


def test_what_an_event_may_leave_out() -> None:
    """Without type, name, session and user, or with null for them, columns are null; elsewhere an escaped NUL is text like any other."""
    raws = [event(), event(type=None, name=None, sessionId=None, userId=None), event(name="", properties="a\0b")]

    rows = stored(page(joined(raws)))

    assert [row["name"] for row in rows] == [None, None, ""]
    assert {row[name] for row in rows for name in ("type", "session_id", "user_id")} == {None}
    assert [row["event"].encode() for row in rows] == raws


def test_an_id_in_capitals() -> None:
    """It is the same UUID; the page keeps it as received, because the server compares it with its own."""
    read = page(joined([event(A_UUID.upper())]))

    assert [row["id"] for row in stored(read)] == [UUID(A_UUID)]
    assert read.ids == [A_UUID.upper()]


@pytest.mark.parametrize("cut", [0, 1, 35, 37, 72])
def test_ids_that_are_uuids_only_together(cut: int) -> None:
    """Two texts that make two UUIDs when they are joined are none, each by itself."""
    both = A_UUID * 2

    read = page(joined([event(both[:cut]), event(both[cut:])]))

    assert read.refused == {0: NOT_A_UUID, 1: NOT_A_UUID}


def test_an_empty_page() -> None:
    """A page of no events has no rows, and all its columns."""
    read = page(nested([]))

    assert (len(read), read.rows.num_rows, read.rows.schema) == (0, 0, SCHEMA)


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD)
def test_a_bad_event(bad: bytes, reason: str) -> None:
    """It is refused with a reason and as received; the good events around it are stored, and everything keeps its place."""
    read = page(nested([FIRST, bad, LAST], has_more=False, total=3))

    assert [row["event"].encode() for row in stored(read)] == [FIRST, LAST]
    assert read.places.tolist() == [0, 2]
    assert list(read.refused) == [1]
    assert read.refused[1].startswith(reason)
    assert [bytes(raw) for raw in read.raws] == [FIRST, bad, LAST]
    assert read.ts[[0, 2]].tolist() == [A_TIME, A_TIME]


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        (BAD["Infinity"][0], (A_UUID, A_TIME)),
        (BAD["lone surrogate"][0], (A_UUID, A_TIME)),
        (BAD["not UTF-8 in a column"][0], (A_UUID, A_TIME)),
        (BAD["not UTF-8 in what is not read"][0], (A_UUID, A_TIME)),
        (BAD["id is a number"][0], ("", A_TIME)),
        (BAD["timestamp is an object"][0], (A_UUID, UNKNOWN)),
        (BAD["timestamp is true"][0], (A_UUID, UNKNOWN)),
        (BAD["lone surrogate for a time"][0], (A_UUID, UNKNOWN)),
        (raw_event(b'"x":NaN', stamp=b"Infinity"), (A_UUID, UNKNOWN)),
        (raw_event(b'"x":NaN', stamp=b"1" + b"0" * 30), (A_UUID, UNKNOWN)),
        (raw_event(b'"x":NaN', stamp=b'"2026-01-27T19:14:08.380Z"'), (A_UUID, 1_769_541_248_380)),
        (BAD["no object"][0], ("", UNKNOWN)),
        (BAD["timestamp of thousands of digits"][0], ("", UNKNOWN)),
    ],
)
def test_the_key_of_a_bad_event(bad: bytes, key: tuple[str, int]) -> None:
    """As much of its key is read as can be, because it tells on which side of a seam the event lies."""
    read = page(joined([bad]))

    assert (read.ids[0], read.ts[0]) == key
    assert list(read.refused) == [0]


def test_nothing_but_bad_events() -> None:
    """A page of bad events has no rows, and a reason for each."""
    bad = [raw for raw, _ in BAD.values()]

    read = page(gzip.compress(joined(bad)))

    assert (read.rows.num_rows, read.rows.schema, read.places.tolist()) == (0, SCHEMA, [])
    assert sorted(read.refused) == list(range(len(bad)))
    assert [bytes(raw) for raw in read.raws] == bad


@given(st.lists(good_events(), max_size=8), st.data())
def test_both_ways_of_reading_agree(good: list[bytes], data: st.DataObject) -> None:
    """Good events become the same rows, byte for byte, whether or not bad ones stand among them and whichever those are."""
    bad = data.draw(st.lists(st.sampled_from([raw for raw, _ in BAD.values()]), min_size=1, max_size=4))
    mixed = data.draw(st.permutations([*((raw, True) for raw in good), *((raw, False) for raw in bad)]))
    in_order = [raw for raw, is_good in mixed if is_good]

    pure, among = page(joined(in_order)), page(joined([raw for raw, _ in mixed]))

    assert [row["event"].encode() for row in stored(pure)] == in_order
    assert among.rows == pure.rows
    assert [bytes(among.raws[place]) for place in among.places.tolist()] == in_order
    assert sorted(among.refused) == [place for place, (_, is_good) in enumerate(mixed) if not is_good]


@given(good_events())
def test_as_the_standard_library(raw: bytes) -> None:
    """The columns are what the standard library reads in the event."""
    members = json.loads(raw)

    (row,) = stored(page(joined([raw])))

    assert row["id"] == UUID(members["id"])
    assert (row["type"], row["name"]) == (members.get("type"), members.get("name"))
    assert (row["session_id"], row["user_id"]) == (members.get("sessionId"), members.get("userId"))
    assert row["occurred_at"] - datetime(1970, 1, 1, tzinfo=UTC) < timedelta(days=366 * 100)


@given(st.lists(good_events() | st.sampled_from([raw for raw, _ in BAD.values()]), min_size=1, max_size=4), st.data())
def test_whatever_happened_on_the_way(raws: list[bytes], data: st.DataObject) -> None:
    """A page with wrong, missing and additional bytes is unusable, or its events are rows and refusals, all of them."""
    body = joined(raws)
    place, missing = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 3))
    body = body[:place] + data.draw(st.binary(max_size=3)) + body[place + missing :]

    try:
        read = page(body)
    except UnusableBody:
        return

    assert sorted([*read.places.tolist(), *read.refused]) == list(range(len(read.raws)))
    assert [row["event"].encode() for row in stored(read)] == [bytes(read.raws[place]) for place in read.places.tolist()]
    read.rows.validate(full=True)


def test_the_schema_names_the_raw_column() -> None:
    """The engine finds the event as received by the schema's metadata; only what the API may leave out may be null."""
    names = {field.name for field in SCHEMA if not field.nullable}

    assert SCHEMA.metadata == {b"penstock.raw": b"event"}
    assert names == {"id", "occurred_at", "event"}
    assert SCHEMA.field("occurred_at").type == pa.timestamp("ms", "UTC")
