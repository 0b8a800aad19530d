"""Faults: which are drawn, and what each does on the wire."""

from __future__ import annotations

import errno
import gzip
import json
import zlib
from dataclasses import replace
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import Misconfigured
from penstock.simulate.faults import FAULTS, MISLEADING, PROFILES, Fault, FaultProfile, Faults
from penstock.simulate.settings import DataSyncSettings

from .client import Client, Reply, Stopped, talking_to

JSON = "application/json; charset=utf-8"
SMALL = DataSyncSettings(events=300, seed=2, ties=0.5)


def profile(chance: float, *faults: Fault, **more: Any) -> FaultProfile:  # noqa: ANN401 - as the profile's fields
    """A profile in which each of `faults` has the same chance."""
    chances: dict[str, Any] = dict.fromkeys(faults, chance)
    return FaultProfile(**chances, **more)


def under(fault: Fault, *, max_in_a_row: int = 1, **more: float) -> DataSyncSettings:
    """Every cursor meets `fault` once, then a good answer."""
    return replace(SMALL, faults=profile(1.0, fault, max_in_a_row=max_in_a_row, **more))


EVERYTHING = profile(0.1, *FAULTS)


@given(seed=st.integers(0, 2**32), cursors=st.lists(st.integers(0, 3), max_size=60))
def test_bearable(seed: int, cursors: list[int]) -> None:
    """No cursor meets more faults in a row than allowed, and none is misled twice."""
    faults = Faults(EVERYTHING, seed)

    drawn = [(cursor, faults.draw(cursor)) for cursor in cursors]

    for wanted in range(4):
        met = [fault for cursor, fault in drawn if cursor == wanted]
        assert all(None in met[start : start + 3] for start in range(len(met) - 2))
        assert sum(fault in MISLEADING for fault in met) <= 1


@given(order=st.permutations([0, 0, 0, 1, 1, 1, 2, 2, 2]))
def test_drawn_by_cursor(order: list[int]) -> None:
    """What a cursor meets follows from the seed alone, in whatever order the cursors are asked for."""
    faults, in_order = Faults(EVERYTHING, 3), Faults(EVERYTHING, 3)

    drawn = [(cursor, faults.draw(cursor)) for cursor in order]

    assert sorted(drawn, key=lambda draw: draw[0]) == [(cursor, in_order.draw(cursor)) for cursor in (0, 0, 0, 1, 1, 1, 2, 2, 2)]


def test_as_frequent_as_asked() -> None:
    """Each fault comes as often as its probability says."""
    faults = Faults(replace(PROFILES["hostile"], max_in_a_row=10), 1)

    drawn = [faults.draw(cursor) for cursor in range(20_000)]

    for fault in FAULTS:
        assert abs(drawn.count(fault) / 20_000 - PROFILES["hostile"].chance(fault)) < 0.006


@pytest.mark.parametrize("wrong", [{"reset": -0.1}, {"reset": 0.6, "slow": 0.6}, {"max_in_a_row": -1}, {"slow_s": -1.0}])
def test_impossible_profiles(wrong: dict[str, float]) -> None:
    """Probabilities below 0 or above 1 together are refused."""
    with pytest.raises(Misconfigured):
        FaultProfile(**wrong)  # type: ignore[arg-type]


async def test_error_5xx() -> None:
    """The server answers 500, 502, 503 or 504, as itself or as the proxy in front of it, and then recovers."""
    kinds, cursor = set(), ""
    async with talking_to(under("error_5xx")) as client:
        for _ in range(30):
            failed = await client.get(cursor=cursor, limit=1)
            kinds.add((failed.status, failed.headers["Content-Type"]))
            cursor = (await client.get(cursor=cursor, limit=1)).next_cursor

    assert kinds == {(500, JSON), (503, JSON), (502, "text/html"), (504, "text/html")}


async def test_reset() -> None:
    """The connection is reset before a byte of the answer; twice here, as the client itself tries once more."""
    async with talking_to(under("reset", max_in_a_row=2)) as client:
        with pytest.raises(aiohttp.ClientOSError) as failure:
            await client.get()
        again = await client.get()

    assert failure.value.errno == errno.ECONNRESET
    assert again.status == 200


async def test_reset_mid_body() -> None:
    """The connection ends in the middle of the body that was promised."""
    async with talking_to(under("reset_mid_body")) as client:
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.get()
        again = await client.get()

        assert client.server.audit.rows_served == len(again.ids)


async def test_slow() -> None:
    """The answer is good and late."""
    time = Stopped()
    async with talking_to(under("slow", slow_s=7.5), time.clock) as client:
        late = await client.get(limit=30)

        assert client.server.audit.rows_served == 30
    assert time.waits == [7.5]
    assert len(late.ids) == 30


