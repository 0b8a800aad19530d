"""The source against the simulated API over HTTP: every event once, whatever shape, notation, tie rule or trouble."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from penstock.extract.source import EventSource
from penstock.simulate.datasync import Clock, Server
from penstock.simulate.faults import PROFILES
from penstock.simulate.keys import Span
from penstock.simulate.settings import DataSyncSettings

from .reading import all_raws, read_all, strangers
from .simulated import simulated

PLAIN = DataSyncSettings(events=3_000, seed=3, days=2.0)
ROUGH, HOSTILE = (replace(PLAIN, faults=replace(PROFILES[name], burst_429=0.0)) for name in ("rough", "hostile"))
SETTINGS = {
    "plain": PLAIN,
    "every notation, flat": replace(PLAIN, timestamps="all", page_shape="flat"),
    "burst": replace(PLAIN, tie_burst=2_500, ties=0.5),
    "burst, asc": replace(PLAIN, tie_burst=2_500, ties=0.5, tie_rule="asc"),
    "one millisecond": replace(PLAIN, tie_burst=3_000),
    "one millisecond, asc": replace(PLAIN, tie_burst=3_000, tie_rule="asc"),
    "undecodable": replace(PLAIN, undecodable=0.2, ties=0.9),
    "undecodable, asc, without cursors": replace(PLAIN, undecodable=0.2, ties=0.9, tie_rule="asc", omit_cursor=0.5),
    "undecodable times": replace(PLAIN, undecodable=0.5, undecodable_kinds=("timestamp_type", "id_type"), tie_burst=1_500, tie_rule="asc"),
    "skewed": replace(PLAIN, skew=2.5, days=30.0, omit_cursor=0.3),
    "one event": replace(PLAIN, events=1),
}
TROUBLE = {
    "rough": replace(ROUGH, tie_burst=1_000),
    "hostile": replace(HOSTILE, ties=0.5, timestamps="all"),
    "hostile, undecodable": replace(HOSTILE, undecodable=0.1, omit_cursor=0.2, tie_rule="asc"),
}


def served(server: Server) -> Counter[bytes]:
    """Every event of the simulated API, as it writes it."""
    count = len(server.dataset.keys)
    text = server.dataset.text(Span(0, count))
    return Counter(bytes(text.rows(row, row + 1)) for row in range(count))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("settings", (SETTINGS | TROUBLE).values(), ids=SETTINGS | TROUBLE)
async def test_every_event_once(settings: DataSyncSettings, clock: Clock) -> None:
    """Five partitions in pages of 300 read every event exactly once, the good ones as rows and the undecodable ones as refusals."""
    async with simulated(settings, clock) as (server, api):
        read = await read_all(EventSource(api, "epoch", partitions=4, page_limit=450))

    refused = sum(len(batch.refused) for batches in read.values() for batch in batches)
    assert all_raws(read) == served(server)
    assert refused == len(server.dataset.refused_ids())
    assert strangers(read) == []


@pytest.mark.usefixtures("clock")
async def test_live_events(clock: Clock) -> None:
    """Events that come while it reads are newer than the frozen scope: they are not read, and the total tells of them."""
    settings = replace(PLAIN, live_per_s=100.0, latency_s=0.1)
    async with simulated(settings, clock) as (server, api):
        source = EventSource(api, "epoch", partitions=3, page_limit=300)
        read = await read_all(source)

    total = sum(batch.received for batches in read.values() for batch in batches)
    assert source.total is not None
    assert source.latest_total is not None
    assert total == source.total < source.latest_total <= settings.events + server.inserted
