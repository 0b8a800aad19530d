"""What stands in for the API and for PostgreSQL on the simulated clock: an HTTP session that answers by a law, and a table of tallies.

Real are the engine, `EventSource` with its plan, stealing and seams, `EventsApi`, `Client`, `Lane`, `Gate`, `Climb`, the retries and the
proof. Not real are the bytes: a body holds the numbers of its events, one byte of it for each, and `light_page` makes the page of them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, cast
from uuid import UUID

import aiohttp
import msgspec
import numpy as np
import pyarrow as pa

from penstock.extract import cursor
from penstock.extract.body import Paging
from penstock.extract.cursor import LAST_ID, NO_ID, Cursor
from penstock.extract.events import SCHEMA, Page
from penstock.ports.checkpoints import Run
from penstock.ports.flow import Block, Receipt, Settled
from penstock.ports.sink import BlockLimits, Delivery, Idempotent, Writer
from penstock.stores.postgres.census import Census, Stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEWEST_MS = 1_769_541_612_369
DAY_MS = 86_400_000
DAYS = 30
PAGE = 5_000
SMALL_S = 0.2
"""What an answer takes that holds next to nothing; the law is of pages of 5,000 and taken in proportion."""

Law = Callable[[int], float]


def published(in_flight: int) -> float:
    """Seconds for a page of 5,000 with so many requests in flight, itself included; fits the four that were measured."""
    return 5 + 0.95 * in_flight


def thrashing(in_flight: int) -> float:
    """The same up to twelve; each further one slows all of them down by another second, and more."""
    return published(in_flight) + math.pow(max(0, in_flight - 12), 1.5)


@dataclass(frozen=True)
class Dataset:
    """Timestamps of all events, newest first (Unix milliseconds). An event's id is its number from the newest on."""

    ts: NDArray[np.int64]

    @classmethod
    def drawn(cls, events: int, sigma: float, seed: int) -> Dataset:
        """Thirty days, whose volumes are lognormal with `sigma`; within a day events are equally likely everywhere."""
        random = np.random.default_rng(seed)
        volumes = random.lognormal(0.0, sigma, DAYS)
        days = random.choice(DAYS, events, p=volumes / volumes.sum())
        ts = NEWEST_MS - (days + random.random(events)) * DAY_MS
        return cls(np.sort(ts.astype(np.int64))[::-1].copy())

    def after(self, place: Cursor | None) -> int:
        """Number of the first event behind a cursor."""
        if place is None:
            return 0
        if place.id not in (NO_ID, LAST_ID):
            return number_of(place.id) + 1
        newest = place.ts if place.id == NO_ID else place.ts - 1
        return len(self.ts) - int(np.searchsorted(self.ts[::-1], newest, side="right"))


def id_of(number: int) -> str:
    """Of an event, as the API has it: within a millisecond they rise."""
    return str(UUID(int=number + 1))


def number_of(key: str) -> int:
    """Of the event with this id."""
    return UUID(key).int - 1


