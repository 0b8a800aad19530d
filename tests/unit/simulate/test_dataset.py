"""The simulated events: what they look like, how they are ordered, what a seed decides."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.simulate.dataset import Dataset
from penstock.simulate.keys import DAY_MS, NEWEST_MS, Key, Span
from penstock.simulate.settings import UNDECODABLE, DataSyncSettings, TieRule, Undecodable
from penstock.simulate.wording import BROWSERS, DEVICES, TYPES

TIED = DataSyncSettings(events=400, seed=5, ties=0.9, tie_burst=90)
RULES: tuple[TieRule, ...] = ("desc", "asc")


@cache
def dataset(settings: DataSyncSettings) -> Dataset:
    """A dataset, made once."""
    return Dataset(settings)


def texts(events: Dataset, span: Span | None = None) -> list[bytes]:
    """Each event's text."""
    written = events.text(Span(0, len(events)) if span is None else span)
    return [bytes(written.rows(row, row + 1)) for row in range(len(written.offsets) - 1)]


def test_shape() -> None:
    """An event has exactly the fields the API was seen with, its session's twice."""
    event: Any = json.loads(texts(dataset(TIED))[0])

    assert list(event) == ["id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session"]
    assert list(event["session"]) == ["id", "deviceType", "browser"]
    assert event["session"]["id"] == event["sessionId"]
    assert list(event["properties"]) == ["page"]
    assert event["name"].startswith("event_")
    assert len(event["name"]) == 12
    assert {UUID(event[name]).version for name in ("id", "sessionId", "userId")} == {4}


def test_population() -> None:
    """Types, sessions, users, devices and browsers are as many and as frequent as published, an event about 350 bytes."""
    events = dataset(DataSyncSettings(events=60_000))
    written = texts(events)
    decoded: list[Any] = [json.loads(text) for text in written]

    types = Counter(event["type"] for event in decoded)
    sessions = {event["sessionId"]: event["userId"] for event in decoded}

    assert types.keys() == TYPES.keys()
    assert all(abs(types[name] / len(events) - count / 3_000_000) < 0.01 for name, count in TYPES.items())
    assert len(sessions) == 1_200
    assert len(set(sessions.values())) == 60
    assert {event["session"]["deviceType"] for event in decoded} == set(DEVICES)
    assert {event["session"]["browser"] for event in decoded} == set(BROWSERS)
    assert 340 < sum(map(len, written)) / len(events) < 360


def test_seed() -> None:
    """The same settings give the same bytes, another seed another set of events."""
    again, other = Dataset(TIED), Dataset(replace(TIED, seed=6))

    assert texts(again) == texts(dataset(TIED))
    assert not {id_.tobytes() for id_ in other.ids()} & {id_.tobytes() for id_ in again.ids()}


@given(bounds=st.tuples(st.integers(0, 400), st.integers(0, 400)).map(sorted))
def test_any_part(bounds: list[int]) -> None:
    """An event reads the same in whatever part of the data it is asked for."""
    events = dataset(TIED)

    part = texts(events, Span(*bounds))

    assert part == texts(events)[bounds[0] : bounds[1]]


@pytest.mark.parametrize("rule", RULES)
def test_order(rule: TieRule) -> None:
    """Events run newest first; within a millisecond their ids fall or rise, as the tie rule says."""
    events = dataset(replace(TIED, tie_rule=rule))

    keys = [events[row] for row in range(len(events))]

    assert keys[0].ts == NEWEST_MS
    assert keys == sorted(keys, key=lambda key: (key.ts, key.id if rule == "desc" else bytes(255 - byte for byte in key.id)), reverse=True)


def test_tie_rule_moves_nothing_in_time() -> None:
    """The tie rule changes the order of the events and nothing about them."""
    assert sorted(texts(dataset(TIED))) == sorted(texts(dataset(replace(TIED, tie_rule="asc"))))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_ties(share: float) -> None:
    """The share of events that share their millisecond is what was asked for."""
    events = dataset(DataSyncSettings(events=20_000, ties=share))

    times = Counter(events.keys.ages.tolist())

    assert abs(sum(count for count in times.values() if count > 1) / len(events) - share) < 0.02