async def test_truncated_gzip() -> None:
    """The HTTP answer is whole, its gzip stream is not."""
    async with talking_to(under("truncated_gzip")) as client:
        cut, good = [await client.get() for _ in range(2)]

        assert client.server.audit.rows_served == 100
    assert cut.status == 200
    assert int(cut.headers["Content-Length"]) == len(cut.body)
    with pytest.raises(EOFError):
        gzip.decompress(cut.body)
    assert len(good.ids) == 100


async def test_missing_data() -> None:
    """The body is JSON with everything but the rows, in either shape."""
    bodies = []
    for shape in ("nested", "flat"):
        async with talking_to(replace(under("missing_data"), page_shape=shape)) as client:
            bodies.append((await client.get()).json)

    assert [list(body) for body in bodies] == [["pagination", "meta"], ["hasMore", "nextCursor", "total"]]


async def test_bad_json() -> None:
    """The gzip stream is whole, the JSON in it is not."""
    async with talking_to(under("bad_json")) as client:
        bad = await client.get()

    assert zlib.decompress(bad.body, 31).startswith(b'{"data":[{"id":')
    with pytest.raises(json.JSONDecodeError):
        _ = bad.json


async def test_same_page() -> None:
    """The page before comes once more, then the one asked for; the first page has none before it."""
    async with talking_to(under("same_page")) as client:
        first = await client.get(limit=30)
        faulty = await client.get(limit=30, cursor=first.next_cursor)
        second = await client.get(limit=30, cursor=first.next_cursor)

        assert client.server.audit.served_twice == 0
    assert faulty.ids == first.ids
    assert faulty.json["pagination"]["hasMore"]
    assert not set(second.ids) & set(first.ids)


async def test_out_of_order() -> None:
    """The right rows come in an order whose times show that it is wrong, all shuffled or two of them swapped."""
    moved, cursor = [], ""
    settings = replace(under("out_of_order"), undecodable=0.3, undecodable_kinds=("id_type",))
    async with talking_to(settings) as client:
        keys = client.server.dataset.keys
        for limit in [30] * 6 + [3] * 30:
            faulty, good = [await client.get(limit=limit, cursor=cursor) for _ in range(2)]
            cursor = good.next_cursor
            ages = [keys.ages[keys.find(UUID(text).bytes)] for text in faulty.ids if str(text) != "12"]
            moved.append(sum(one != other for one, other in zip(faulty.json["data"], good.json["data"], strict=True)))

            assert (ages != sorted(ages)) == (moved[-1] > 0)
            assert sorted(map(str, faulty.ids)) == sorted(map(str, good.ids))
    assert moved.count(2) > 1
    assert max(moved) > 20


async def test_no_order_to_disturb() -> None:
    """Where all rows share one millisecond no client could see a wrong order, so the page stays as it is."""
    async with talking_to(replace(under("out_of_order"), tie_burst=300)) as client:
        ids = await client.walk(limit=50)

        assert client.server.audit.faults == {}
    assert len(set(ids)) == 300


async def test_burst_429() -> None:
    """For a while everybody is refused, whatever the page, with the time to come back."""
    time = Stopped()
    async with talking_to(under("burst_429", burst_s=4.0), time.clock) as client:
        refused = [await client.get(limit=limit) for limit in (1, 2)]
        time.now_s += 4
        served = await client.get(limit=1)

    assert [(reply.status, reply.headers["Retry-After"]) for reply in refused] == [(429, "4"), (429, "4")]
    assert served.status == 200


@pytest.mark.parametrize("name", ["rough", "hostile"])
async def test_profiles_can_be_survived(name: str) -> None:
    """A client that asks up to three times for each page gets through every profile, with every row in place."""
    time = Stopped()
    async with talking_to(replace(SMALL, faults=replace(PROFILES[name], burst_429=0.0)), time.clock) as client:
        page = await patiently(client, limit=10)
        ids = page.ids
        while page.json["pagination"]["hasMore"]:
            before, page = page, await patiently(client, limit=10, cursor=page.next_cursor, before=ids)
            ids += page.ids if page.ids != before.ids else []

        assert ids == [str(UUID(bytes=identity.tobytes())) for identity in client.server.dataset.ids()]
        assert sum(client.server.audit.faults.values()) >= 2


async def patiently(client: Client, *, limit: int, cursor: str = "", before: list[str] | None = None) -> Reply:
    """A page that is whole, readable, new and in order."""
    dataset = client.server.dataset
    for _ in range(3):
        try:
            reply = await client.get(limit=limit, cursor=cursor)
            rows = [dataset.keys.find(bytes.fromhex(text.replace("-", ""))) for text in reply.ids]
        except (aiohttp.ClientError, ValueError, KeyError, EOFError, zlib.error):
            continue
        ages = [dataset.keys.ages[row] for row in rows]
        if reply.status == 200 and ages == sorted(ages) and not set(reply.ids) & set(before or []):
            return reply
    raise AssertionError("three bad answers in a row")
