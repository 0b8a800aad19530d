"""The main job over both endpoints: from the stream, from `/events`, and from one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from penstock.extract.settings import ExtractSettings
from penstock.simulate.datasync import running
from penstock.simulate.faults import PROFILES
from penstock.simulate.settings import DataSyncSettings, Stream
from penstock.simulate.stream import FEED

from .bench import Bench, bad_raws, good_ids

API = DataSyncSettings(events=1_200, seed=11, days=3.0, ties=0.3, timestamps="all")
SETTINGS = ExtractSettings(partition_count=4, batch_size=100, max_refused_percent=100.0)
PROBED = 1_000
"""Rows of the page that freezes the scope."""
EVENTS = "/api/v1/events"

Endpoint = Literal["on", "off"]


@pytest.mark.parametrize("profile", PROFILES)
async def test_from_the_stream(bench: Bench, profile: str) -> None:
    """Under every fault profile the stream gives every event once, and `/events` is not asked for anything."""
    faults = replace(PROFILES[profile], slow_s=0.0, burst_429=0.0)
    async with running(replace(API, faults=faults, undecodable=0.02, omit_cursor=0.1)) as server:
        extraction = await bench.run(server, SETTINGS)

    assert extraction.proof is not None
    assert extraction.proof.complete
    assert await bench.ids() == good_ids(server)
    assert await bench.dead() == bad_raws(server, "on")
    assert (server.audit.paths[EVENTS], bench.telemetry.notices) == (0, [])


async def test_only_what_is_asked_for(bench: Bench) -> None:
    """Pages from the stream end little below their partition, so that fewer rows are served in vain than from `/events`."""
    wasted = []
    for stream in ("on", "off"):
        settings = replace(SETTINGS, stream=stream, table=f"events_{stream}", partition_count=4, batch_size=2_000)
        async with running(replace(API, events=20_000)) as server:
            extraction = await bench.run(server, settings)
        wasted.append(server.audit.rows_served - server.audit.rows_seen)
        assert extraction.outcome.state == "completed"

    assert wasted[0] - PROBED < (wasted[1] - PROBED) / 2


@pytest.mark.parametrize("refused", [401, 403, 404])
async def test_fallen_back(bench: Bench, refused: int) -> None:
    """Without stream access the events come from `/events`, and the run says so once."""
    async with running(replace(API, stream=Stream(refused=refused))) as server:
        extraction = await bench.run(server, SETTINGS)

    (notice,) = bench.telemetry.notices
    assert extraction.outcome.state == "completed"
    assert await bench.ids() == good_ids(server)
    assert f"HTTP {refused}" in notice
    assert server.audit.paths[FEED] == 0


@pytest.mark.parametrize(("first", "then"), [("on", "off"), ("off", "on")])
@pytest.mark.parametrize("blocks", [1, 5, 12])
async def test_stopped_and_gone_on_at_the_other(bench: Bench, first: Endpoint, then: Endpoint, blocks: int) -> None:
    """A run that was stopped on one endpoint goes on at the other: every event once, whatever notation its time was stored in."""
    async with running(replace(API, undecodable=0.1, ties=0.8)) as server:
        await bench.run_until(blocks, server, replace(SETTINGS, batch_size=20, stream=first))
        stored = await bench.ids()
        extraction = await bench.run(server, replace(SETTINGS, partition_count=5, stream=then))
        again = await bench.run(server, replace(SETTINGS, stream=first))

    bad = (await bench.dead()).total()
    assert 0 < len(stored) < API.events
    assert extraction.proof is not None
    assert extraction.proof.faults == []
    assert again.proof is not None
    assert again.proof.faults == []
    assert await bench.ids() == good_ids(server)
    assert len(good_ids(server)) + bad == API.events
    assert bench.telemetry.total.duplicate == 0


async def test_closed_in_mid_run(bench: Bench) -> None:
    """A stream that is closed while it is read costs nothing but its speed."""
    async with running(replace(API, undecodable=0.1, stream=Stream(token_ttl_s=1.0), latency_s=0.1)) as server:
        door = server.api.stream
        real, grants = door.access, iter(range(1))

        def once(request: object) -> object:
            if next(grants, None) is None:
                door._stream = Stream(refused=403)
            return real(request)  # type: ignore[arg-type]

        server.api._single["/internal/dashboard/stream-access"] = once  # type: ignore[assignment]
        extraction = await bench.run(server, replace(SETTINGS, batch_size=20))

    assert extraction.proof is not None
    assert extraction.proof.faults == []
    assert await bench.ids() == good_ids(server)
    assert min(server.audit.paths[EVENTS], server.audit.paths[FEED]) > 0
    assert len(bench.telemetry.notices) == 1


@pytest.mark.parametrize(("first", "then"), [("on", "off"), ("off", "on")])
async def test_the_same_event_from_the_other(bench: Bench, first: Endpoint, then: Endpoint) -> None:
    """An event that is in the table already, its time written by the other endpoint, is a duplicate and no other event."""
    async with running(API) as server:
        await bench.run(server, replace(SETTINGS, stream=first))
        await bench.execute("delete from penstock.coverage")
        await bench.run(server, replace(SETTINGS, stream=then))

    assert (bench.telemetry.total.duplicate, bench.telemetry.total.refused) == (API.events, 0)
    assert await bench.dead() == {}
