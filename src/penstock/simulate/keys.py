"""Every event's key (time, id), newest first, and where a cursor falls among them."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from penstock.simulate.settings import DataSyncSettings, TieRule

Ages = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint8]

NEWEST_MS = 1_769_541_612_369
"""Epoch ms of the newest event the API was seen with."""
DAY_MS = 86_400_000
_FAR = 2**62


@dataclass(frozen=True, slots=True)
class Key:
    """What events are ordered by: epoch ms and the 16 bytes of the uuid."""

    ts: int
    id: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `first` up to, not including, `last`; rows are numbered from the newest."""

    first: int
    last: int

    def __len__(self) -> int:
        return max(0, self.last - self.first)


@dataclass(frozen=True, slots=True)
class Keys:
    """`ages` int64[n]: ms before `NEWEST_MS`, ascending; `ids` uint8[n, 16]: ordered by `tie_rule` where ages are equal."""

    ages: Ages
    ids: Ids
    tie_rule: TieRule

    def __len__(self) -> int:
        return len(self.ages)

    def __getitem__(self, row: int) -> Key:
        return Key(NEWEST_MS - int(self.ages[row]), self.ids[row].tobytes())

    def after(self, key: Key) -> int:
        """The first row strictly behind `key`, whether or not such an event exists.

        `desc`: (ts, id) < (key.ts, key.id). `asc`: ts < key.ts, or ts = key.ts and id > key.id.
        """
        age = min(max(NEWEST_MS - key.ts, -_FAR), _FAR)
        low, high = (int(np.searchsorted(self.ages, age, side)) for side in ("left", "right"))
        order = _turned if self.tie_rule == "desc" else bytes
        rows = range(low, high)
        at = bisect_left(rows, order(key.id), key=lambda row: order(self.ids[row].tobytes()))
        return low + at + (low + at < high and self.ids[low + at].tobytes() == key.id)

    def since(self, ts: int) -> int:
        """The first row at or before `ts`."""
        return int(np.searchsorted(self.ages, min(max(NEWEST_MS - ts, -_FAR), _FAR), "left"))

    def find(self, identity: bytes) -> int | None:
        """The row of one id."""
        words, wanted = self.ids.view(np.uint64), np.frombuffer(identity, np.uint64)
        rows = np.flatnonzero((words[:, 0] == wanted[0]) & (words[:, 1] == wanted[1]))
        return int(rows[0]) if len(rows) else None


def draw_keys(settings: DataSyncSettings) -> Keys:
    """All keys of a dataset; the first `settings.reserve` rows are those still to be inserted."""
    rng = np.random.default_rng([settings.seed, 1])
    ages = np.concatenate([_ages_to_come(settings), _ages(settings, rng)])
    ids = draw_uuids(rng, len(ages))
    _order_ties(ages, ids, settings.tie_rule)
    return Keys(ages, ids, settings.tie_rule)


def _ages(settings: DataSyncSettings, rng: np.random.Generator) -> Ages:
    days = math.ceil(settings.days)
    volumes = np.exp(settings.skew * rng.standard_normal(days))
    filled = np.concatenate([[0.0], np.cumsum(volumes) / volumes.sum()])
    ends = np.linspace(0, settings.days * DAY_MS, days + 1)
    ages = np.interp(np.sort(rng.random(settings.events)), filled, ends).astype(np.int64)
    ages -= ages[0]
    return _with_burst(_with_ties(ages, settings.ties, rng), settings.tie_burst, rng)


def _with_ties(ages: Ages, ties: float, rng: np.random.Generator) -> Ages:
    """Let each event take its predecessor's time with probability p; 1 - (1 - p)² of them then share theirs."""
    copies = rng.random(len(ages)) < 1 - math.sqrt(1 - ties)
    copies[0] = False
    leaders = np.maximum.accumulate(np.where(copies, 0, np.arange(len(ages))))
    return ages[leaders]


def _with_burst(ages: Ages, size: int, rng: np.random.Generator) -> Ages:
    first = int(rng.integers(0, len(ages) - size + 1))
    ages[first : first + size] = ages[min(first, len(ages) - 1)]
    return ages


def _ages_to_come(settings: DataSyncSettings) -> Ages:
    if not settings.reserve:
        return np.empty(0, np.int64)
    seconds = np.arange(settings.reserve, 0, -1) / settings.live_per_s
    return -np.ceil(seconds * 1000).astype(np.int64)


def draw_uuids(rng: np.random.Generator, count: int) -> Ids:
    """uint8[count, 16]: random uuids of version 4."""
    ids = np.frombuffer(rng.bytes(16 * count), np.uint8).reshape(count, 16).copy()
    ids[:, 6] = ids[:, 6] & 0x0F | 0x40
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80
    return ids


def _order_ties(ages: Ages, ids: Ids, tie_rule: TieRule) -> None:
    same = ages[1:] == ages[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    words = ids[tied].view(">u8").astype(np.uint64)
    if tie_rule == "desc":
        words = ~words
    ids[tied] = ids[tied][np.lexsort((words[:, 1], words[:, 0], ages[tied]))]


def _turned(identity: bytes) -> bytes:
    """Bytes that sort the other way round."""
    return bytes(255 - byte for byte in identity)
