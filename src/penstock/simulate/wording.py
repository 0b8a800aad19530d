"""The text of events: everything but the key follows from the id, so any rows can be written without the rows before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock.simulate.keys import draw_uuids
from penstock.simulate.timestamps import fixed, wire
from penstock.simulate.undecodable import SPOIL

if TYPE_CHECKING:
    from penstock.simulate.keys import Ids
    from penstock.simulate.settings import DataSyncSettings
    from penstock.simulate.timestamps import Millis, Notation

Words = npt.NDArray[np.uint64]

TYPES = {
    "page_view": 1_050_459,
    "click": 749_415,
    "api_call": 300_487,
    "form_submit": 299_557,
    "scroll": 150_594,
    "purchase": 150_087,
    "error": 149_884,
    "video_play": 149_517,
}
"""Events of each type among 3,000,000, as published."""
PAGES = ("/home", "/products", "/pricing", "/docs", "/account/settings", "/cart", "/checkout", "/blog/latest")
DEVICES = ("mobile", "tablet", "desktop")
BROWSERS = ("Chrome", "Firefox", "Safari", "Edge")
EVENTS_PER_SESSION = 50
SESSIONS_PER_USER = 20


@dataclass(frozen=True, slots=True)
class Text:
    """Events as JSON, each after a comma; event i lies between `offsets[i]` and `offsets[i + 1]`."""

    buffer: memoryview
    offsets: npt.NDArray[np.int32]

    def rows(self, first: int, last: int) -> memoryview:
        """Rows `first` up to `last`, joined by commas."""
        return self.buffer[self.offsets[first] + 1 : self.offsets[last]] if last > first else self.buffer[:0]


@dataclass(frozen=True, slots=True)
class Sessions:
    """One entry for each session; uuids in their lower-case notation."""

    names: pa.BinaryArray
    users: pa.BinaryArray
    devices: pa.BinaryArray
    browsers: pa.BinaryArray

    @classmethod
    def drawn(cls, settings: DataSyncSettings) -> Sessions:
        """The sessions of a dataset."""
        rng = np.random.default_rng([settings.seed, 2])
        count = max(1, settings.events // EVENTS_PER_SESSION)
        users = draw_uuids(rng, max(1, count // SESSIONS_PER_USER))
        return cls(
            fixed(hexadecimal(draw_uuids(rng, count))),
            fixed(hexadecimal(users[np.arange(count) % len(users)])),
            pa.array([name.encode() for name in DEVICES]).take(pa.array(rng.integers(0, len(DEVICES), count))),
            pa.array([name.encode() for name in BROWSERS]).take(pa.array(rng.integers(0, len(BROWSERS), count))),
        )

    def around(self) -> tuple[pa.BinaryArray, pa.BinaryArray]:
        """What stands between an event's id and its type, and after its timestamp."""
        join = pc.binary_join_element_wise
        heads = join(b'","sessionId":"', self.names, b'","userId":"', self.users, b'","type":"', b"")
        kinds = join(b'","deviceType":"', self.devices, b'","browser":"', self.browsers, b'"}}', b"")
        return heads, join(b',"session":{"id":"', self.names, kinds, b"")