@dataclass
class Budget:
    """`limit` requests per window of `window_s`, windows without a gap; `stated` in headers, or hidden until a 429."""

    limit: int
    window_s: float
    stated: bool
    window: int = -1
    used: int = 0

    def count(self, now: float) -> tuple[bool, dict[str, str]]:
        """Whether a request is served, and the headers of its answer."""
        if (window := int(now // self.window_s)) != self.window:
            self.window, self.used = window, 0
        served = self.used < self.limit
        self.used += served
        reset = str(int((window + 1) * self.window_s - now) + 1)
        headers = {} if served else {"Retry-After": reset}
        if self.stated:
            headers |= {
                "X-RateLimit-Limit": str(self.limit),
                "X-RateLimit-Remaining": str(self.limit - self.used),
                "X-RateLimit-Reset": reset,
            }
        return served, headers


@dataclass
class Content:
    """A body, in one piece."""

    body: bytes

    async def iter_any(self) -> AsyncIterator[bytes]:
        """It."""
        yield self.body


@dataclass
class Response:
    """As much of aiohttp's as the client looks at."""

    status: int
    headers: Mapping[str, str]
    content: Content


@dataclass
class PacedSession:
    """As much of an aiohttp session as the client uses. An answer takes as long as `law` says of the requests in flight when it starts.

    That is for an answer of `page` events, and less in proportion for a smaller one.
    """

    dataset: Dataset
    law: Law = published
    budget: Budget | None = None
    page: int = PAGE
    in_flight: int = 0
    most_in_flight: int = 0
    requests: int = 0
    refused: int = 0

    @property
    def session(self) -> aiohttp.ClientSession:
        """As what it stands in for."""
        return cast("aiohttp.ClientSession", self)

    def request(self, method: str, url: object, *, params: Mapping[str, str], **_: object) -> AbstractAsyncContextManager[Response]:
        """The list endpoint."""
        del method, url
        return self._answered(cursor.decoded(params["cursor"]) if "cursor" in params else None, int(params["limit"]))

    @asynccontextmanager
    async def _answered(self, place: Cursor | None, limit: int) -> AsyncIterator[Response]:
        now = asyncio.get_running_loop().time()
        served, headers = (True, {}) if self.budget is None else self.budget.count(now)
        self.requests += 1
        if not served:
            self.refused += 1
            await asyncio.sleep(SMALL_S)
            yield Response(429, headers, Content(b""))
            return
        first = self.dataset.after(place)
        last = min(first + limit, len(self.dataset.ts))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(SMALL_S + self.law(self.in_flight) * (last - first) / self.page)
        self.in_flight -= 1
        yield Response(200, headers, Content(b"%d %d " % (first, last) + bytes(last - first)))


@dataclass(frozen=True, slots=True)
class Numbered(Sequence[str]):
    """The ids of consecutive events, made when somebody looks at them."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, place: int) -> str:  # type: ignore[override]
        return id_of(range(self.first, self.last)[place])

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and bool(key) and self.first <= number_of(key) < self.last


def light_page(dataset: Dataset) -> Callable[[bytes], Page]:
    """How a page is made of a body here: ids and times are real, the other columns empty."""
    blank = pa.array([""] * PAGE, pa.string())

    def page(body: bytes) -> Page:
        first, last = map(int, body.split(b" ", 2)[:2])
        numbers, ts = np.arange(first, last), dataset.ts[first:last]
        keys = np.zeros((len(numbers), 2), ">i8")
        keys[:, 1] = numbers + 1
        storage = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(numbers), [None, pa.py_buffer(keys.tobytes())])
        times = pa.array(ts, pa.int64()).cast(pa.timestamp("ms", "UTC"))
        columns = [pa.ExtensionArray.from_storage(pa.uuid(), storage), times, *[blank.slice(0, len(numbers))] * 5]
        more = last < len(dataset.ts)
        paging = Paging(more, Cursor(id_of(last - 1), int(ts[-1])) if more else None, len(dataset.ts))
        rows = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
        return Page(rows, np.arange(len(numbers)), {}, Numbered(first, last), ts, [msgspec.Raw(b"")] * len(numbers), paging)

    return page


@dataclass
class TallySink:
    """A table that only counts how often each event was stored, and answers the proof's questions; writing takes no time."""

    dataset: Dataset
    copies: NDArray[np.int16] = field(init=False)
    delivery: Delivery = field(default_factory=lambda: Idempotent(("id",), float("inf")))
    in_flight: int = 1_000
    block: BlockLimits = field(default_factory=lambda: BlockLimits(20_000))

    def __post_init__(self) -> None:
        self.copies = np.zeros(len(self.dataset.ts), np.int16)

    @property
    def census(self) -> Census:
        """As what it stands in for."""
        return cast("Census", self)

    @property
    def twice(self) -> int:
        """Rows stored more than once."""
        return int((self.copies - 1).clip(0).sum())

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Nothing to create."""
        del run, schema
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Writer]:
        yield self

    async def write(self, block: Block) -> Receipt:
        """Count."""
        for batch in block.batches:
            storage = batch.rows.column("id").storage
            keys = np.frombuffer(storage.buffers()[1], ">i8").reshape(-1, 2)[storage.offset : storage.offset + len(storage), 1]
            np.add.at(self.copies, keys - 1, 1)
        return Receipt(stored=block.rows)

    async def settle(self) -> Sequence[Settled]:
        """All is as durable as it gets."""
        return ()

    async def stretches(self, bounds: Sequence[int]) -> list[Stretch]:
        """See `Census.stretches`."""
        stored = self.dataset.ts[np.repeat(np.arange(len(self.copies)), self.copies)][::-1]
        places = [0, *np.searchsorted(stored, bounds).tolist(), len(stored)]
        return list(_stretches(stored, places))

    async def at(self, moments: Sequence[int]) -> dict[int, set[str]]:
        """See `Census.at`."""
        return {moment: set(self._at(moment)) for moment in moments}

    async def dead_letters(self, pipeline: str) -> int:
        """None."""
        del pipeline
        return 0

    async def is_dead_letter(self, pipeline: str, raw: bytes) -> bool:
        """Never."""
        del pipeline, raw
        return False

    def _at(self, moment: int) -> Iterator[str]:
        first, last = self.dataset.after(Cursor(LAST_ID, moment + 1)), self.dataset.after(Cursor(LAST_ID, moment))
        return (id_of(number) for number in range(first, last) if self.copies[number])


def _stretches(stored: NDArray[np.int64], places: Sequence[int]) -> Iterator[Stretch]:
    for low, high in pairwise(places):
        yield Stretch(high - low, int(stored[low]), int(stored[high - 1])) if high > low else Stretch()
