"""The source against the simulated API over HTTP: every event once, whatever shape, notation, tie rule or trouble."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from penstock.extract.keys import Frontier
from penstock.extract.source import EventSource
from penstock.simulate.datasync import Clock, Server
from penstock.simulate.faults import PROFILES
from penstock.simulate.keys import NEWEST_MS, Span
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


def served(server: Server, span: Span | None = None, tokens: int = 0) -> Counter[bytes]:
    """Events of the simulated API, as it writes them, on the stream for clients with a token: those of these rows, or all."""
    span = span or Span(0, len(server.dataset.keys))
    text = (server.api.listing.stream_dataset if tokens else server.dataset).text(span)
    return Counter(bytes(text.rows(row, row + 1)) for row in range(len(span)))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("tokens", [0, 1, 3])
@pytest.mark.parametrize("settings", (SETTINGS | TROUBLE).values(), ids=SETTINGS | TROUBLE)
async def test_every_event_once(settings: DataSyncSettings, tokens: int, clock: Clock) -> None:
    """Four partitions in pages of 450 read every event exactly once, also from the stream: good ones as rows, others as refusals."""
    async with simulated(settings, clock, tokens=tokens) as (server, api):
        read = await read_all(EventSource(api, "epoch", partitions=4, page_limit=450))

    refused = sum(len(batch.refused) for batches in read.values() for batch in batches)
    assert all_raws(read) == served(server, tokens=tokens)
    assert refused == len(server.dataset.refused_ids())
    assert strangers(read) == []


@pytest.mark.usefixtures("clock")
async def test_live_events(clock: Clock) -> None:
    """Events that come while it reads are read once more, up to the millisecond below the newest one; the total tells of the rest."""
    settings = replace(PLAIN, live_per_s=100.0, latency_s=0.1)
    async with simulated(settings, clock) as (server, api):
        source = EventSource(api, "epoch", partitions=3, page_limit=300)
        read = await read_all(source)

    bound = max(Frontier.of(partition.start).ts for partition in read)
    below = served(server, Span(int(np.argmax(server.dataset.keys.ages >= NEWEST_MS - bound)), len(server.dataset.keys)))
    assert all_raws(read) == below
    assert source.latest_total is not None
    assert settings.events < below.total() < source.latest_total <= settings.events + server.inserted