class Wording:
    """Writes events out of their keys."""

    def __init__(self, settings: DataSyncSettings, notations: Sequence[Notation]) -> None:
        self._salt = np.uint64(settings.seed * 2 + 1)
        self._notations = notations
        self._spoils = [SPOIL[kind] for kind in settings.undecodable_kinds]
        self._spoiled_below = np.uint64(round(settings.undecodable * 2**32))
        self._types = pa.array([f'{name}","name":"event_'.encode() for name in TYPES])
        self._pages = pa.array([f'","properties":{{"page":"{page}"}},"timestamp":'.encode() for page in PAGES])
        self.sessions = Sessions.drawn(settings)
        self._heads, self._tails = self.sessions.around()

    def write(self, ids: Ids, ts: Millis) -> Text:
        """The events of `ids` uint8[n, 16] at `ts` int64[n] epoch ms."""
        first, second, _ = draws = self._draws(ids)
        session = pa.array(self._session(first))
        events = pc.binary_join_element_wise(
            fixed(_beginnings(ids)),
            self._heads.take(session),
            self._types.take(pa.array(_type(first))),
            fixed(_names(second & 0xFFFFFFFF)),
            self._pages.take(pa.array((first >> 48) % len(PAGES))),
            wire(ts, ((second >> 32) % len(self._notations)).astype(np.uint8), self._notations),
            self._tails.take(session),
            b"",
        )
        return _text(self._spoil(events, draws))

    def undecodable(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of these events are written so that a strict reader has to refuse them."""
        return (self._draws(ids)[2] & 0xFFFFFFFF) < self._spoiled_below

    def volumes(self, ids: Ids) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """How many of these events belong to each session, and to each of `TYPES`."""
        first, _, _ = self._draws(ids)
        sessions = np.bincount(self._session(first), minlength=len(self.sessions.names))
        return sessions, np.bincount(_type(first), minlength=len(TYPES))

    def _session(self, first: Words) -> npt.NDArray[np.int64]:
        """Index into the sessions."""
        return (((first & 0xFFFFFFFF) * np.uint64(len(self._heads))) >> np.uint64(32)).astype(np.int64)

    def _draws(self, ids: Ids) -> tuple[Words, Words, Words]:
        words = ids.view(np.uint64)
        first = _mixed(words[:, 0] ^ _mixed(words[:, 1] + self._salt))
        second = _mixed(first)
        return first, second, _mixed(second)

    def _spoil(self, events: pa.BinaryArray, draws: tuple[Words, Words, Words]) -> pa.BinaryArray:
        chance = draws[2]
        spoiled = (chance & 0xFFFFFFFF) < self._spoiled_below
        if not spoiled.any():
            return events
        ways = (chance[spoiled] >> 32) % len(self._spoils)
        good = events.filter(pa.array(spoiled)).to_pylist()
        bad = [self._spoils[way](event) for way, event in zip(ways, good, strict=True)]
        return pc.replace_with_mask(events, pa.array(spoiled), pa.array(bad, pa.binary()))


def hexadecimal(ids: Ids) -> npt.NDArray[np.uint8]:
    """uint8[n, 36]: uuids in their lower-case notation."""
    digits = _hex_pairs()[ids].view(np.uint8).reshape(len(ids), 32)
    cells = np.full((len(ids), 36), ord("-"), np.uint8)
    for column, low, high in ((0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)):
        cells[:, column : column + high - low] = digits[:, low:high]
    return cells


def _type(first: Words) -> npt.NDArray[np.uint8]:
    """Index into `TYPES`."""
    kinds: npt.NDArray[np.uint8] = _type_table()[(first >> np.uint64(32)) & np.uint64(0xFFFF)]
    return kinds


def _beginnings(ids: Ids) -> npt.NDArray[np.uint8]:
    before = np.frombuffer(b',{"id":"', np.uint8)
    cells = np.empty((len(ids), len(before) + 36), np.uint8)
    cells[:, : len(before)] = before
    cells[:, len(before) :] = hexadecimal(ids)
    return cells


def _names(chance: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Six characters of base 36."""
    high, low = np.divmod(chance % 36**6, 36**3)
    return np.concatenate([_base36()[high], _base36()[low]], axis=1)


def _text(events: pa.BinaryArray) -> Text:
    _, offsets, values = events.buffers()
    return Text(memoryview(values or b""), np.frombuffer(offsets, np.int32)[events.offset : events.offset + len(events) + 1])


def _mixed(words: Words) -> Words:
    """One step of splitmix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of the word."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


@cache
def _type_table() -> npt.NDArray[np.uint8]:
    """uint8[65536]: the type that 16 random bits stand for."""
    ends = np.cumsum(list(TYPES.values())) * 65_536 // sum(TYPES.values())
    return np.searchsorted(ends, np.arange(65_536), "right").astype(np.uint8)


@cache
def _hex_pairs() -> npt.NDArray[np.uint16]:
    return np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)


@cache
def _base36() -> npt.NDArray[np.uint8]:
    """uint8[46656, 3]: every three characters of base 36."""
    alphabet = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", np.uint8)
    digits = np.arange(36**3)[:, None] // np.array([36**2, 36, 1]) % 36
    table: npt.NDArray[np.uint8] = alphabet[digits]
    return table