def test_tie_burst() -> None:
    """A burst puts that many events into one millisecond."""
    events = dataset(DataSyncSettings(events=20_000, tie_burst=7_000))

    times = Counter(events.keys.ages.tolist())

    assert times.most_common(1)[0][1] == 7_000


def test_skew() -> None:
    """Without skew every day holds the same number of events, with skew some hold several times as many as others."""
    even, skewed = (daily(DataSyncSettings(events=30_000, skew=skew)) for skew in (0.0, 1.0))

    assert max(even) / min(even) < 1.3
    assert max(skewed) / min(skewed) > 4


def daily(settings: DataSyncSettings) -> list[int]:
    """Events of each day."""
    return list(np.bincount(dataset(settings).keys.ages // DAY_MS))


@given(
    rule=st.sampled_from(RULES),
    row=st.integers(0, 399),
    ms_off=st.sampled_from([0, 0, 1, -1]),
    identity=st.sampled_from([None, UUID(int=0), UUID(int=2**128 - 1)]) | st.uuids(),
)
def test_after(rule: TieRule, row: int, ms_off: int, identity: UUID | None) -> None:
    """A cursor goes on with exactly the events whose key the rule puts behind it, whether it names one or not."""
    events = dataset(replace(TIED, tie_rule=rule))
    at = events[row]
    cursor = Key(at.ts + ms_off, at.id if identity is None else identity.bytes)

    first = events.keys.after(cursor)

    behind = [behind_desc, behind_asc][rule == "asc"]
    assert [behind(events[row], cursor) for row in range(len(events))] == [row >= first for row in range(len(events))]


def behind_desc(key: Key, cursor: Key) -> bool:
    """The keyset condition where ids fall."""
    return (key.ts, key.id) < (cursor.ts, cursor.id)


def behind_asc(key: Key, cursor: Key) -> bool:
    """The keyset condition where ids rise."""
    return key.ts < cursor.ts or (key.ts == cursor.ts and key.id > cursor.id)


@given(rule=st.sampled_from(RULES), limit=st.integers(1, 500))
def test_pages_cover_everything_once(rule: TieRule, limit: int) -> None:
    """Page after page, each behind the last row of the one before, covers every row exactly once in the thickest ties."""
    events = dataset(replace(TIED, tie_rule=rule))

    rows: list[int] = []
    while len(rows) < len(events):
        first = events.keys.after(events[rows[-1]]) if rows else 0
        rows += range(first, min(first + limit, len(events)))

    assert rows == list(range(len(events)))


def test_find() -> None:
    """An event is found by its id, and only by its own."""
    events = dataset(TIED)

    assert [events.keys.find(events[row].id) for row in range(len(events))] == list(range(len(events)))
    assert events.keys.find(bytes(16)) is None


@pytest.mark.parametrize("kind", UNDECODABLE)
def test_undecodable(kind: Undecodable) -> None:
    """Exactly the events listed as refused cannot be read strictly; the others read as they do in a dataset without any."""
    settings = DataSyncSettings(events=2_000, undecodable=0.1, undecodable_kinds=(kind,))
    events = dataset(settings)
    good = texts(dataset(replace(settings, undecodable=0.0)))

    refused = [not readable(text) for text in texts(events)]

    assert events.ids()[refused].tolist() == events.refused_ids().tolist()
    assert 100 < sum(refused) < 300
    assert [text == before for text, before in zip(texts(events), good, strict=True)] == [not bad for bad in refused]


class Event(msgspec.Struct):
    """What a strict reader asks of an event."""

    id: UUID
    sessionId: UUID  # noqa: N815 - the wire's name
    userId: UUID  # noqa: N815 - the wire's name
    type: str
    name: str
    properties: dict[str, Any]
    timestamp: int | str
    session: dict[str, str]


def readable(text: bytes) -> bool:
    """Whether a strict reader accepts an event."""
    try:
        msgspec.json.decode(text, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def test_live_events_are_newer() -> None:
    """Events still to come are newer than all that exist, in the order in which they come, one per period."""
    events = dataset(DataSyncSettings(events=100, live_per_s=4.0, live_limit=10))

    to_come = [events[row].ts for row in range(events.reserve)]

    assert to_come == [NEWEST_MS + 250 * number for number in range(10, 0, -1)]
    assert len(events) == 100
    assert len(events.ids(inserted=3)) == 103
